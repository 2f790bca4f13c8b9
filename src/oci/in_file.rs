//! Images in files, named as skopeo and podman name them: `oci:FOLDER[:NAME]`,
//! `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]` (containers-transports(5)).
//!
//! A file that holds images is a repository whose host is one of these words. No registry has such a
//! name: a host has a dot or a port, or is `localhost`.

use super::{Digest, Invalid, Reference, Repository};

/// How a file holds images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder with an OCI image layout.
    Oci,
    /// A tar archive of such a folder.
    OciArchive,
    /// What `docker save` writes: an OCI layout since Docker 25, before that a form of its own.
    DockerArchive,
}

impl Form {
    const ALL: [Self; 3] = [Self::Oci, Self::OciArchive, Self::DockerArchive];

    /// What stands before the colon.
    pub fn word(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }

    /// The form of this word.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.word() == word)
    }
}

/// The form and what follows its colon, if the text names a file.
pub(crate) fn split(text: &str) -> Option<(Form, &str)> {
    let (word, rest) = text.split_once(':')?;
    Some((Form::of_word(word)?, rest))
}

/// Whether a path may be a pattern of files.
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The parts of what names an image in a file: path, name, digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) path: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) digest: Option<Digest>,
}

/// Takes apart what follows the form's colon.
pub(crate) fn parts(rest: &str) -> Result<Parts<'_>, Invalid> {
    let (front, digest) = match rest.rsplit_once('@') {
        Some((front, digest)) if digest.contains(':') && !digest.contains('/') => {
            (front, Some(digest.parse()?))
        }
        _ => (rest, None),
    };
    let drive = if cfg!(windows) { drive(front) } else { 0 };
    let (path, name) = match front.bytes().skip(drive).position(|byte| byte == b':') {
        Some(at) => {
            let (path, name) = front.split_at(drive + at);
            (path, name.strip_prefix(':'))
        }
        None => (front, None),
    };
    if name == Some("") {
        return Err(Invalid::new("the name after the file's is empty"));
    }
    if path.is_empty() {
        return Err(Invalid::new("the path is empty: is the variable set?"));
    }
    if front.contains(char::is_control) {
        return Err(Invalid::new("it contains a control character"));
    }
    Ok(Parts { path, name, digest })
}

/// The bytes of the drive that a path of Windows begins with: `C:\images`.
fn drive(path: &str) -> usize {
    match path.as_bytes() {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => 2,
        _ => 0,
    }
}

/// A file that holds images, or a reference to a registry.
pub(crate) fn source(text: &str) -> Result<Reference, Invalid> {
    match split(text) {
        Some((form, rest)) => Ok(reference(form, parts(rest)?)),
        None => text.parse().map(Reference::or_latest),
    }
}

/// A file to write an image to.
pub(crate) fn target(form: Form, rest: &str) -> Result<Reference, String> {
    let parts = parts(rest).map_err(|invalid| invalid.to_string())?;
    if form == Form::DockerArchive {
        return Err(format!(
            "docker-archive: is only read: write {}:{rest}, which docker load reads since Docker 25",
            Form::OciArchive.word()
        ));
    }
    if parts.digest.is_some() {
        return Err("a file to write cannot contain a digest".to_owned());
    }
    match parts.name.filter(|name| !is_name(name)) {
        Some(name) => Err(format!(
            "{name:?} cannot be the name of an image in a file: it has letters and digits, and one \
             of - . _ : @ + / between them"
        )),
        None => Ok(reference(form, parts)),
    }
}

/// Whether it follows the grammar of `org.opencontainers.image.ref.name` (image spec,
/// annotations.md), which skopeo and podman hold names to.
fn is_name(name: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    name.split('/')
        .all(|part| part.replace("--", "-").split(['-', '.', '_', ':', '@', '+']).all(is_word))
}

/// The reference to an image in a file.
pub(crate) fn reference(form: Form, parts: Parts<'_>) -> Reference {
    Reference {
        repository: Repository::in_file(form, parts.path),
        tag: parts.name.map(str::to_owned),
        digest: parts.digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn survives_any_mixture() {
        let pieces =
            ["oci", "-archive", "docker", ":", "@", "sha256:", "/", "..", "é", "*", " ", "0"];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 8);
            let Some((form, rest)) = split(&text) else { continue };
            if let Ok(parts) = parts(rest) {
                assert_eq!(reference(form, parts).to_string(), text);
            }
        }
    }

    #[test]
    fn a_drive_is_no_name() {
        for (path, expected) in
            [("C:\\x:v1", 2), ("c:/x", 2), ("C:x", 0), ("x:v1", 0), ("1:/x", 0), ("/x", 0), ("", 0)]
        {
            assert_eq!(drive(path), expected, "{path}");
        }
        let rest = "C:\\images\\app:v1";
        let read = parts(rest).unwrap();
        let expected =
            if cfg!(windows) { ("C:\\images\\app", "v1") } else { ("C", "\\images\\app:v1") };
        assert_eq!((read.path, read.name), (expected.0, Some(expected.1)));
    }

    #[test]
    fn files_and_what_is_none() {
        let digest = format!("sha256:{:064}", 1);
        let pinned = format!("oci-archive:dist/app.tar@{digest}");
        let named = format!("oci:dist:v1@{digest}");
        for (text, host, path, tag, has_digest) in [
            ("oci:dist/app", "oci", "dist/app", None, false),
            ("oci:/tmp/x:v1", "oci", "/tmp/x", Some("v1"), false),
            ("oci-archive:a.tar", "oci-archive", "a.tar", None, false),
            (
                "docker-archive:a b.tar:docker.io/acme/app:v1",
                "docker-archive",
                "a b.tar",
                Some("docker.io/acme/app:v1"),
                false,
            ),
            ("docker-archive:a@b.tar", "docker-archive", "a@b.tar", None, false),
            (&pinned, "oci-archive", "dist/app.tar", None, true),
            (&named, "oci", "dist", Some("v1"), true),
        ] {
            let (form, rest) = split(text).unwrap();
            let reference = reference(form, parts(rest).unwrap());
            assert_eq!((reference.repository.host(), reference.repository.path()), (host, path));
            assert_eq!(reference.tag.as_deref(), tag, "{text}");
            assert_eq!(reference.digest.is_some(), has_digest, "{text}");
            assert_eq!(reference.repository.file(), Some((form, path)));
            assert_eq!(reference.to_string(), text);
        }
        for text in ["oci", "r.example/oci:1", "dir:x", "OCI:x", "ociarchive:x"] {
            assert_eq!(split(text), None, "{text}");
        }
        for (rest, why) in [
            ("", "the path is empty: is the variable set?"),
            (":v1", "the path is empty: is the variable set?"),
            ("a.tar:", "the name after the file's is empty"),
            ("a\u{7}.tar", "it contains a control character"),
        ] {
            assert_eq!(parts(rest).unwrap_err().to_string(), why, "{rest}");
        }
        assert!(parts("a.tar@sha256:12").is_err());
        let repository: Repository = "r.example/oci".parse().unwrap();
        assert_eq!(repository.file(), None);
    }

    #[test]
    fn files_to_write() {
        let to = |text: &str| {
            let (form, rest) = split(text).unwrap();
            target(form, rest).map(|target| target.to_string())
        };
        for text in
            ["oci:a", "oci:/b/c:v1", "oci-archive:a.tar:docker.io/acme/app:v1.2-rc_1", "oci:a:x--y"]
        {
            assert_eq!(to(text).as_deref(), Ok(text));
        }
        for text in ["oci:a:-x", "oci:a:x-", "oci:a:x..y", "oci:a:x/", "oci:a:x y", "oci:a:é"] {
            let why = to(text).unwrap_err();
            assert!(why.contains("cannot be the name of an image in a file"), "{why}");
        }
        let docker = "docker-archive: is only read: write oci-archive:a.tar:v1, which docker load reads since Docker 25";
        assert_eq!(to("docker-archive:a.tar:v1"), Err(docker.to_owned()));
        let pinned = format!("oci:a@sha256:{:064}", 1);
        assert_eq!(to(&pinned), Err("a file to write cannot contain a digest".to_owned()));
        assert_eq!(to("oci::v1"), Err("the path is empty: is the variable set?".to_owned()));
        let source = |text: &str| source(text).unwrap().to_string();
        assert_eq!(source("oci:a"), "oci:a");
        assert_eq!(source("r.example/a"), "r.example/a:latest");
    }
}
