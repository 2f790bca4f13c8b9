//! References: `HOST/REPOSITORY[:TAG][@DIGEST]`, checked before a request is built from them.
//!
//! Grammar: distribution spec, "Pulling manifests". As in Docker's own parser, short names are on
//! Docker Hub.
//!
//! Parsed by hand, so that the message for each mistake says what to write instead.

use super::in_file::Form;
use super::{Digest, Invalid, slip};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The limit of many clients for host and repository together (distribution spec).
const LONGEST_NAME: usize = 255;
/// Most parts that are empty come from a variable of the CI system.
const IS_IT_SET: &str = "is the variable set?";

/// A repository in a registry: `ghcr.io/acme/app`; or a file that holds images:
/// `oci-archive:dist/app.tar`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// The registry in lowercase, with its port if one was given: `docker.io`, `localhost:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name in the registry: `acme/app`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A file that holds images, by the path that people write.
    pub(crate) fn in_file(form: Form, path: &str) -> Self {
        Self { host: form.word().to_owned(), path: path.to_owned() }
    }

    /// How it holds images and its path, if it is a file.
    pub fn file(&self) -> Option<(Form, &str)> {
        Form::of_word(&self.host).map(|form| (form, self.path.as_str()))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.file().is_some() { ':' } else { '/' };
        write!(f, "{}{separator}{}", self.host, self.path)
    }
}

/// A repository with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The tag, if one was given.
    pub tag: Option<String>,
    /// The digest, if one was given. Then it decides, and the tag is only a name.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The same with the tag `latest`, if neither a tag nor a digest was given.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The end of the URL, after `/manifests/`: the digest, else the tag, else `latest`.
    pub fn selector(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// A manifest in `repository`, by digest only.
    pub fn at(repository: &Repository, digest: &Digest) -> Self {
        Self { repository: repository.clone(), tag: None, digest: Some(digest.clone()) }
    }

    /// A tag of `repository`.
    pub fn tagged(repository: &Repository, tag: &str) -> Self {
        Self { repository: repository.clone(), tag: Some(tag.to_owned()), digest: None }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Repository {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let reference: Reference = text.parse()?;
        match reference {
            Reference { repository, tag: None, digest: None } => Ok(repository),
            _ => Err(Invalid::new("a repository must not have a tag or a digest")),
        }
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("the reference is empty"));
        }
        if let Some(why) = slip::cause(text) {
            return Err(Invalid::new(why));
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(Invalid::new(format!("a reference cannot contain {odd:?}")));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Invalid::new(format!(
                "leave out {scheme}://: a reference starts with the registry's name"
            )));
        }
        let (name, digest) = match text.split_once('@') {
            Some((_, "")) => {
                return Err(Invalid::new(format!("the digest after @ is empty: {IS_IT_SET}")));
            }
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        refuse_tag_with_slash(name)?;
        // A colon after the last slash starts a tag; one before it belongs to a port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((front, tag)) if !tag.contains(['/', ']']) => (front, Some(tag)),
            _ => (name, None),
        };
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        let repository = parse_repository(name)?;
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

fn parse_repository(name: &str) -> Result<Repository, Invalid> {
    let (host, path) = match name.split_once('/') {
        // Docker's rule: the first part is a host only if it cannot be the first part of a
        // repository.
        Some((first, rest)) if is_meant_as_host(first) => {
            refuse_lone_capitals(first, rest)?;
            (parse_host(first)?, rest)
        }
        _ => (DOCKER_HUB.to_owned(), name),
    };
    let path = if host == DOCKER_HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if path.contains(|c: char| c.is_ascii_uppercase()) {
        let lower = path.to_lowercase();
        return Err(Invalid::new(format!("repository names must be lowercase: write {lower}")));
    }
    if let Some(bad) = path.split('/').find(|part| !is_path_component(part)) {
        return Err(Invalid::new(if bad.is_empty() {
            format!("a part of the repository name is empty: {IS_IT_SET}")
        } else {
            format!("{bad:?} is not a valid part of a repository name")
        }));
    }
    if host.len() + 1 + path.len() > LONGEST_NAME {
        return Err(Invalid::new(format!(
            "registry and repository together are longer than {LONGEST_NAME} characters"
        )));
    }
    Ok(Repository { host, path })
}

/// Whether the part before the first slash cannot be the first part of a repository.
fn is_meant_as_host(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.contains(|c: char| c.is_ascii_uppercase())
}

/// Whether a reference names no registry, so that it is Docker Hub's.
pub(crate) fn is_short(text: &str) -> bool {
    !text.split_once('/').is_some_and(|(first, _)| is_meant_as_host(first))
}

/// A branch's name in place of a tag.
fn refuse_tag_with_slash(name: &str) -> Result<(), Invalid> {
    let Some((first, rest)) = name.split_once('/') else { return Ok(()) };
    let colon = match (rest.find(':'), first.split_once(':')) {
        (Some(at), _) => Some(first.len() + 1 + at),
        // What looks like a host keeps its port, even a wrong one.
        (None, Some((host, port)))
            if !host.contains(['.', '[']) && port.contains(|c: char| !c.is_ascii_digit()) =>
        {
            Some(host.len())
        }
        _ => None,
    };
    let Some((front, tag)) = colon.map(|at| (&name[..at], &name[at + 1..])) else { return Ok(()) };
    if !tag.contains('/') {
        return Ok(());
    }
    let plain = tag.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
    let write = plain_tag(plain).map(|tag| format!(": write {front}:{tag}")).unwrap_or_default();
    Err(Invalid::new(format!("a tag cannot contain a slash{write}")))
}

/// The tag with a `-` for every character that a tag cannot contain.
fn plain_tag(tag: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    Some(tag.chars().map(plain).collect::<String>()).filter(|tag| is_tag(tag))
}

/// A tag without a repository: what would be an image of Docker Hub elsewhere.
pub(crate) fn bare_tag(text: &str) -> Option<&str> {
    (is_tag(text) && slip::cause(text).is_none()).then_some(text)
}

/// A repository, neither with a tag nor with a digest, or what to write instead.
pub(crate) fn repository(text: &str) -> Result<Repository, String> {
    // Its list of images has lines such as `name=ghcr.io/acme/app,enable=true`.
    if let Some((key, value)) = text.split_once('=') {
        let write = if key.trim() == "name" && !value.trim().is_empty() {
            format!("write {}", value.trim())
        } else {
            "leave it out".to_owned()
        };
        return Err(format!("{text} is docker/metadata-action's syntax: {write}"));
    }
    let Reference { repository, tag, digest } =
        text.parse().map_err(|why: Invalid| format!("{text}: {why}"))?;
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    match (tag, digest) {
        (None, None) => Ok(repository),
        (Some(tag), None) => {
            let name = name.strip_suffix(&format!(":{tag}")).unwrap_or(name);
            Err(format!("{text} has a tag: write {name}, and {tag} among the tags"))
        }
        (Some(tag), Some(_)) => {
            let name = name.strip_suffix(&format!(":{tag}")).unwrap_or(name);
            Err(format!("{text} has a tag and a digest: write {name}"))
        }
        (None, Some(_)) => Err(format!("{text} has a digest: write {name}")),
    }
}

/// A text as a tag to write to: complete, so that nobody changes `latest` or Docker Hub's who only
/// forgot a part. `beside`: the repository of another such tag.
pub(crate) fn target(text: &str, beside: Option<&Repository>) -> Result<Reference, String> {
    let parsed = text.parse::<Reference>();
    let is_bare = bare_tag(text).is_some();
    match parsed {
        Ok(Reference { digest: Some(_), .. }) => {
            Err(format!("{text}: a tag to publish cannot contain a digest"))
        }
        Ok(Reference { tag: Some(_), .. }) => parsed.map_err(|why| why.to_string()),
        _ if is_bare => Err(match beside {
            Some(repository) => {
                format!("{text} is a tag without its repository: write {repository}:{text}")
            }
            None => format!(
                "{text} is only a tag or only a repository: write both, such as \
                 ghcr.io/acme/app:{text}"
            ),
        }),
        Ok(_) => Err(format!("{text} has no tag: write {text}:TAG")),
        Err(why) => Err(format!("{text}: {why}")),
    }
}

/// In lowercase, a host without a dot or a port is no host any more: others would read what we print
/// as a repository of Docker Hub.
fn refuse_lone_capitals(host: &str, path: &str) -> Result<(), Invalid> {
    let lower = host.to_lowercase();
    if lower == host || host.contains(['.', ':']) || lower == "localhost" {
        return Ok(());
    }
    let path = path.to_lowercase();
    Err(Invalid::new(format!(
        "{host:?} is not a registry host: for Docker Hub write {lower}/{path}, for a registry of \
         your own {lower}:PORT/{path}"
    )))
}

/// A registry host with an optional port, in lowercase, with one name for Docker Hub. Also used for
/// logins and `insecure-registries`.
pub(crate) fn parse_host(text: &str) -> Result<String, Invalid> {
    let bad = || Invalid::new(format!("{text:?} is not a registry host: write HOST or HOST:PORT"));
    let lower = text.to_ascii_lowercase();
    let (host, port) = if let Some(rest) = lower.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(bad)?;
        address.parse::<Ipv6Addr>().map_err(|_| bad())?;
        (None, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(bad)?) })
    } else {
        match lower.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(lower.as_str()), None),
        }
    };
    if let Some(host) = host {
        let label = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        if !host.split('.').all(label) {
            return Err(bad());
        }
    }
    if let Some(port) = port
        && (port.is_empty()
            || !port.bytes().all(|b| b.is_ascii_digit())
            || port.parse::<u16>().map_or(true, |port| port == 0))
    {
        return Err(bad());
    }
    Ok(match lower.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => lower,
    })
}

/// Checks a tag, with what may be meant.
fn check_tag(tag: &str) -> Result<(), Invalid> {
    let why = match (tag, plain_tag(tag)) {
        ("", _) => format!("the tag is empty: {IS_IT_SET}"),
        _ if slip::unset(tag).is_some() => format!("the tag is {tag:?}: {IS_IT_SET}"),
        _ if is_tag(tag) => return Ok(()),
        (_, Some(plain)) => format!("{tag:?} is not a valid tag ({TAG_RULE}): write {plain}"),
        _ if tag.starts_with(['-', '.']) => {
            format!("{tag:?} is not a valid tag ({TAG_RULE}): is the variable in front of it set?")
        }
        _ => format!("{tag:?} is not a valid tag ({TAG_RULE})"),
    };
    Err(Invalid::new(why))
}

/// The rule of the distribution spec, for people.
const TAG_RULE: &str = "letters, digits, _ . -, at most 128, not starting with . or -";

pub(crate) fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next();
    tag.len() <= 128
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, distribution spec.
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    if !bytes.first().copied().is_some_and(alphanumeric)
        || !bytes.last().copied().is_some_and(alphanumeric)
    {
        return false;
    }
    part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn full_names() {
        let hex = "0".repeat(64);
        for (text, full) in [
            ("ghcr.io/acme/app:1.2", "ghcr.io/acme/app:1.2".to_owned()),
            ("app", "docker.io/library/app".to_owned()),
            ("acme/app:edge", "docker.io/acme/app:edge".to_owned()),
            ("docker.io/app", "docker.io/library/app".to_owned()),
            ("index.docker.io/acme/app", "docker.io/acme/app".to_owned()),
            ("localhost/app:1", "localhost/app:1".to_owned()),
            ("localhost:5000/app", "localhost:5000/app".to_owned()),
            ("GHCR.IO/acme/app", "ghcr.io/acme/app".to_owned()),
            ("MYREG:5000/app", "myreg:5000/app".to_owned()),
            ("LOCALHOST/app", "localhost/app".to_owned()),
            ("[::1]:5000/a/b:c", "[::1]:5000/a/b:c".to_owned()),
            ("[::1]/a/b", "[::1]/a/b".to_owned()),
            ("r.example/a__b/c--d/e.f:_x", "r.example/a__b/c--d/e.f:_x".to_owned()),
            (&format!("r.example/a@sha256:{hex}"), format!("r.example/a@sha256:{hex}")),
            (&format!("r.example/a:t@sha256:{hex}"), format!("r.example/a:t@sha256:{hex}")),
        ] {
            assert_eq!(
                text.parse::<Reference>().map(|r| r.to_string()).as_ref(),
                Ok(&full),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_before_any_request() {
        let hex = "0".repeat(64);
        let long_tag = format!("r.example/a:{}", "t".repeat(129));
        let long_name = format!("r.example/{}", "a".repeat(250));
        let twice = format!("r.example/a@sha256:{hex}@sha256:{hex}");
        for text in [
            "",
            "r.example/../x",
            "r.example/%2e%2e/x",
            "r.example/a//b",
            "r.example/a\0b",
            "r.example/a\r\nHost: x",
            "r.example/аpp",
            "r.example/a b",
            "r.example/-a",
            "r.example/a-",
            "r.example/a___b",
            "r.example/a._b",
            "r.example/App",
            "r.example/a:",
            "r.example/a:.x",
            "r.example/a@",
            "r.example/",
            "https://r.example/a",
            "r.example:0/a",
            "r.example:99999/a",
            "r.example:x/a",
            "[::1/a/b",
            "[zz]/a/b",
            "user@host/a",
            "r..example/a",
            "-r.example/a",
            &long_tag,
            &long_name,
            &twice,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn says_what_is_expected() {
        let long_tag = format!("r.example/a:{}", "t".repeat(129));
        for (text, why) in [
            ("", "the reference is empty"),
            ("- r.example/a", "leave out \"-\" in front: write r.example/a"),
            ("r.example/a b", "one per line, or commas between them, not spaces"),
            ("r.example/a\u{a0}b", "a reference cannot contain '\\u{a0}'"),
            ("r.example/a\u{7f}", "a reference cannot contain '\\u{7f}'"),
            (
                "https://r.example/a",
                "leave out https://: a reference starts with the registry's name",
            ),
            (
                "docker://r.example/a",
                "leave out docker://: a reference starts with the registry's name",
            ),
            ("r.example/Acme/App", "repository names must be lowercase: write acme/app"),
            (
                "MYREG/App",
                "for Docker Hub write myreg/app, for a registry of your own myreg:PORT/app",
            ),
            ("r.example/a//b", "a part of the repository name is empty: is the variable set?"),
            ("/app:1", "a part of the repository name is empty: is the variable set?"),
            (":1", "a part of the repository name is empty: is the variable set?"),
            ("r.example/a/-b", "\"-b\" is not a valid part of a repository name"),
            ("r.example:x/a", "\"r.example:x\" is not a registry host: write HOST or HOST:PORT"),
            ("r.example/a:", "the tag is empty: is the variable set?"),
            ("app:", "the tag is empty: is the variable set?"),
            ("r.example/a@", "the digest after @ is empty: is the variable set?"),
            ("r.example/a:undefined", "the tag is \"undefined\": is the variable set?"),
            ("r.example/a:null", "the tag is \"null\": is the variable set?"),
            (
                "r.example/a:-amd64",
                "\"-amd64\" is not a valid tag (letters, digits, _ . -, at most 128, not starting with . or -): is the variable in front of it set?",
            ),
            ("r.example/a:1.0+5", "not starting with . or -): write 1.0-5"),
            ("r.example/a:feature/x", "a tag cannot contain a slash: write r.example/a:feature-x"),
            (
                "localhost:5000/a:feature/x",
                "a tag cannot contain a slash: write localhost:5000/a:feature-x",
            ),
            ("a/b:refs/heads/main", "a tag cannot contain a slash: write a/b:main"),
            ("app:feature/x", "a tag cannot contain a slash: write app:feature-x"),
            ("r.example/a:-x/y", "a tag cannot contain a slash"),
            ("r.example/$NAME:1", "$NAME was not replaced: is the variable set?"),
            (&long_tag, "not starting with . or -)"),
            ("r.example/a@sha256:0", "a sha256 digest has 64 hex digits, not 1"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.ends_with(why), "{text:?}: {error}");
        }
        for text in ["r.example/a:1", &format!("r.example/a@{}", Digest::of(b""))] {
            let error = text.parse::<Repository>().unwrap_err().to_string();
            assert_eq!(error, "a repository must not have a tag or a digest");
        }
    }

    #[test]
    fn a_tag_to_write_to_is_complete() {
        let beside: Repository = "r.example/a".parse().unwrap();
        let of_a_digest = format!("r.example/a:1@{}", Digest::of(b""));
        for (text, beside, why) in [
            ("r.example/a:1", None, ""),
            ("app:1", None, ""),
            ("r.example/a", None, "r.example/a has no tag: write r.example/a:TAG"),
            ("feature/x", None, "feature/x has no tag: write feature/x:TAG"),
            (
                "1.2",
                None,
                "1.2 is only a tag or only a repository: write both, such as ghcr.io/acme/app:1.2",
            ),
            ("PR-5", Some(&beside), "PR-5 is a tag without its repository: write r.example/a:PR-5"),
            (
                "latest",
                Some(&beside),
                "latest is a tag without its repository: write r.example/a:latest",
            ),
            (
                "undefined",
                Some(&beside),
                "undefined: \"undefined\" stands for a missing value: is the variable set?",
            ),
            ("r.example/a:", None, "r.example/a:: the tag is empty: is the variable set?"),
            (
                &of_a_digest,
                None,
                &format!("{of_a_digest}: a tag to publish cannot contain a digest"),
            ),
        ] {
            assert_eq!(target(text, beside).err().unwrap_or_default(), why, "{text}");
        }
        for (text, short) in [
            ("app:1", true),
            ("acme/app:1", true),
            ("docker.io/acme/app:1", false),
            ("localhost/app:1", false),
            ("[::1]:5000/a:1", false),
        ] {
            assert_eq!(is_short(text), short, "{text}");
        }
    }

    #[test]
    fn parts() {
        let digest = Digest::of(b"");
        let both: Reference = format!("r.example:5000/acme/app:1@{digest}").parse().unwrap();
        assert_eq!(
            (both.repository.host(), both.repository.path()),
            ("r.example:5000", "acme/app")
        );
        assert_eq!((both.selector(), both.tag.as_deref()), (digest.as_str(), Some("1")));
        for (text, selector, with_latest) in [
            ("r.example/a", "latest", "r.example/a:latest"),
            ("r.example/a:1", "1", "r.example/a:1"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.selector(), selector);
            assert_eq!(reference.clone().or_latest().to_string(), with_latest);
            assert_eq!(
                Reference::at(&reference.repository, &digest).to_string(),
                format!("r.example/a@{digest}")
            );
        }
    }

    #[test]
    fn hosts_of_docker_hub_are_one() {
        for (text, host) in [
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("Docker.IO", "docker.io"),
            ("GHCR.io", "ghcr.io"),
            ("localhost:5000", "localhost:5000"),
            ("[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(parse_host(text).as_deref(), Ok(host), "{text}");
        }
    }

    /// What is accepted is of the grammar, and is read again as it is printed.
    #[test]
    fn survives_any_mixture() {
        let (digest, long) = (format!("@{}", Digest::of(b"")), "x".repeat(120));
        let pieces = [
            "r.example",
            "localhost",
            "docker.io",
            "index.docker.io",
            "[::1]",
            "[",
            "]",
            ":5000",
            ":",
            "/",
            "/",
            "app",
            "acme",
            "library",
            "a",
            "-",
            "_",
            "__",
            ".",
            "A",
            "0",
            ":1.2",
            "@",
            &digest,
            &long,
            "é",
            "\u{212a}",
            "İ",
            "$",
            "%",
            "\0",
            " ",
            "\n",
            "{arch}",
            "://",
            "\"",
            ",",
            "=",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 7);
            if let Ok(host) = parse_host(&text) {
                assert_eq!(parse_host(&host).as_ref(), Ok(&host), "{text}");
            }
            is_short(&text);
            let _ = target(&text, None);
            let Ok(reference) = text.parse::<Reference>() else { continue };
            accepted += 1;
            let printed = reference.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(&reference), "{text}");
            let Reference { repository, tag, digest } = &reference;
            assert_eq!(repository.to_string().parse().as_ref(), Ok(repository), "{text}");
            assert!(printed.is_ascii() && repository.to_string().len() <= LONGEST_NAME, "{text}");
            let in_host =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b);
            let in_path =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._/".contains(&b);
            assert!(repository.host().bytes().all(in_host), "{text}");
            assert!(repository.path().bytes().all(in_path), "{text}");
            assert!(repository.path().split('/').all(|part| !part.is_empty() && part != ".."));
            assert!(tag.as_deref().is_none_or(is_tag), "{text}");
            assert!(digest.is_some() || tag.is_some() || reference.selector() == "latest");
            let at = format!(
                "https://{}/v2/{}/manifests/{}",
                repository.host(),
                repository.path(),
                reference.selector()
            );
            let url: url::Url = at.parse().unwrap();
            assert!(
                url.path().ends_with(&format!("/{}", reference.selector()))
                    && url.query().is_none()
            );
        }
        assert!(accepted > 300, "{accepted}");
    }
}
