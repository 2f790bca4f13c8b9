//! The fast clock: what takes minutes takes a test a second or two.
//!
//! tokio's paused clock would jump to the next timer whenever nothing can run, and so cut short
//! every answer that is still on its way through a real socket. The fast clock is advanced at every
//! tick of real time, as much faster as asked, and never jumps.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The time between two ticks; a pause of a second is still one when it goes by 100 times faster.
const TICK: Duration = Duration::from_millis(2);

/// Runs a future on this thread while tokio's clock goes `times` faster. Servers of the test
/// support keep real time: they have threads of their own.
pub fn with_fast_clock<F: Future>(times: u32, future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&over);
    runtime.block_on(async {
        // A tick that nobody has time for is lost: on a busy machine this clock is late, and
        // nothing times out for that.
        let (tick, mut ticks) = tokio::sync::mpsc::channel(1);
        // As long as a blocking task runs, tokio's paused clock does not jump.
        let ticker = tokio::task::spawn_blocking(move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                let _ = tick.try_send(());
            }
        });
        let advancing = tokio::spawn(async move {
            while ticks.recv().await.is_some() {
                tokio::time::advance(TICK * times).await;
            }
        });
        let output = future.await;
        over.store(true, Ordering::Relaxed);
        let _ = (ticker.await, advancing.await);
        output
    })
}
