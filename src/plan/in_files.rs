//! Sources in files: which files a line means.

use crate::file;
use crate::inputs::places::Places;
use crate::oci::{Form, Reference, in_file};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Images that a pattern means at most.
const MOST_FILES: usize = 256;

/// How files are looked for.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) places: &'a Places,
    /// Whether one that is not there is waited for.
    pub(super) may_come: bool,
}

/// What a line means.
pub(super) struct Found {
    pub(super) references: Vec<Reference>,
    /// Whether a pattern named them.
    pub(super) by_pattern: bool,
}

impl Files<'_> {
    /// The images in the files that a line means: `rest` is what follows the form's colon.
    pub(super) fn find(&self, form: Form, rest: &str) -> Result<Found, String> {
        let parts = in_file::parts(rest).map_err(|invalid| invalid.to_string())?;
        let path = parts.path;
        let place = self.places.find(path);
        let is_pattern = in_file::is_pattern(path) && !place.path().exists();
        if !is_pattern {
            if !self.may_come {
                self.check(&place.path(), form, path)?;
            }
            let references = vec![in_file::reference(form, parts)];
            return Ok(Found { references, by_pattern: false });
        }
        if parts.digest.is_some() {
            return Err("a pattern cannot have a digest behind it".to_owned());
        }
        let written = place.holders(form, path)?;
        if written.len() > MOST_FILES {
            return Err(format!("the pattern means more than {MOST_FILES} files"));
        }
        if written.is_empty() {
            if self.may_come {
                let references = vec![in_file::reference(form, parts)];
                return Ok(Found { references, by_pattern: true });
            }
            return Err(self.absent(form, path));
        }
        let reference = |path: &Path| {
            let path = path
                .to_str()
                .ok_or_else(|| format!("the name of {} is not valid UTF-8", path.display()))?;
            Ok(in_file::reference(form, in_file::Parts { path, ..parts.clone() }))
        };
        let references: Result<Vec<Reference>, String> =
            written.iter().map(|path| reference(path)).collect();
        Ok(Found { references: references?, by_pattern: true })
    }

    /// Refuses what is not there, or in a folder that may not be entered.
    fn check(&self, at: &Path, form: Form, path: &str) -> Result<(), String> {
        match fs::metadata(at) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.absent(form, path)),
            Err(error) => Err(format!("cannot be read: {}", file::why(&error))),
        }
    }

    fn absent(&self, form: Form, path: &str) -> String {
        let what = if form == Form::Oci { "folder" } else { "file" };
        format!("no such {what}{}", self.places.hint(path))
    }
}
