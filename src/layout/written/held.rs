//! What stands at a place before anything is written there, and whether it can be.

use super::{above, cannot_write, folder};
use crate::file;
use crate::layout::archive::Heavy;
use crate::layout::error::Error;
use crate::layout::oci::INDEX;
use crate::layout::opened::{Held, Layout};
use crate::oci::Form;
use crate::system;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The image of this name, whole; of an archive, which is replaced as a whole, else any image.
pub(super) fn held(
    (form, path): (Form, &Path),
    name: Option<&str>,
    heavy: &Arc<Heavy>,
) -> Result<Held, Error> {
    let is_folder = form == Form::Oci;
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            writable(above(path))?;
            return Err(Error::Absent);
        }
        Err(error) => return Err(cannot_write(&error)),
    };
    match file::other_kind(found.file_type()) {
        None if is_folder => {
            let write = "is a file: for an archive write oci-archive: in front of it";
            return Err(Error::Unclear(write.to_owned()));
        }
        Some(_) if found.is_dir() && !is_folder => {
            return Err(Error::Unclear("is a folder: write oci: in front of it".to_owned()));
        }
        Some(kind) if !found.is_dir() => {
            return Err(Error::Unclear(format!("is {kind}, and no image can be written there")));
        }
        _ => writable(if is_folder { path } else { above(path) })?,
    }
    if is_folder && folder::is_empty(path).map_err(|error| cannot_write(&error))? {
        return Err(Error::Absent);
    }
    let other = |error: Error| match error {
        _ if is_folder && !path.join(INDEX).exists() => {
            Error::Unclear("is a folder with other things in it: name a new one".to_owned())
        }
        Error::Absent => Error::Absent,
        Error::Unclear(why) | Error::Broken(why) | Error::Unwritten(why) => {
            Error::broken(format!("there is something else already: {}", Error::sentence(&why)))
        }
    };
    let layout = Layout::open(form, path, heavy).map_err(other)?;
    layout.held(name, !is_folder).map_err(other)?.ok_or(Error::Absent)
}

/// Refuses a folder that nothing can be written in.
fn writable(folder: &Path) -> Result<(), Error> {
    if !folder.is_dir() {
        return Err(Error::Unclear(format!("there is no folder {} to write to", folder.display())));
    }
    system::writable(folder).map_err(|error| cannot_write(&error))
}
