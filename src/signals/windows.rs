//! Control-C, Control-Break and what closes a console. GitHub's runner sends the first, then the second,
//! to a step that is cancelled.

use super::Stopped;
use crate::error::Exit;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close,
    ctrl_logoff, ctrl_shutdown,
};
use tokio::sync::Mutex;

/// Hears signals from when it is made, whether or not somebody waits for one.
#[derive(Debug)]
pub(crate) struct Signals(Mutex<Heard>);

#[derive(Debug)]
struct Heard {
    interrupt: Option<CtrlC>,
    stop: Option<CtrlBreak>,
    close: Option<CtrlClose>,
    logoff: Option<CtrlLogoff>,
    shutdown: Option<CtrlShutdown>,
}

/// Waits for a signal; for ever if it cannot be listened to.
macro_rules! received {
    ($signal:expr) => {
        async {
            match &mut $signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
    };
}

impl Signals {
    /// Where a signal cannot be listened to, it keeps its usual effect. To be called in a runtime.
    pub(crate) fn listen() -> Self {
        Self(Mutex::new(Heard {
            interrupt: ctrl_c().ok(),
            stop: ctrl_break().ok(),
            close: ctrl_close().ok(),
            logoff: ctrl_logoff().ok(),
            shutdown: ctrl_shutdown().ok(),
        }))
    }

    /// Waits for the first of these signals. Later ones change nothing: the run is ending already.
    pub(crate) async fn stopped(&self) -> Stopped {
        let mut heard = self.0.lock().await;
        let Heard { interrupt, stop, close, logoff, shutdown } = &mut *heard;
        let terminated = |name| Stopped { exit: Exit::Terminated, name };
        tokio::select! {
            () = received!(*interrupt) => Stopped { exit: Exit::Interrupted, name: "Ctrl+C" },
            () = received!(*stop) => terminated("Ctrl+Break"),
            () = received!(*close) => terminated("the end of its console"),
            () = received!(*logoff) => terminated("the end of the session"),
            () = received!(*shutdown) => terminated("the end of the system"),
        }
    }
}
