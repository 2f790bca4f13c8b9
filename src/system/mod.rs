//! What operating systems have in ways of their own: one file for those of Unix, one for Windows, with
//! the same names in both. `signals` has its own.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as this;
#[cfg(windows)]
use windows as this;

pub use this::{forbid_core_dumps, variable};

pub(crate) use this::{
    Group, HOME, PROGRAM_ENDINGS, at_once, has_no_reader, is_character_device, is_executable,
    is_pipe, is_regular, is_socket, number, own_stream, put_in_group, rights, room, writable,
    write_all_at,
};
