//! No core dumps: a picture of the memory has the secrets in it.

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, setrlimit};

/// From now on there is no core, whatever ends the process, and no other process of the same user
/// may look into its memory.
///
/// The limit keeps the kernel from writing a file, and programs that we start inherit it. A kernel
/// that hands cores to a program does not obey the limit, only the other setting (core(5),
/// prctl(2)). macOS has only the limit, and asks for privileges to look into another process.
pub fn forbid() {
    // Neither can fail as it is given here; if one does, the other is left.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
