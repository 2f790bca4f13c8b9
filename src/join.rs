//! Futures that run side by side, of which the first error ends all.
//!
//! `try_join_all` of futures-util does that for up to thirty of them; of more it hears of an error
//! only when all before it have ended, and with sources that are waited for that may be an hour
//! later.

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::future::Future;

/// All results, in the order of the futures, or the first error in time.
pub(crate) async fn all<T, E, F: Future<Output = Result<T, E>>>(
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, E> {
    within(usize::MAX, futures).await
}

/// The same of so many futures at once: of thousands, each that is under way takes memory.
pub(crate) async fn within<T, E, F: Future<Output = Result<T, E>>>(
    most: usize,
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, E> {
    // No `async` block, which would hold each future twice: as what it captured, and as what it
    // awaits.
    let mut numbered = futures
        .into_iter()
        .enumerate()
        .map(|(at, future)| future.map(move |ended| ended.map(|value| (at, value))));
    let mut under_way: FuturesUnordered<_> = numbered.by_ref().take(most).collect();
    let mut values = Vec::with_capacity(under_way.len());
    while let Some(ended) = under_way.next().await {
        values.push(ended?);
        under_way.extend(numbered.next());
    }
    values.sort_by_key(|(at, _)| *at);
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{pending, ready};
    use std::cell::Cell;

    #[test]
    fn the_first_error_ends_all_however_many_they_are() {
        let one_fails = (0..100).map(|n| {
            if n == 99 { ready(Err(n)).boxed() } else { pending::<Result<(), i32>>().boxed() }
        });
        assert_eq!(all(one_fails).now_or_never(), Some(Err(99)));
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_may_be() {
        let under_way = Cell::new(0);
        let futures = (0..100).map(|n| {
            let under_way = &under_way;
            async move {
                under_way.set(under_way.get() + 1);
                assert!(under_way.get() <= 7);
                tokio::task::yield_now().await;
                under_way.set(under_way.get() - 1);
                Ok::<i32, ()>(n)
            }
        });
        assert_eq!(within(7, futures).await, Ok((0..100).collect()));
    }

    #[tokio::test]
    async fn results_keep_their_order() {
        let late_first = (0..100).map(|n| async move {
            if n % 2 == 0 {
                tokio::task::yield_now().await;
            }
            Ok::<i32, ()>(n)
        });
        assert_eq!(all(late_first).await, Ok((0..100).collect()));
    }
}
