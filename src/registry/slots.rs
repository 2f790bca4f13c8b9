//! Places for answers that several lists of a run need, by request. Room is bounded: what was used
//! least lately goes first, and is asked for again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that an answer counts at least: a small one costs more than its body.
const LEAST_BYTES: usize = 512;

/// Slots by request.
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// Bytes of all that is kept.
    most: usize,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    slots: HashMap<String, Slot<T>>,
    bytes: usize,
    /// Counts uses, so that the least lately used is known.
    uses: u64,
}

#[derive(Debug)]
struct Slot<T> {
    content: Arc<T>,
    /// None while the answer is still to come.
    bytes: Option<usize>,
    used: u64,
}

impl<T: Default> Slots<T> {
    /// For so many bytes.
    pub(super) fn of(most: usize) -> Self {
        let kept = Kept { slots: HashMap::new(), bytes: 0, uses: 0 };
        Self { most, kept: Mutex::new(kept) }
    }

    /// The slot of a request.
    pub(super) fn at(&self, key: &str) -> Arc<T> {
        let mut kept = self.lock();
        kept.uses += 1;
        let used = kept.uses;
        if let Some(slot) = kept.slots.get_mut(key) {
            slot.used = used;
            return Arc::clone(&slot.content);
        }
        let content = Arc::new(T::default());
        let slot = Slot { content: Arc::clone(&content), bytes: None, used };
        kept.slots.insert(key.to_owned(), slot);
        content
    }

    /// Keeps what the slot holds now, if there is room for so many bytes. Who has the slot already
    /// can read it all the same.
    pub(super) fn keep(&self, key: &str, bytes: usize) {
        let bytes = bytes.max(LEAST_BYTES);
        let mut kept = self.lock();
        let kept = &mut *kept;
        if bytes > self.most {
            return kept.forget(key);
        }
        if let Some(slot) = kept.slots.get_mut(key) {
            kept.bytes = kept.bytes - slot.bytes.unwrap_or_default() + bytes;
            slot.bytes = Some(bytes);
        }
        while kept.bytes > self.most {
            let others = kept
                .slots
                .iter()
                .filter(|(other, slot)| slot.bytes.is_some() && other.as_str() != key);
            let Some((oldest, _)) = others.min_by_key(|(_, slot)| slot.used) else { return };
            let oldest = oldest.clone();
            kept.forget(&oldest);
        }
    }

    /// Forgets what the slot holds.
    pub(super) fn forget(&self, key: &str) {
        self.lock().forget(key);
    }

    /// Forgets all answers.
    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        kept.slots.retain(|_, slot| slot.bytes.is_none());
        kept.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    fn forget(&mut self, key: &str) {
        let slot = self.slots.remove(key);
        self.bytes -= slot.and_then(|slot| slot.bytes).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    fn kept(slots: &Slots<OnceLock<u32>>) -> Vec<String> {
        let mut kept: Vec<String> = slots.lock().slots.keys().cloned().collect();
        kept.sort();
        kept
    }

    #[test]
    fn what_was_used_least_lately_goes_first() {
        let slots: Slots<OnceLock<u32>> = Slots::of(3 * LEAST_BYTES);
        for key in ["a", "b", "c"] {
            slots.at(key).set(1).unwrap();
            slots.keep(key, 1);
        }
        assert!(slots.at("a").get().is_some());
        slots.at("under way");
        slots.at("d");
        slots.keep("d", LEAST_BYTES);
        assert_eq!(kept(&slots), ["a", "c", "d", "under way"]);
        slots.keep("a", 2 * LEAST_BYTES);
        assert_eq!(kept(&slots), ["a", "d", "under way"]);
        assert_eq!(slots.lock().bytes, 3 * LEAST_BYTES);
        let large = slots.at("large");
        slots.keep("large", 3 * LEAST_BYTES + 1);
        assert_eq!(kept(&slots), ["a", "d", "under way"]);
        assert!(large.get().is_none(), "who has it can still read it");
        slots.clear();
        assert_eq!((kept(&slots), slots.lock().bytes), (vec!["under way".to_owned()], 0));
        slots.forget("under way");
        assert!(kept(&slots).is_empty());
    }
}
