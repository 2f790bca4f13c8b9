//! A clock that runs faster than real time: what takes minutes takes a test a second or two.
//!
//! tokio's paused clock would jump to the next timer whenever nothing can run, and so cut short
//! every answer that is still on its way through a real socket. Here it is moved by hand, as much
//! faster as asked, and never jumps.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Often enough that a pause of a second, a hundred times faster, is still seen to be one.
const BEAT: Duration = Duration::from_millis(2);

/// Runs a future on this thread while tokio's clock goes `times` faster. Servers of the test
/// support keep real time: they have threads of their own.
pub fn hastened<F: Future>(times: u32, future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&over);
    runtime.block_on(async {
        // A beat that nobody has time for is lost: on a busy machine this clock is late, and
        // nothing times out for that.
        let (beat, mut beats) = tokio::sync::mpsc::channel(1);
        // As long as a blocking task runs, tokio's paused clock does not jump.
        let heart = tokio::task::spawn_blocking(move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(BEAT);
                let _ = beat.try_send(());
            }
        });
        let hands = tokio::spawn(async move {
            while beats.recv().await.is_some() {
                tokio::time::advance(BEAT * times).await;
            }
        });
        let output = future.await;
        over.store(true, Ordering::Relaxed);
        let _ = (heart.await, hands.await);
        output
    })
}
