//! SIGINT and SIGTERM, also as PID 1, where nothing is handled by default.

use crate::error::{Error, Exit};
use crate::progress::Progress;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Which signal ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Stopped {
    /// The one line that says what was left undone.
    pub fn error(self, progress: &Progress) -> Error {
        self.leaving(&progress.left_undone())
    }

    /// The same in other words.
    pub fn leaving(self, left_undone: &str) -> Error {
        let (exit, name) = match self {
            Self::Interrupted => (Exit::Interrupted, "SIGINT"),
            Self::Terminated => (Exit::Terminated, "SIGTERM"),
        };
        Error::new(exit, format!("stopped by {name}: {left_undone}"))
    }
}

/// Waits for the first of both signals.
pub async fn stopped() -> Stopped {
    tokio::select! {
        () = received(SignalKind::interrupt()) => Stopped::Interrupted,
        () = received(SignalKind::terminate()) => Stopped::Terminated,
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
