//! SIGINT, SIGTERM and SIGHUP.

use super::Stopped;
use crate::error::Exit;
use crate::file;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

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
            () = received(interrupt) => Stopped { exit: Exit::Interrupted, name: "SIGINT" },
            () = received(terminate) => Stopped { exit: Exit::Terminated, name: "SIGTERM" },
            // The terminal or the connection behind it is gone. For a run that is the same.
            () = received(hangup) => Stopped { exit: Exit::Terminated, name: "SIGHUP" },
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
