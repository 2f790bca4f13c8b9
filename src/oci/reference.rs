//! References: `HOST/REPOSITORY[:TAG][@DIGEST]`, checked before a request is built from them.
//!
//! Grammar: distribution spec, "Pulling manifests". As in Docker's own parser, short names are on
//! Docker Hub.
//!
//! Parsed by hand, so that the message for each mistake says what to write instead.

use super::{Digest, Invalid};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The limit of many clients for host and repository together (distribution spec).
const LONGEST_NAME: usize = 255;

/// A repository in a registry: `ghcr.io/acme/app`.
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
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
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
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(Invalid::new(if odd == ' ' {
                "a reference cannot contain a space (one per line, without \"- \")".to_owned()
            } else {
                format!("a reference cannot contain {odd:?}")
            }));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Invalid::new(format!(
                "leave out {scheme}://: a reference starts with the registry's name"
            )));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
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
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.contains(|c: char| c.is_ascii_uppercase()) =>
        {
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
            "a part of the repository name is empty".to_owned()
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

/// Checks a tag: at most 128 letters, digits, `_ . -`, not starting with `.` or `-` (distribution
/// spec).
pub(crate) fn check_tag(tag: &str) -> Result<(), Invalid> {
    let first = tag.bytes().next();
    let good = tag.len() <= 128
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if good {
        Ok(())
    } else if tag.is_empty() {
        Err(Invalid::new("the tag is empty"))
    } else {
        Err(Invalid::new(format!(
            "{tag:?} is not a valid tag (letters, digits, _ . -, at most 128, not starting with . or -)"
        )))
    }
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
            ("- r.example/a", "a reference cannot contain a space (one per line, without \"- \")"),
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
            ("r.example/a//b", "a part of the repository name is empty"),
            ("r.example/a/-b", "\"-b\" is not a valid part of a repository name"),
            ("r.example:x/a", "\"r.example:x\" is not a registry host: write HOST or HOST:PORT"),
            ("r.example/a:", "the tag is empty"),
            (
                "r.example/a:.x",
                "\".x\" is not a valid tag (letters, digits, _ . -, at most 128, not starting with . or -)",
            ),
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
}
