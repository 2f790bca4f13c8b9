//! What asks a run to end, also as PID 1, where nothing is handled by default.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use crate::error::{Error, Exit};
use crate::pipeline::progress::Progress;
use std::io::{self, Write as _};
use std::time::Duration;
use std::{process, thread};
use tokio::time::sleep;
#[cfg(unix)]
pub(crate) use unix::Signals;
#[cfg(windows)]
pub(crate) use windows::Signals;

/// How long a run that was stopped may take to end by itself; it ends within 2 s in any case.
const GRACE: Duration = Duration::from_millis(1500);

/// What ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    exit: Exit,
    /// As the system calls it.
    name: &'static str,
}

impl Stopped {
    /// The one line that says what was left undone.
    pub(crate) fn error(self, progress: &Progress) -> Error {
        self.leaving(&progress.left_undone())
    }

    /// The same in other words.
    pub(crate) fn leaving(self, left_undone: &str) -> Error {
        let Self { exit, name } = self;
        Error::new(exit, format!("stopped by {name}: {left_undone}"))
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
