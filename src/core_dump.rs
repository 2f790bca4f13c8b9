//! No core dumps: a picture of the memory has the secrets in it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From now on there is no core, whatever ends the process, and no other process of the same user
/// may look into its memory.
///
/// The limit keeps the kernel from writing a file, and programs that we start inherit it. A kernel
/// that hands cores to a program does not obey the limit, only the other setting (core(5),
/// prctl(2)).
pub fn forbid() {
    // Neither can fail as it is given here; if one does, the other is left.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
