//! What to do about a registry's error: one table of kind, host, status and code. Never decided by
//! a part of a text.

use super::providers::{self, ecr_service};
use super::words::{HERE, Words, input, setting};
use super::{Access, Audience, Cause};
use crate::inputs::table::names;
use crate::registry::http::address;
use crate::registry::{Error, Kind, ProxyError, ProxyTrouble, Role, TlsError, TlsTrouble};

/// The advice, if there is any better than the error itself; with it where the documentation says
/// more of this registry.
pub(super) fn for_cause(cause: &Cause, audience: Audience) -> Option<String> {
    let text = of_kind(cause, audience);
    let Some(address) = documentation(cause) else { return text };
    Some(match text {
        Some(text) => format!("{text} (see {address})"),
        None => format!("see {address}"),
    })
}

/// Where to read on, of what depends on how one provider works: its logins, its limits, its
/// immutable tags, its repositories.
fn documentation(Cause { error, access }: &Cause) -> Option<String> {
    let depends = match error.kind {
        Kind::Denied | Kind::BadCredentials | Kind::NoLogin => true,
        Kind::Throttled { .. } => error.status == Some(429),
        Kind::NotFound => *access == Access::Push || error.code() == "NAME_UNKNOWN",
        Kind::Rejected => *access == Access::Push,
        _ => false,
    };
    depends.then(|| providers::documentation(&error.host)).flatten()
}

fn of_kind(cause: &Cause, audience: Audience) -> Option<String> {
    let Cause { error, access } = cause;
    let host = error.failing_host();
    let text = match (&error.kind, access) {
        (Kind::NoLogin, _) => no_login(error, *access, audience),
        (Kind::Denied | Kind::BadCredentials, _) => match error.login.as_deref() {
            Some(login) => {
                let advice = denied(error, login, *access, audience);
                // The login that was sent may not be the one that should have been.
                match &error.helper {
                    Some(failure) => format!("{advice}; {failure}"),
                    None => advice,
                }
            }
            None => no_login(error, *access, audience),
        },
        (Kind::NotFound, _) if error.is_of_file() => {
            "check the path: was the artifact downloaded, and to this folder?".into()
        }
        (Kind::Unwritten(_), _) => {
            "check the space and the rights there; nothing of it was left behind".into()
        }
        (Kind::Broken(_), _) => "build and save the image again, or copy the whole file".into(),
        (Kind::NotFound, Access::Push) => "create the repository first, and check its name".into(),
        (Kind::NotFound, Access::Pull) => {
            "check the name: was it pushed, and to this registry?".into()
        }
        (Kind::Throttled { .. }, _) => throttled(error),
        (Kind::Server, _) => {
            "try again later; if it persists, tell the registry's operators".into()
        }
        (Kind::UnknownHost, _) if error.elsewhere.is_some() => {
            format!("check that {HERE} can resolve {host}, which {} refers to", error.host)
        }
        (Kind::UnknownHost, _) => {
            format!("check the spelling of {host}, and that {HERE} can resolve it")
        }
        (Kind::Unreachable(_) | Kind::Timeout, _)
            if error.elsewhere.as_ref().is_some_and(|place| place.role == Role::Uploads) =>
        {
            format!(
                "{} gave this address for uploads: if it is behind a proxy, configure the address \
                 that clients use (X-Forwarded-Host, X-Forwarded-Proto)",
                error.host
            )
        }
        (Kind::Unreachable(_) | Kind::Timeout, _) if address::is_loopback_host(host) => format!(
            "is the registry running? In a container, {host} is the container itself: use the \
             host network or the service's name"
        ),
        (Kind::Unreachable(_) | Kind::Timeout, _) => format!(
            "check that {HERE} can reach {host}: firewall, proxy (HTTPS_PROXY, NO_PROXY), port"
        ),
        (Kind::Truncated(_), _) => format!(
            "a proxy or cache between {HERE} and the registry truncates responses: check its limits"
        ),
        (Kind::Proxy(error), _) => proxy(error),
        (Kind::Tls(tls), _) => of_tls(tls, &error.host),
        (Kind::DigestMismatch(_), _) => {
            format!("a proxy or cache between {HERE} and the registry alters responses")
        }
        (Kind::Rejected, _) if matches!(error.status, Some(401 | 403)) => format!(
            "check the firewall or proxy between {HERE} and {host}, and this machine's clock: \
             signed addresses are valid for a short time only"
        ),
        (Kind::Rejected, Access::Push) => return rejected(error),
        (Kind::AddressRefused(_), _) => {
            "check the registry's configuration; if it is yours, its own address must be the one \
             that clients see"
                .into()
        }
        (Kind::Foreign(_), _) => format!(
            "is {host} a registry? A sign-in page, a proxy or a firewall may answer in its place"
        ),
        (
            Kind::Rejected
            | Kind::TooLarge(_)
            | Kind::Malformed(_)
            | Kind::Unclear(_)
            | Kind::Defect(_),
            _,
        ) => return None,
    };
    Some(text)
}

/// Of a login that is wrong, or not enough.
fn denied(error: &Error, login: &str, access: Access, audience: Audience) -> String {
    let host = error.host.as_str();
    match (&error.kind, access) {
        (Kind::BadCredentials, _) => format!(
            "check the login from {login}: is it expired, mistyped, or for another registry than \
             {host}?"
        ),
        (_, Access::Push) if host == "ghcr.io" && audience.on_github => {
            "give the job `permissions: packages: write`".into()
        }
        (_, Access::Push) if host == "ghcr.io" => {
            format!("give the token from {login} the scope write:packages")
        }
        (_, Access::Push) if host == "docker.io" => format!(
            "the access token from {login} needs Read & Write, and the repository must exist, or \
             the account must be allowed to create it"
        ),
        (_, Access::Push) => match ecr_service(host) {
            Some(service) => format!(
                "allow {service}:PutImage and {service}:InitiateLayerUpload, and create the \
                 repository first"
            ),
            None => format!("allow the account from {login} to push to this repository"),
        },
        (_, Access::Pull) => {
            format!("check the image's name, and that the account from {login} may read it")
        }
    }
}

fn no_login(error: &Error, access: Access, audience: Audience) -> String {
    let host = error.host.as_str();
    let typed = audience.words == Words::Flags;
    if let Some(login) = &error.withheld {
        return format!(
            "{host} denies access without asking for the login from {login}, which was not sent: \
             check the name; a firewall or a proxy may also answer in its place"
        );
    }
    if let Some(failure) = error.helper.as_deref() {
        let ways = if typed {
            "give --username and --password-stdin"
        } else {
            "set `username` and `password`, or `credentials`"
        };
        return format!("{failure}: {}, or for {host} {ways}", failure.cause.remedy());
    }
    if let Some(service) = ecr_service(host) {
        let (username, password) = if typed {
            ("give --username AWS", "--password-stdin")
        } else {
            ("set `username: AWS`", "`password` to")
        };
        return format!(
            "{username}, and {password} what `aws {service} get-login-password` prints"
        );
    }
    let ways = if typed {
        format!("run `docker login {host}`, or give --username and --password-stdin")
    } else {
        "set `username` and `password`, `credentials`, or `docker-config`".into()
    };
    let public = match access {
        Access::Pull => ". If the image is public, check its name",
        Access::Push => "",
    };
    format!("no login for {host} is configured: {ways}{public}")
}

fn proxy(error: &ProxyError) -> String {
    let ProxyError { proxy, variable, host, trouble } = error;
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    match trouble {
        ProxyTrouble::Login => format!(
            "put the login into the proxy's address, {variable}=http://USER:PASSWORD@{proxy}, or \
             list {name} in NO_PROXY"
        ),
        ProxyTrouble::Refused => {
            format!("allow {host} in the proxy, or list {name} in NO_PROXY")
        }
        ProxyTrouble::Unreachable(_) => {
            format!("correct {variable}, or list {name} in NO_PROXY to go without the proxy")
        }
        ProxyTrouble::Tls(_) => format!(
            "for a private certificate authority, use {}; if the proxy itself speaks plain HTTP, \
             set {variable}=http://{proxy}",
            input(names::ca_file)
        ),
        ProxyTrouble::Unusable => {
            format!("set {variable}=http://HOST:PORT, or list {name} in NO_PROXY")
        }
    }
}

/// `registry`: the host whose request failed, which may have led to another one.
fn of_tls(error: &TlsError, registry: &str) -> String {
    let TlsError { host, trouble } = error;
    match trouble {
        TlsTrouble::PlainHttp if host == registry => {
            format!("use {}", setting(names::insecure_registries, registry))
        }
        TlsTrouble::PlainHttp => {
            format!("check the configuration of {registry}, which leads to {host} over HTTPS")
        }
        TlsTrouble::SpokenAfterAll => {
            format!("take {registry} out of {}", input(names::insecure_registries))
        }
        TlsTrouble::OtherName(_) => format!(
            "use a name that the certificate is for, or give {host} a certificate for its own name"
        ),
        TlsTrouble::OutOfTime(_) => {
            format!("renew the certificate of {host}, or set this machine's clock")
        }
        TlsTrouble::UnknownIssuer => {
            format!("for a private certificate authority, use {}", input(names::ca_file))
        }
        TlsTrouble::Other(_) => format!(
            "check that {host} speaks TLS 1.2 or 1.3, and that nothing in between intercepts it"
        ),
    }
}

fn throttled(error: &Error) -> String {
    // 503 with a time is not about how often anybody asks.
    if error.status == Some(503) {
        return "try again when that time is over".into();
    }
    match &error.login {
        None => format!("log in to {}: anonymous requests are limited", error.host),
        Some(_) => format!("try again later, or with a smaller {}", input(names::concurrency)),
    }
}

/// Of a push.
fn rejected(error: &Error) -> Option<String> {
    if error.takes_no_writes() {
        return Some(format!(
            "{} is read-only or a pull-through cache: push to a registry that accepts writes, such \
             as the one behind the cache",
            error.host
        ));
    }
    if error.status == Some(413) {
        return Some(format!(
            "{}, or a proxy in front of it, does not accept an upload this large: raise its limit \
             (nginx: client_max_body_size)",
            error.failing_host()
        ));
    }
    if matches!(error.status, Some(409 | 412)) || error.code() == "TAG_INVALID" {
        return Some("the tag is immutable in this registry: publish under another one".into());
    }
    (error.code() == "MANIFEST_INVALID").then(|| {
        format!(
            "this registry does not accept this kind of index: try {} or {}, or build all images \
             in one format",
            setting(names::format, "oci"),
            setting(names::format, "docker")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Asked, HelperCause, HelperFailure, Said};
    use reqwest::Method;
    use std::time::Duration;

    const GITHUB: Audience = Audience { words: Words::Inputs, on_github: true };
    const STEP: Audience = Audience { words: Words::Inputs, on_github: false };
    const TYPED: Audience = Audience { words: Words::Flags, on_github: false };
    const ECR: &str = "1.dkr.ecr.eu.amazonaws.com";

    fn error(kind: Kind, host: &str, status: u16) -> Error {
        Error {
            kind,
            host: host.into(),
            request: Some(Box::new(Asked {
                method: Method::PUT,
                path: "/v2/acme/app/manifests/1".into(),
            })),
            elsewhere: None,
            status: Some(status).filter(|status| *status > 0),
            said: None,
            tries: 1,
            spent: false,
            login: Some("credentials".into()),
            withheld: None,
            helper: None,
        }
    }

    /// What is told of an error, in one line: what it is, and what to do.
    fn told(error: Error, access: Access, audience: Audience) -> String {
        let what = match access {
            Access::Pull => "read r.example/acme/app:1",
            Access::Push => "push to r.example/acme/app:1",
        };
        let told = crate::error::Error::of_registry(&error, what, access).told(audience);
        format!("{}\n  {}\n", told.what, told.fix.unwrap_or_else(|| "-".into()))
    }

    #[test]
    fn every_kind_has_advice_or_speaks_for_itself() {
        use Access::{Pull, Push};
        let anonymous = |error: Error| Error { login: None, ..error };
        let said = |code: &str| Some(Said { code: code.into(), message: String::new() });
        let helper = |cause: HelperCause| {
            let (program, file) = ("docker-credential-ecr-login".into(), "config.json".into());
            Some(Box::new(HelperFailure { program, file, cause }))
        };
        let without = |cause: HelperCause| {
            let error = error(Kind::NoLogin, "r.example", 401);
            told(Error { helper: helper(cause), ..anonymous(error) }, Pull, STEP)
        };
        let proxied = |trouble: ProxyTrouble| {
            let (proxy, host) = ("p.example:3128".to_owned(), "r.example".to_owned());
            let kind = ProxyError { proxy, variable: "HTTPS_PROXY", host, trouble };
            error(Kind::Proxy(Box::new(kind)), "r.example", 0)
        };
        let tls = |host: &str, trouble: TlsTrouble| {
            error(Kind::Tls(TlsError { host: host.into(), trouble }), "r.example", 0)
        };
        let all = [
            told(error(Kind::Denied, "ghcr.io", 403), Push, GITHUB),
            told(error(Kind::Denied, "ghcr.io", 403), Push, STEP),
            told(error(Kind::Denied, "docker.io", 401), Push, STEP),
            told(error(Kind::Denied, ECR, 403), Push, STEP),
            told(error(Kind::Denied, "r.example", 403), Push, STEP),
            told(error(Kind::Denied, "r.example", 403), Pull, STEP),
            told(error(Kind::BadCredentials, "r.example", 401), Pull, STEP),
            told(anonymous(error(Kind::Denied, "r.example", 401)), Pull, TYPED),
            told(anonymous(error(Kind::Denied, "r.example", 401)), Pull, STEP),
            told(
                Error {
                    withheld: Some("credentials".into()),
                    ..anonymous(error(Kind::Denied, "r.example", 403))
                },
                Pull,
                STEP,
            ),
            without(HelperCause::Missing),
            without(HelperCause::BadName),
            without(HelperCause::NotStarted("Exec format error".into())),
            without(HelperCause::Silent(Duration::from_secs(30))),
            without(HelperCause::Failed(Some(1))),
            without(HelperCause::Failed(None)),
            without(HelperCause::TooLong),
            without(HelperCause::Malformed),
            told(
                Error {
                    helper: helper(HelperCause::Missing),
                    ..anonymous(error(Kind::Denied, "r.example", 401))
                },
                Pull,
                TYPED,
            ),
            told(
                Error {
                    helper: helper(HelperCause::Missing),
                    ..error(Kind::Denied, "r.example", 403)
                },
                Push,
                STEP,
            ),
            told(error(Kind::NoLogin, ECR, 401), Pull, TYPED),
            told(error(Kind::NotFound, "r.example", 404), Push, STEP),
            told(error(Kind::NotFound, "r.example", 404), Pull, STEP),
            told(error(Kind::Throttled { retry_after: Some(400) }, "docker.io", 503), Pull, STEP),
            told(error(Kind::Throttled { retry_after: None }, "docker.io", 429), Pull, TYPED),
            told(
                anonymous(error(Kind::Throttled { retry_after: None }, "docker.io", 429)),
                Pull,
                STEP,
            ),
            told(error(Kind::Server, "r.example", 500), Pull, STEP),
            told(error(Kind::UnknownHost, "r.exmaple", 0), Pull, STEP),
            told(error(Kind::Unreachable("refused".into()), "localhost:5000", 0), Pull, STEP),
            told(error(Kind::Timeout, "r.example", 0), Pull, STEP),
            told(error(Kind::Truncated("eof".into()), "r.example", 0), Pull, STEP),
            told(proxied(ProxyTrouble::Login), Pull, STEP),
            told(proxied(ProxyTrouble::Refused), Pull, STEP),
            told(proxied(ProxyTrouble::Unreachable("refused".into())), Pull, STEP),
            told(proxied(ProxyTrouble::Tls("expired".into())), Pull, STEP),
            told(proxied(ProxyTrouble::Unusable), Pull, STEP),
            told(tls("r.example", TlsTrouble::PlainHttp), Pull, STEP),
            told(tls("s3.example", TlsTrouble::PlainHttp), Pull, STEP),
            told(tls("r.example", TlsTrouble::SpokenAfterAll), Pull, STEP),
            told(tls("r.example", TlsTrouble::SpokenAfterAll), Pull, TYPED),
            told(tls("r.example", TlsTrouble::OtherName(vec!["a.example".into()])), Pull, STEP),
            told(tls("r.example", TlsTrouble::OutOfTime("expired".into())), Pull, STEP),
            told(tls("s3.example", TlsTrouble::UnknownIssuer), Pull, STEP),
            told(tls("r.example", TlsTrouble::UnknownIssuer), Pull, TYPED),
            told(tls("r.example", TlsTrouble::Other("no common version".into())), Pull, STEP),
            told(error(Kind::DigestMismatch("other bytes".into()), "r.example", 0), Pull, STEP),
            told(error(Kind::Rejected, "r.example", 409), Push, STEP),
            told(error(Kind::Rejected, "r.example", 413), Push, STEP),
            told(error(Kind::Rejected, "r.example", 405), Push, STEP),
            told(
                Error { said: said("MANIFEST_INVALID"), ..error(Kind::Rejected, "r.example", 400) },
                Push,
                TYPED,
            ),
            told(error(Kind::Rejected, "r.example", 418), Push, STEP),
            told(error(Kind::AddressRefused("elsewhere".into()), "r.example", 0), Pull, STEP),
            told(error(Kind::TooLarge("too much".into()), "r.example", 0), Pull, STEP),
            told(error(Kind::Malformed("no manifest".into()), "r.example", 0), Pull, STEP),
            told(
                error(
                    Kind::Foreign("answered with text/html, not with a token".into()),
                    "r.example",
                    0,
                ),
                Pull,
                STEP,
            ),
            told(error(Kind::Defect("no URL".into()), "r.example", 0), Pull, STEP),
        ];
        insta::assert_snapshot!(all.concat(), @"
        cannot push to r.example/acme/app:1: permission denied
          give the job `permissions: packages: write` (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#ghcr)
        cannot push to r.example/acme/app:1: permission denied
          give the token from credentials the scope write:packages (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#ghcr)
        cannot push to r.example/acme/app:1: permission denied
          the access token from credentials needs Read & Write, and the repository must exist, or the account must be allowed to create it (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#docker-hub)
        cannot push to r.example/acme/app:1: permission denied
          allow ecr:PutImage and ecr:InitiateLayerUpload, and create the repository first (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#amazon-ecr)
        cannot push to r.example/acme/app:1: permission denied
          allow the account from credentials to push to this repository
        cannot read r.example/acme/app:1: permission denied
          check the image's name, and that the account from credentials may read it
        cannot read r.example/acme/app:1: wrong user name or password
          check the login from credentials: is it expired, mistyped, or for another registry than r.example?
        cannot read r.example/acme/app:1: permission denied
          no login for r.example is configured: run `docker login r.example`, or give --username and --password-stdin. If the image is public, check its name
        cannot read r.example/acme/app:1: permission denied
          no login for r.example is configured: set `username` and `password`, `credentials`, or `docker-config`. If the image is public, check its name
        cannot read r.example/acme/app:1: permission denied
          r.example denies access without asking for the login from credentials, which was not sent: check the name; a firewall or a proxy may also answer in its place
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (not found on PATH): install it, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (not run: a helper's name has only letters, digits, _ . and -): correct its name in that file, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (it cannot be run: Exec format error): check that this system can run it, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (no answer within 30 s): check what it waits for, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (exit status 1): check its own login and settings, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (it was killed): check its own login and settings, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (it printed more than 64 KiB): check that it is a credential helper, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: login required
          docker-credential-ecr-login of config.json gave no login (it printed no JSON with Username and Secret): check that it is a credential helper, or for r.example set `username` and `password`, or `credentials`
        cannot read r.example/acme/app:1: permission denied
          docker-credential-ecr-login of config.json gave no login (not found on PATH): install it, or for r.example give --username and --password-stdin
        cannot push to r.example/acme/app:1: permission denied
          allow the account from credentials to push to this repository; docker-credential-ecr-login of config.json gave no login (not found on PATH)
        cannot read r.example/acme/app:1: login required
          give --username AWS, and --password-stdin what `aws ecr get-login-password` prints (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#amazon-ecr)
        cannot push to r.example/acme/app:1: not found
          create the repository first, and check its name
        cannot read r.example/acme/app:1: not found
          check the name: was it pushed, and to this registry?
        cannot read r.example/acme/app:1: rate limited for another 6m 40s
          try again when that time is over
        cannot read r.example/acme/app:1: rate limited
          try again later, or with a smaller --concurrency (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#docker-hub)
        cannot read r.example/acme/app:1: rate limited
          log in to docker.io: anonymous requests are limited (see https://github.com/org/manifest-action/blob/v1/docs/registries.md#docker-hub)
        cannot read r.example/acme/app:1: the registry failed
          try again later; if it persists, tell the registry's operators
        cannot read r.example/acme/app:1: no such host
          check the spelling of r.exmaple, and that this job can resolve it
        cannot read r.example/acme/app:1: connection failed: refused
          is the registry running? In a container, localhost:5000 is the container itself: use the host network or the service's name
        cannot read r.example/acme/app:1: no response in time
          check that this job can reach r.example: firewall, proxy (HTTPS_PROXY, NO_PROXY), port
        cannot read r.example/acme/app:1: the response was truncated: eof
          a proxy or cache between this job and the registry truncates responses: check its limits
        cannot read r.example/acme/app:1: the proxy p.example:3128 (HTTPS_PROXY) requires a login (407)
          put the login into the proxy's address, HTTPS_PROXY=http://USER:PASSWORD@p.example:3128, or list r.example in NO_PROXY
        cannot read r.example/acme/app:1: the proxy p.example:3128 (HTTPS_PROXY) does not connect to r.example
          allow r.example in the proxy, or list r.example in NO_PROXY
        cannot read r.example/acme/app:1: the proxy p.example:3128 (HTTPS_PROXY) cannot be reached: refused
          correct HTTPS_PROXY, or list r.example in NO_PROXY to go without the proxy
        cannot read r.example/acme/app:1: TLS connection to the proxy p.example:3128 (HTTPS_PROXY) failed: expired
          for a private certificate authority, use `ca-file`; if the proxy itself speaks plain HTTP, set HTTPS_PROXY=http://p.example:3128
        cannot read r.example/acme/app:1: HTTPS_PROXY is not the address of an HTTP or HTTPS proxy
          set HTTPS_PROXY=http://HOST:PORT, or list r.example in NO_PROXY
        cannot read r.example/acme/app:1: TLS connection failed: r.example speaks plain HTTP, not HTTPS
          use `insecure-registries: r.example`
        cannot read r.example/acme/app:1: TLS connection failed: s3.example speaks plain HTTP, not HTTPS
          check the configuration of r.example, which leads to s3.example over HTTPS
        cannot read r.example/acme/app:1: r.example speaks HTTPS, but is listed as speaking plain HTTP
          take r.example out of `insecure-registries`
        cannot read r.example/acme/app:1: r.example speaks HTTPS, but is listed as speaking plain HTTP
          take r.example out of --insecure
        cannot read r.example/acme/app:1: TLS connection failed: the certificate of r.example is for another name: a.example
          use a name that the certificate is for, or give r.example a certificate for its own name
        cannot read r.example/acme/app:1: TLS connection failed: the certificate of r.example is expired
          renew the certificate of r.example, or set this machine's clock
        cannot read r.example/acme/app:1: TLS connection failed: the certificate of s3.example is from an authority that is not trusted
          for a private certificate authority, use `ca-file`
        cannot read r.example/acme/app:1: TLS connection failed: the certificate of r.example is from an authority that is not trusted
          for a private certificate authority, use --ca-file
        cannot read r.example/acme/app:1: TLS connection failed: no common version (r.example)
          check that r.example speaks TLS 1.2 or 1.3, and that nothing in between intercepts it
        cannot read r.example/acme/app:1: other bytes
          a proxy or cache between this job and the registry alters responses
        cannot push to r.example/acme/app:1: the registry rejected the request
          the tag is immutable in this registry: publish under another one
        cannot push to r.example/acme/app:1: the registry rejected the request
          r.example, or a proxy in front of it, does not accept an upload this large: raise its limit (nginx: client_max_body_size)
        cannot push to r.example/acme/app:1: the registry does not accept writes
          r.example is read-only or a pull-through cache: push to a registry that accepts writes, such as the one behind the cache
        cannot push to r.example/acme/app:1: the registry rejected the request
          this registry does not accept this kind of index: try --format oci or --format docker, or build all images in one format
        cannot push to r.example/acme/app:1: the registry rejected the request
          -
        cannot read r.example/acme/app:1: elsewhere
          check the registry's configuration; if it is yours, its own address must be the one that clients see
        cannot read r.example/acme/app:1: too much
          -
        cannot read r.example/acme/app:1: no manifest
          -
        cannot read r.example/acme/app:1: r.example answered with text/html, not with a token
          is r.example a registry? A sign-in page, a proxy or a firewall may answer in its place
        cannot read r.example/acme/app:1: no URL
          -
        ");
    }

    #[test]
    fn what_depends_on_the_provider_points_at_what_is_known_of_it() {
        use Access::{Pull, Push};
        let said = |code: &str| Some(Said { code: code.into(), message: String::new() });
        let throttled = || Kind::Throttled { retry_after: None };
        let unknown = || Error { said: said("NAME_UNKNOWN"), ..error(Kind::NotFound, "", 404) };
        let untold = || Error { said: said("MANIFEST_UNKNOWN"), ..error(Kind::NotFound, "", 404) };
        for (error, access, expected) in [
            (error(Kind::Denied, "", 403), Pull, true),
            (error(Kind::Denied, "", 403), Push, true),
            (error(Kind::BadCredentials, "", 401), Pull, true),
            (error(Kind::NoLogin, "", 401), Pull, true),
            (error(throttled(), "", 429), Pull, true),
            (error(throttled(), "", 503), Pull, false),
            (error(Kind::Rejected, "", 409), Push, true),
            (Error { said: said("TAG_INVALID"), ..error(Kind::Rejected, "", 400) }, Push, true),
            (error(Kind::Rejected, "", 405), Push, true),
            (unknown(), Pull, true),
            (unknown(), Push, true),
            (untold(), Pull, false),
            (error(Kind::Server, "", 500), Push, false),
            (error(Kind::Timeout, "", 0), Push, false),
        ] {
            let fix = |host: &str| {
                let cause = Cause { error: Error { host: host.into(), ..error.clone() }, access };
                for_cause(&cause, STEP).unwrap_or_default()
            };
            let case = format!("{:?} {:?} {access:?}", error.kind, error.status);
            let section = "/blob/v1/docs/registries.md#quay";
            assert_eq!(fix("quay.io").contains(section), expected, "{case}: {}", fix("quay.io"));
            for unknown in ["registry.example", "quay.io.evil.test", "notquay.io"] {
                assert!(!fix(unknown).contains("docs/registries.md"), "{case}: {}", fix(unknown));
            }
        }
    }
}
