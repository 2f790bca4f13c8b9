//! SIGINT, SIGTERM and SIGHUP, also as PID 1, where nothing is handled by default.

use crate::error::{Error, Exit};
use crate::file;
use crate::pipeline::progress::Progress;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;
use std::{process, thread};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;
use tokio::time::sleep;

/// How long a run that was stopped may take to end by itself; it ends within 2 s in any case.
const GRACE: Duration = Duration::from_millis(1500);

/// Which signal ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// SIGHUP: the terminal or the connection behind it is gone. For a run that is the same as
    /// SIGTERM.
    HungUp,
}

impl Stopped {
    /// The one line that says what was left undone.
    pub(crate) fn error(self, progress: &Progress) -> Error {
        self.leaving(&progress.left_undone())
    }

    /// The same in other words.
    pub(crate) fn leaving(self, left_undone: &str) -> Error {
        let (exit, name) = match self {
            Self::Interrupted => (Exit::Interrupted, "SIGINT"),
            Self::Terminated => (Exit::Terminated, "SIGTERM"),
            Self::HungUp => (Exit::Terminated, "SIGHUP"),
        };
        Error::new(exit, format!("stopped by {name}: {left_undone}"))
    }
}

/// Hears signals from when it is made, whether or not somebody waits for one.
#[derive(Debug)]
pub(crate) struct Signals(Mutex<[Option<Signal>; 3]>);

impl Signals {
    /// Where a signal cannot be listened to, it keeps its usual effect. To be called in a runtime.
    pub(crate) fn listen() -> Self {
        let hear = |kind: SignalKind| signal(kind).ok();
        let hangup = if hangups_are_ignored() { None } else { hear(SignalKind::hangup()) };
        let interrupt = hear(SignalKind::interrupt());
        Self(Mutex::new([interrupt, hear(SignalKind::terminate()), hangup]))
    }

    /// Waits for the first of these signals. Later ones change nothing: the run is ending already.
    pub(crate) async fn stopped(&self) -> Stopped {
        let mut signals = self.0.lock().await;
        let [interrupt, terminate, hangup] = &mut *signals;
        tokio::select! {
            () = received(interrupt) => Stopped::Interrupted,
            () = received(terminate) => Stopped::Terminated,
            () = received(hangup) => Stopped::HungUp,
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Ends the process if a run that was stopped does not end by itself: it may hang in something that
/// cannot be given up, such as a file on a server that is gone, standard input, or a log that nobody
/// reads. A thread of its own hears the signals for that.
pub fn end_what_hangs() {
    // Without the thread, signals still end whatever does not hang.
    let _ = thread::Builder::new().name("signals".to_owned()).spawn(|| {
        let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = built else { return };
        runtime.block_on(async {
            let stopped = Signals::listen().stopped().await;
            sleep(GRACE).await;
            let error = stopped.leaving("it hung; which tags were moved is not known");
            // This may hang too, and nothing waits for it.
            thread::spawn(move || writeln!(io::stderr(), "error: {}", error.what));
            sleep(Duration::from_millis(100)).await;
            end(error.exit);
        });
    });
}

#[expect(clippy::exit, reason = "the thread that would return hangs")]
fn end(exit: Exit) -> ! {
    process::exit(exit as i32)
}

/// Whether who started us wants it to outlive its terminal: `nohup` does it so. Listening would
/// undo that.
fn hangups_are_ignored() -> bool {
    // Linux shows it as a mask; SIGHUP, the first signal, is its lowest bit. Other systems do not
    // show it: there `nohup` is undone.
    let mask = file::text(Path::new("/proc/self/status"), 64 << 10).ok();
    let ignored = mask
        .as_deref()
        .and_then(|status| status.lines().find_map(|line| line.strip_prefix("SigIgn:")));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
