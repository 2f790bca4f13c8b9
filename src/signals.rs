//! SIGINT, SIGTERM and SIGHUP, also as PID 1, where nothing is handled by default.

use crate::error::{Error, Exit};
use crate::file;
use crate::pipeline::progress::Progress;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Waits for the first of these signals. Later ones change nothing: the run is ending already.
pub(crate) async fn stopped() -> Stopped {
    tokio::select! {
        () = received(SignalKind::interrupt()) => Stopped::Interrupted,
        () = received(SignalKind::terminate()) => Stopped::Terminated,
        () = received(SignalKind::hangup()), if !hangups_are_ignored() => Stopped::HungUp,
    }
}

/// Where a signal cannot be listened to, it keeps its usual effect.
async fn received(kind: SignalKind) {
    match signal(kind).as_mut().map(Signal::recv) {
        Ok(received) => {
            received.await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Whether who started us wants it to outlive its terminal: `nohup` does it so. Listening would
/// undo that.
fn hangups_are_ignored() -> bool {
    // Linux shows it as a mask; SIGHUP, the first signal, is its lowest bit.
    let mask = file::text(Path::new("/proc/self/status"), 64 << 10).ok();
    let ignored = mask
        .as_deref()
        .and_then(|status| status.lines().find_map(|line| line.strip_prefix("SigIgn:")));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
