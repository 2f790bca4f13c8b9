//! The library as a step runs it, in the process of the test, where its clock can be made faster.

use crate::support::fast_clock::with_fast_clock;
use crate::support::log::Log;
use crate::support::scene::{BOTH, Scene};
use manifest_action::app::{Ended, Invocation, compose_lists};
use manifest_action::error::Exit;
use manifest_action::inputs::{Context, Environment};
use manifest_action::secret::Secrets;
use std::time::Duration;

/// Names and values of inputs.
pub type Inputs = Vec<(&'static str, String)>;

/// The inputs that publish amd64 and arm64 of a scene at these tags and look for them once.
pub fn inputs_to(scene: &Scene, tags: &[&str]) -> Inputs {
    vec![
        ("tags", scene.references(tags)),
        ("sources", scene.references(&BOTH)),
        ("wait", "0".to_owned()),
    ]
}

/// Runs a step with these inputs; nothing else is in its environment.
pub async fn run(inputs: Inputs) -> Ended {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut environment = Environment::default();
    environment.insert("HOME".to_owned(), folder.path().display().to_string());
    environment.extend(
        inputs.into_iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), value)),
    );
    let (environment, secrets) = (&environment, &Secrets::default());
    compose_lists(Invocation::step(Context { environment, folder: folder.path(), secrets })).await
}

/// Runs a step on a thread whose clock goes so many times faster; returns how long it took by that
/// clock.
pub async fn run_fast(times: u32, inputs: Inputs) -> (Ended, Duration) {
    let (ended, elapsed, _) = run_fast_with_log(times, inputs).await;
    (ended, elapsed)
}

/// [`run_fast`], and what it logged.
pub async fn run_fast_with_log(times: u32, inputs: Inputs) -> (Ended, Duration, String) {
    let run = move || {
        with_fast_clock(times, async {
            let (start, log) = (tokio::time::Instant::now(), Log::begin());
            (run(inputs).await, start.elapsed(), log.end())
        })
    };
    tokio::task::spawn_blocking(run).await.expect("the run does not panic")
}

/// The text of the only list's failure; panics when the run did not end with this status.
#[track_caller]
pub fn failure(ended: &Ended, exit: Exit) -> String {
    let said = ended.run.lists[0].ended.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert_eq!(ended.exit, exit, "{said}");
    said
}
