//! How far indexes are followed.

/// Indexes inside indexes are followed this deep.
pub(crate) const DEEPEST: usize = 3;
/// More entries than this are no list of platforms.
pub(crate) const MOST_ENTRIES: usize = 256;

/// What an index with more than [`MOST_ENTRIES`] is.
pub(crate) fn too_many() -> String {
    format!("an index of more than {MOST_ENTRIES} entries")
}

/// What an index with indexes deeper than [`DEEPEST`] is.
pub(crate) fn too_deep() -> String {
    format!("indexes inside indexes, more than {DEEPEST} deep")
}
