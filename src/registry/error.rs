//! Errors of requests to registries, as data.

use super::asked::Asked;
use super::elsewhere::{Elsewhere, Role};
use super::http::{Answer, Broken, ProxyError, TlsError, may_pass};
use super::said::Said;
use crate::oci::Invalid;
use crate::text::duration;
use reqwest::Method;
use std::fmt;
use std::time::Duration;

/// One request that failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub kind: Kind,
    /// Registry host, as people write it.
    pub host: String,
    /// The request, unless it is told of the host alone.
    pub request: Option<Box<Asked>>,
    /// The host that it went to, where that is not the registry itself.
    pub elsewhere: Option<Box<Elsewhere>>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The registry's own words.
    pub said: Option<Said>,
    /// Tries in all.
    pub tries: u32,
    /// Whether it was not retried because its host had failed too often.
    pub spent: bool,
    /// Source of the login that was sent, if one was.
    pub login: Option<String>,
    /// Source of a login that the host denied access without asking for.
    pub withheld: Option<String>,
    /// Credential helper that should have given a login for the host, and did not.
    pub helper: Option<Box<HelperFailure>>,
}

/// A credential helper that an auth file names and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperFailure {
    /// `docker-credential-NAME`.
    pub program: String,
    /// The auth file.
    pub file: String,
    /// Why it gave no login.
    pub cause: HelperCause,
}

/// Why a credential helper gave no login. Nothing that it prints is ever told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelperCause {
    /// It is not on PATH.
    Missing,
    /// Its name could lead elsewhere than to a program on PATH, so it is not run.
    BadName,
    /// The system's word.
    NotStarted(String),
    /// No answer within this time.
    Silent(Duration),
    /// Its exit status, unless a signal ended it.
    Failed(Option<i32>),
    /// More than 64 KiB.
    TooLong,
    /// Its output is not what the protocol says.
    Malformed,
}

impl HelperCause {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing => "install it",
            Self::BadName => "correct its name in that file",
            Self::NotStarted(_) => "check that this system can run it",
            Self::Silent(_) => "check what it waits for",
            Self::Failed(_) => "check its own login and settings",
            Self::TooLong | Self::Malformed => "check that it is a credential helper",
        }
    }
}

impl fmt::Display for HelperFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, file, cause } = self;
        write!(f, "{program} of {file} gave no login (")?;
        match cause {
            HelperCause::Missing => f.write_str("not found on PATH"),
            HelperCause::BadName => {
                f.write_str("not run: a helper's name has only letters, digits, _ . and -")
            }
            HelperCause::NotStarted(why) => write!(f, "it cannot be run: {why}"),
            HelperCause::Silent(limit) => write!(f, "no answer within {}", duration(*limit)),
            HelperCause::Failed(Some(status)) => write!(f, "exit status {status}"),
            HelperCause::Failed(None) => f.write_str("it was killed"),
            HelperCause::TooLong => f.write_str("it printed more than 64 KiB"),
            HelperCause::Malformed => f.write_str("it printed no JSON with Username and Secret"),
        }?;
        f.write_str(")")
    }
}

/// Kinds that callers tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// 404: no such manifest, blob or repository, or not yet.
    NotFound,
    /// 401 or 403 where a login would not be wrong in itself: no right, or not there.
    Denied,
    /// The login itself was refused.
    BadCredentials,
    /// The registry wants a login and there is none.
    NoLogin,
    /// 429 to the end, or a pause asked for that is too long.
    Throttled {
        /// Seconds that the registry asked for.
        retry_after: Option<u64>,
    },
    /// 5xx, or another status that mostly passes, to the end.
    Server,
    /// Any other 4xx.
    Rejected,
    /// The name does not exist.
    UnknownHost,
    /// No connection, or it broke.
    Unreachable(String),
    /// The answer broke off, again and again.
    Truncated(String),
    /// No answer in time.
    Timeout,
    /// The proxy on the way does not let us through.
    Proxy(Box<ProxyError>),
    /// TLS could not be set up.
    Tls(TlsError),
    /// The bytes are not those of the digest.
    DigestMismatch(String),
    /// More bytes than allowed or announced.
    TooLarge(String),
    /// An answer that breaks the specs.
    Malformed(String),
    /// An answer that no registry gives: something else stands at that address or on the way. What
    /// it did: `answered with text/html, not with a manifest`.
    Foreign(String),
    /// An address that a server named and that we do not go to.
    AddressRefused(String),
    /// A file that holds images is not what it says.
    Broken(String),
    /// Which image of a file is meant, nobody knows; or the file cannot be read.
    Unclear(String),
    /// A file cannot be written.
    Unwritten(String),
    /// A defect of ours.
    Defect(String),
}

impl Error {
    /// Whether the content may only not be there yet, so that a wait makes sense.
    pub fn may_be_missing(&self) -> bool {
        matches!(self.kind, Kind::NotFound)
    }

    /// Whether it may be about the method HEAD and not about what was asked for.
    pub fn may_be_of_head(&self) -> bool {
        let is_head = self.request.as_ref().is_some_and(|request| request.method == Method::HEAD);
        is_head && matches!(self.kind, Kind::NotFound | Kind::Denied)
    }

    /// Whether it asked for nothing but to read.
    pub(super) fn is_of_read(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.is_read())
    }

    /// What it says of the host to whoever asked for something else there. A request for a token is
    /// one of the host: it may be meant for any image.
    pub(super) fn of_host(self) -> Self {
        let is_for_all = self.elsewhere.as_ref().is_some_and(|place| place.role == Role::Tokens);
        Self { request: self.request.filter(|_| is_for_all), tries: 1, spent: false, ..self }
    }

    /// Whether the registry knows no writes: it is read-only, or a pull-through cache.
    pub fn takes_no_writes(&self) -> bool {
        self.status == Some(405)
            && self.kind == Kind::Rejected
            && self.elsewhere.is_none()
            && !self.is_of_read()
    }

    /// Whether a read may be refused only because it is of a part: 416, or another status of servers
    /// without ranges.
    pub(super) fn may_be_of_range(&self) -> bool {
        self.kind == Kind::Rejected || self.status == Some(501)
    }

    /// Whether it is trouble, of the registry or on the way to it, that may be over in a while. A
    /// pause that is too long is none: the registry would be asked again in vain.
    pub fn is_trouble(&self) -> bool {
        match &self.kind {
            Kind::Server
            | Kind::Timeout
            | Kind::Unreachable(_)
            | Kind::Truncated(_)
            | Kind::UnknownHost
            | Kind::Throttled { retry_after: None } => true,
            Kind::Proxy(error) => error.may_pass(),
            // Some storage says so of what it does not have yet.
            Kind::Rejected => self.elsewhere.is_some(),
            _ => false,
        }
    }

    /// Whether it is of a file that holds images, and not of a registry.
    pub fn is_of_file(&self) -> bool {
        // No host has a colon that is not in front of a port.
        crate::oci::in_file::split(&self.host).is_some()
    }

    /// Whether the login, or its lack, is the cause.
    pub fn is_denial(&self) -> bool {
        matches!(self.kind, Kind::Denied | Kind::BadCredentials | Kind::NoLogin)
    }

    /// Code that the registry gave, or nothing.
    pub fn code(&self) -> &str {
        self.said.as_ref().map_or("", |said| &said.code)
    }

    /// Whether the registry found other bytes than we sent, or read its own store while another
    /// writer was at it (distribution answers so when two push the same content at once).
    pub fn doubts_content(&self) -> bool {
        self.status == Some(400) && self.code() == "DIGEST_INVALID"
    }

    /// Whether the registry says that something an index names is not stored.
    pub fn misses_content(&self) -> bool {
        matches!(self.status, Some(400 | 404))
            && matches!(self.code(), "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN" | "MANIFEST_UNKNOWN")
    }

    /// Whether the registry looked at a manifest and did not take it for what it names or is.
    pub fn is_of_content(&self) -> bool {
        let is_invalid =
            matches!(self.status, Some(400 | 422)) && self.code() == "MANIFEST_INVALID";
        is_invalid || self.misses_content()
    }

    /// Whether it is 500 with an error document: distribution says so of manifests with layers that
    /// it does not allow.
    pub fn tells_why_it_failed(&self) -> bool {
        self.status == Some(500) && !self.code().is_empty()
    }

    /// Why, in a few words; with the host that failed where that is not the registry itself.
    pub fn reason(&self) -> String {
        let has_subject = matches!(self.kind, Kind::Server | Kind::Rejected | Kind::Foreign(_));
        match &self.elsewhere {
            // What answers like this may not be a registry.
            None if matches!(self.kind, Kind::Foreign(_)) => self.kind.reason(&self.host),
            None if self.takes_no_writes() => "the registry does not accept writes".to_owned(),
            None => self.kind.reason("the registry"),
            // Whoever gives the tokens, a login is the registry's.
            Some(place) if place.role == Role::Tokens && self.is_denial() => self.kind.reason(""),
            Some(place) if has_subject => self.kind.reason(&format!("{},", place.of(&self.host))),
            Some(place) => format!("{} ({})", self.kind.reason(""), place.of(&self.host)),
        }
    }

    /// The host whose request failed.
    pub fn failing_host(&self) -> &str {
        self.elsewhere.as_ref().map_or(&self.host, |elsewhere| &elsewhere.host)
    }

    /// The request that failed, or the host where it is told of that alone.
    pub fn subject(&self) -> String {
        self.request.as_ref().map_or_else(|| self.host.clone(), ToString::to_string)
    }

    /// Where: request or host, answer, and the registry's own words marked as such.
    pub fn place(&self) -> String {
        let mut place = self.subject();
        let role = self.elsewhere.as_ref().map(|elsewhere| elsewhere.role);
        if role == Some(Role::Storage) {
            place = format!("{place} → {}", self.failing_host());
        }
        if let Some(status) = self.status {
            place = format!("{place} → {status}");
            if !self.code().is_empty() {
                place = format!("{place} {}", self.code());
            }
        }
        if let Some(said) = self.said.as_ref().filter(|said| !said.message.is_empty()) {
            let who = if role == Some(Role::Tokens) { "the token server" } else { "the registry" };
            place = format!("{place} ({who} said: {:?})", said.message);
        }
        if self.tries > 1 {
            place = format!("{place}, tried {} times", self.tries);
        }
        if self.spent {
            place = format!("{place}; gave up because {} keeps failing", self.host);
        }
        place
    }
}

impl Kind {
    /// The kind of an answer that stays as it is.
    pub(super) fn of(answer: &Answer) -> Self {
        match answer.status {
            // No login goes to where a redirect leads, so none can be wrong or missing there.
            401 | 403 if answer.redirected_to.is_some() => Self::Rejected,
            status => Self::of_status(status),
        }
    }

    /// The kind of an answer of the registry itself. What was tried again as passing is the
    /// registry's own trouble, however often: a wait goes on after it.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 => Self::NotFound,
            429 => Self::Throttled { retry_after: None },
            300..=399 => {
                Self::AddressRefused("the registry sent an unexpected redirect".to_owned())
            }
            _ if status >= 500 || may_pass(status) => Self::Server,
            _ => Self::Rejected,
        }
    }

    /// Why, in a few words; `who`: the server that was asked.
    pub fn reason(&self, who: &str) -> String {
        match self {
            Self::NotFound => "not found".to_owned(),
            Self::Denied => "permission denied".to_owned(),
            Self::BadCredentials => "wrong user name or password".to_owned(),
            Self::NoLogin => "login required".to_owned(),
            Self::Throttled { retry_after: Some(seconds) } => {
                format!("rate limited for another {}", duration(Duration::from_secs(*seconds)))
            }
            Self::Throttled { retry_after: None } => "rate limited".to_owned(),
            Self::Server => format!("{who} failed"),
            Self::Rejected => format!("{who} rejected the request"),
            Self::Foreign(deed) => format!("{who} {deed}"),
            Self::UnknownHost => "no such host".to_owned(),
            Self::Unreachable(why) if why.contains("connection") => why.clone(),
            Self::Unreachable(why) => format!("connection failed: {why}"),
            Self::Truncated(why) => format!("the response was truncated: {why}"),
            Self::Timeout => "no response in time".to_owned(),
            Self::Proxy(error) => error.reason(),
            Self::Tls(error) => error.reason(),
            Self::DigestMismatch(what)
            | Self::TooLarge(what)
            | Self::Malformed(what)
            | Self::AddressRefused(what)
            | Self::Broken(what)
            | Self::Unclear(what)
            | Self::Unwritten(what)
            | Self::Defect(what) => what.clone(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.place())
    }
}

impl std::error::Error for Error {}

impl From<Broken> for Kind {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::UnknownHost => Self::UnknownHost,
            Broken::Connection(why) => Self::Unreachable(why),
            Broken::Cut(why) => Self::Truncated(why),
            Broken::Timeout => Self::Timeout,
            Broken::Proxy(error) => Self::Proxy(error),
            Broken::Tls(error) => Self::Tls(error),
            Broken::TooLarge(limit) => {
                Self::TooLarge(format!("the response is larger than the limit of {limit} bytes"))
            }
            Broken::Malformed(deed) => Self::Foreign(deed),
            Broken::Refused(why) => Self::AddressRefused(format!(
                "the registry points to an address that is not allowed: {why}"
            )),
        }
    }
}

impl From<Invalid> for Kind {
    fn from(invalid: Invalid) -> Self {
        Self::Malformed(invalid.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_host_names_no_request_of_another_image() {
        let asked = |path: &str| Asked { method: Method::GET, path: path.to_owned() };
        let place = |role| Elsewhere { host: "x.example".to_owned(), role };
        for (path, role, is_kept) in [
            ("/v2/a/manifests/1", None, false),
            ("/v2/a/blobs/1", Some(Role::Storage), false),
            ("http://x.example/token", Some(Role::Tokens), true),
        ] {
            let error = Error {
                kind: Kind::Timeout,
                host: "r.example".to_owned(),
                request: Some(Box::new(asked(path))),
                elsewhere: role.map(place).map(Box::new),
                status: None,
                said: None,
                tries: 3,
                spent: true,
                login: None,
                withheld: None,
                helper: None,
            };
            assert_eq!(
                error.clone().of_host().request,
                error.request.filter(|_| is_kept),
                "{path}"
            );
        }
    }
}
