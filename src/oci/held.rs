//! How much of memory the manifests of a run take at once: each may be as large as a registry takes,
//! all of them together not.

use super::Invalid;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Weight of a manifest that is not counted, in bytes: of thirty entries.
const ORDINARY: usize = 64 << 10;
/// Weight of all that are counted, in bytes. One of the largest may be held.
const MOST: usize = 4 << 20;

/// The manifests that a run holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

/// The part of one manifest, and of its clones.
#[derive(Debug, Clone)]
pub struct Share {
    weight: usize,
    taken: Option<Arc<Taken>>,
}

#[derive(Debug)]
struct Taken {
    weight: usize,
    of: Held,
}

impl Share {
    /// Of a manifest that takes so many bytes.
    pub(super) fn of(weight: usize) -> Self {
        Self { weight, taken: None }
    }

    /// Bytes of memory that the manifest takes, about.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Counts it among what is held, until it and all its clones are gone; not if that is refused.
    pub(crate) fn count_in(&mut self, held: &Held) -> Result<(), Invalid> {
        let Some(weight) = self.weight.checked_sub(ORDINARY) else { return Ok(()) };
        let before = held.0.fetch_add(weight, Ordering::Relaxed);
        let taken = Taken { weight, of: held.clone() };
        if before > 0 && before + weight > MOST {
            return Err(Invalid::new(
                "it is larger than any list of images needs, and so are others of this run",
            ));
        }
        self.taken = Some(Arc::new(taken));
        Ok(())
    }
}

/// Manifests are equal whoever holds them.
impl PartialEq for Share {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_count_until_they_are_gone() {
        let held = Held::default();
        let counted = |weight: usize| {
            let mut share = Share::of(weight);
            share.count_in(&held).map(|()| share)
        };
        let ordinary: Vec<Share> = (0..1000).map(|_| counted(ORDINARY).unwrap()).collect();
        let one = counted(2 * MOST).unwrap();
        let clone = one.clone();
        assert!(counted(ORDINARY + 1).is_err(), "beside one that takes all");
        drop(one);
        assert!(counted(ORDINARY + 1).is_err(), "its clone takes it still");
        drop(clone);
        let halves = [counted(MOST / 2).unwrap(), counted(MOST / 2).unwrap()];
        assert!(counted(MOST / 2).is_err());
        drop((ordinary, halves));
        assert_eq!(held.0.load(Ordering::Relaxed), 0);
    }
}
