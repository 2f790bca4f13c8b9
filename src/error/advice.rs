//! What to do about a registry's error: one table of kind, host, status and code. Never decided by
//! a part of a text.

use crate::registry::{Error, Helper, Kind};

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Writing.
    Push,
}

/// Who reads the advice, and in which words it is given there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// Somebody on a command line: flags.
    #[default]
    CommandLine,
    /// A step of GitHub Actions: inputs, permissions.
    GitHub,
    /// A step elsewhere: inputs.
    OtherSystem,
}

/// Where we run, as far as advice depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// Who reads it.
    pub place: Place,
}

/// The advice, if there is any better than the error itself.
pub fn for_registry(error: &Error, access: Access, surroundings: &Surroundings) -> Option<String> {
    let host = error.host.as_str();
    let login = error.login.as_deref();
    let text = match (&error.kind, access) {
        (Kind::Denied | Kind::NoLogin, _) if login.is_none() => no_login(error, surroundings),
        (Kind::Denied, Access::Push) if host == "ghcr.io" && surroundings.place == Place::GitHub => {
            "give the job `permissions: packages: write`".to_owned()
        }
        (Kind::Denied, Access::Push) if host == "ghcr.io" => {
            format!("give the token from {} the scope write:packages", login.unwrap_or_default())
        }
        (Kind::Denied, Access::Push) if host == "docker.io" => {
            format!("the access token from {} needs Read & Write, and the repository must exist or be creatable", login.unwrap_or_default())
        }
        (Kind::Denied, Access::Push) if is_ecr(host) => "allow ecr:PutImage and ecr:InitiateLayerUpload, and create the repository first".to_owned(),
        (Kind::Denied, Access::Push) => format!("give the account from {} the right to push to this repository", login.unwrap_or_default()),
        (Kind::Denied, Access::Pull) => {
            format!("check that the image's name is right and that the account from {} may read it", login.unwrap_or_default())
        }
        (Kind::BadCredentials, _) => {
            format!("check user name and password from {}: expired, mistyped, or for another registry than {host}", login.unwrap_or_default())
        }
        (Kind::NoLogin, _) => no_login(error, surroundings),
        (Kind::NotFound, Access::Push) => "create the repository first, and check its name".to_owned(),
        (Kind::NotFound, Access::Pull) => "check the name; was it pushed, and to this registry?".to_owned(),
        // 503 with a time is not about how often anybody asks.
        (Kind::Throttled { .. }, _) if error.status == Some(503) => "run it again when that time is over".to_owned(),
        (Kind::Throttled { .. }, _) if login.is_none() => format!("log in to {host}: anonymous users may ask less often"),
        (Kind::Throttled { .. }, _) => "run it again later, or with a smaller `concurrency`".to_owned(),
        (Kind::Server, _) => "run it again later; if it stays, the registry's operators need to hear of it".to_owned(),
        (Kind::UnknownHost, _) => format!("check the spelling of {host}, and that this job can resolve it"),
        (Kind::Unreachable(_) | Kind::Timeout, _) if is_local(host) => {
            format!("is the registry running? In a container, {host} is the container itself: use the host network or the service's name")
        }
        (Kind::Unreachable(_) | Kind::Timeout, _) => format!("check that this job can reach {host}: firewall, proxy (HTTPS_PROXY, NO_PROXY), port"),
        (Kind::Truncated(_), _) => "something between the registry and this job cuts answers off: check proxies and limits".to_owned(),
        (Kind::Proxy, _) => "put the login into the proxy's address, HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, or name the registry in NO_PROXY".to_owned(),
        (Kind::Tls(_), _) if surroundings.place == Place::CommandLine => {
            format!("give a private certificate authority by --ca-file; for a registry that speaks plain HTTP, --insecure {host}")
        }
        (Kind::Tls(_), _) => {
            format!("give a private certificate authority by `ca-file`; a registry that speaks plain HTTP belongs into `insecure-registries`: {host}")
        }
        (Kind::DigestMismatch(_), _) => "something between the registry and this job changes bytes: check proxies and caches".to_owned(),
        (Kind::Rejected, Access::Push) if matches!(error.status, Some(409 | 412)) || error.code() == "TAG_INVALID" => {
            "the tag is immutable in this registry: publish under another one".to_owned()
        }
        (Kind::Rejected, Access::Push) if error.code() == "MANIFEST_INVALID" => {
            "this registry does not take this kind of index: try `format: oci` or `format: docker`, or build all sources in one format".to_owned()
        }
        (Kind::AddressRefused(_), _) => "check the registry's configuration; if it is yours, its own address must be what clients see".to_owned(),
        (Kind::Rejected | Kind::TooLarge(_) | Kind::Malformed(_) | Kind::Defect(_), _) => return None,
    };
    Some(text)
}

fn no_login(error: &Error, surroundings: &Surroundings) -> String {
    let host = error.host.as_str();
    let typed = surroundings.place == Place::CommandLine;
    if let Some(Helper { name, file }) = error.helper.as_deref() {
        let ways = if typed {
            "give --username and --password-stdin"
        } else {
            "set `username` and `password`, or `credentials`"
        };
        return format!(
            "{file} leaves {host} to the credential helper {name}, which cannot run here: {ways}"
        );
    }
    if is_ecr(host) {
        let way = if typed {
            "give --username AWS --password-stdin what `aws ecr get-login-password` prints"
        } else {
            "set `username: AWS` and `password` to what `aws ecr get-login-password` prints"
        };
        return way.to_owned();
    }
    let ways = if typed {
        format!("run `docker login {host}`, or give --username and --password-stdin")
    } else {
        "set `username` and `password`, `credentials`, or `docker-config`".to_owned()
    };
    format!("there is no login for {host}: {ways}; if it needs none, check the name")
}

fn is_ecr(host: &str) -> bool {
    host.ends_with(".amazonaws.com") || host == "public.ecr.aws"
}

fn is_local(host: &str) -> bool {
    format!("http://{host}/")
        .parse()
        .is_ok_and(|url: url::Url| crate::registry::http::address::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: Kind, host: &str, status: Option<u16>, login: bool) -> Error {
        Error {
            kind,
            host: host.into(),
            request: "PUT /v2/acme/app/manifests/1".into(),
            status,
            said: None,
            tries: 1,
            spent: false,
            login: login.then(|| "input credentials".into()),
            helper: None,
        }
    }

    #[test]
    fn every_kind_has_advice_or_speaks_for_itself() {
        let github = Surroundings { place: Place::GitHub };
        let step = Surroundings { place: Place::OtherSystem };
        let none = Surroundings::default();
        for (kind, host, status, login, access, surroundings, expected) in [
            (
                Kind::Denied,
                "ghcr.io",
                Some(403),
                true,
                Access::Push,
                github,
                "permissions: packages: write",
            ),
            (Kind::Denied, "ghcr.io", Some(403), true, Access::Push, none, "write:packages"),
            (Kind::Denied, "docker.io", Some(401), true, Access::Push, none, "Read & Write"),
            (
                Kind::Denied,
                "1.dkr.ecr.eu.amazonaws.com",
                Some(403),
                true,
                Access::Push,
                none,
                "ecr:PutImage",
            ),
            (Kind::Denied, "r.example", Some(403), true, Access::Push, none, "right to push"),
            (Kind::Denied, "r.example", Some(403), true, Access::Pull, none, "may read it"),
            (
                Kind::Denied,
                "r.example",
                Some(401),
                false,
                Access::Pull,
                none,
                "no login for r.example: run `docker login r.example`",
            ),
            (
                Kind::Denied,
                "r.example",
                Some(401),
                false,
                Access::Pull,
                step,
                "set `username` and `password`",
            ),
            (
                Kind::NoLogin,
                "1.dkr.ecr.eu.amazonaws.com",
                Some(401),
                false,
                Access::Pull,
                none,
                "get-login-password",
            ),
            (
                Kind::BadCredentials,
                "r.example",
                Some(401),
                true,
                Access::Pull,
                none,
                "input credentials",
            ),
            (
                Kind::NotFound,
                "r.example",
                Some(404),
                true,
                Access::Push,
                none,
                "create the repository",
            ),
            (Kind::NotFound, "r.example", Some(404), true, Access::Pull, none, "was it pushed"),
            (
                Kind::Throttled { retry_after: None },
                "docker.io",
                Some(429),
                false,
                Access::Pull,
                none,
                "log in",
            ),
            (
                Kind::Throttled { retry_after: Some(400) },
                "docker.io",
                Some(503),
                false,
                Access::Pull,
                none,
                "when that time is over",
            ),
            (
                Kind::Throttled { retry_after: None },
                "docker.io",
                Some(429),
                true,
                Access::Pull,
                none,
                "later",
            ),
            (Kind::Server, "r.example", Some(500), true, Access::Pull, none, "later"),
            (Kind::UnknownHost, "r.exmaple", None, true, Access::Pull, none, "spelling"),
            (
                Kind::Unreachable("refused".into()),
                "localhost:5000",
                None,
                true,
                Access::Pull,
                none,
                "container itself",
            ),
            (Kind::Timeout, "r.example", None, true, Access::Pull, none, "firewall"),
            (
                Kind::Truncated("eof".into()),
                "r.example",
                None,
                true,
                Access::Pull,
                none,
                "cuts answers off",
            ),
            (
                Kind::Proxy,
                "r.example",
                None,
                true,
                Access::Pull,
                none,
                "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
            ),
            (
                Kind::Tls("unknown issuer".into()),
                "r.example",
                None,
                true,
                Access::Pull,
                none,
                "ca-file",
            ),
            (
                Kind::DigestMismatch(String::new()),
                "r.example",
                None,
                true,
                Access::Pull,
                none,
                "proxies",
            ),
            (Kind::Rejected, "r.example", Some(409), true, Access::Push, none, "immutable"),
            (
                Kind::AddressRefused(String::new()),
                "r.example",
                None,
                true,
                Access::Pull,
                none,
                "configuration",
            ),
        ] {
            let advice =
                for_registry(&error(kind.clone(), host, status, login), access, &surroundings)
                    .unwrap_or_default();
            assert!(advice.contains(expected), "{kind:?} {host}: {advice}");
        }
        let helper = Helper { name: "ecr-login".into(), file: "config.json".into() };
        let denied = error(Kind::NoLogin, "r.example", Some(401), false);
        let denied = Error { helper: Some(Box::new(helper)), ..denied };
        let advice = for_registry(&denied, Access::Pull, &step).unwrap_or_default();
        assert!(advice.contains("config.json leaves r.example to the credential helper ecr-login"));
        assert_eq!(
            for_registry(
                &error(Kind::Malformed(String::new()), "r.example", None, true),
                Access::Pull,
                &none
            ),
            None
        );
    }
}
