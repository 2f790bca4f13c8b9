//! A panic is a bug of ours. It ends a run as any other failure does: told without secrets, with what
//! became of the tags, in the reports, by exit status 70.

use crate::error::Error;
use crate::text::one_line;
use futures_util::FutureExt as _;
use std::any::Any;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::sync::LazyLock;
use tokio::sync::watch;

/// The first panic of this process, in whatever thread or task.
static FIRST: LazyLock<watch::Sender<Option<String>>> = LazyLock::new(|| watch::Sender::new(None));

/// From now on a panic is only noted, for whoever catches it to tell. Rust itself would print its
/// message, which may quote anything.
pub fn note_only() {
    panic::set_hook(Box::new(|panicked| {
        FIRST.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(words(panicked));
            }
            is_first
        });
    }));
}

fn words(panicked: &PanicHookInfo<'_>) -> String {
    let place = panicked.location().map(Location::to_string).unwrap_or_default();
    one_line(&format!("panicked at {place}: {}", message(panicked.payload())))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// What was noted, else what the panic itself says.
fn bug(payload: &(dyn Any + Send)) -> Error {
    let noted = FIRST.borrow().clone();
    Error::defect(noted.unwrap_or_else(|| one_line(&format!("panicked: {}", message(payload)))))
}

/// Does the work to its end, or until anything in the process panics. A task that panics would
/// otherwise only be missing, and be waited for.
///
/// What the work leaves behind is read afterwards only to tell of it: tags, images, warnings. All of
/// that is behind locks or cells whose guards end with a panic.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let mut first = FIRST.subscribe();
    let elsewhere = async {
        match first.wait_for(Option::is_some).await {
            Ok(noted) => noted.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = AssertUnwindSafe(work).catch_unwind() => ended.map_err(|payload| bug(&*payload)),
        noted = elsewhere => Err(Error::defect(noted)),
    }
}

/// The same for work that is no future.
///
/// # Errors
///
/// The panic, as a bug of ours.
pub fn caught_at_once<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| bug(&*payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[tokio::test]
    async fn a_panic_of_the_work_is_an_error() {
        assert_eq!(caught(async { 1 }).await, Ok(1));
        let error = caught(async { panic!("first\n  second {}", 2) }).await.unwrap_err();
        assert_eq!(error.exit, Exit::Defect);
        assert!(error.what.ends_with(": first second 2"), "{}", error.what);
        let error = caught_at_once(|| panic!("at once")).unwrap_err();
        assert_eq!(error.exit, Exit::Defect);
    }

    /// What was noted stays, so this is one test: in a task, in a thread, where nobody waits for
    /// them.
    #[tokio::test]
    async fn a_panic_elsewhere_ends_the_work_with_its_place() {
        let usual = panic::take_hook();
        note_only();
        let error = caught(async {
            tokio::spawn(async { panic!("in a task") });
            std::future::pending::<()>().await;
        });
        let error = error.await.unwrap_err();
        let _ = std::thread::spawn(|| panic!("in a thread")).join();
        panic::set_hook(usual);
        let expected = concat!("bug in manifest-action: panicked at ", file!(), ":");
        assert!(error.what.starts_with(expected), "{}", error.what);
        assert!(error.what.ends_with(": in a task"), "{}", error.what);
        let error = caught(std::future::pending::<()>()).await.unwrap_err();
        assert!(error.what.ends_with(": in a task"), "the first: {}", error.what);
        // It is no part of what other tests are told.
        FIRST.send_replace(None);
    }
}
