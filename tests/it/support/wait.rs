//! Waiting for a condition instead of sleeping.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long any wait of the test support may last before it fails the test.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at a condition every few milliseconds until it holds; panics with `what` after
/// [`PATIENCE`].
pub async fn until<F, T>(what: &str, mut holds: F)
where
    F: FnMut() -> T,
    T: Future<Output = bool>,
{
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
