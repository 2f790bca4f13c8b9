//! Why there is no answer: errors of the HTTP library and of TLS, sorted by what lies beneath them.

use super::address::authority;
use super::names::NameError;
use super::proxies::Via;
use crate::system_words;
use rustls::{CertificateError, InvalidMessage};
use std::error::Error as _;
use std::io;
use std::time::{Duration, SystemTime};
use url::Url;

/// The HTTP library's errors of a tunnel. Their type is private, so only the whole text tells.
const TUNNEL_WITHOUT_LOGIN: &str = "tunnel error: proxy authorization required";
const TUNNEL_WITHOUT_PROXY: &str = "tunnel error: failed to create underlying connection";
const TUNNEL_REFUSED: [&str; 4] = [
    "tunnel error: unsuccessful",
    "tunnel error: unexpected end of file",
    "tunnel error: io error establishing tunnel",
    "tunnel error: proxy response headers too long",
];

/// The last second of the year 9999: later ones cannot be written as a date.
const LAST_DATE: u64 = 253_402_300_799;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The name does not resolve, and trying soon again will hardly help.
    UnknownHost,
    /// No connection, or one that broke before the answer.
    Connection(String),
    /// The answer broke off, or was framed so that its end cannot be told.
    Cut(String),
    /// Nothing came for too long.
    Timeout,
    /// The proxy on the way does not let us through.
    Proxy(Box<ProxyError>),
    /// TLS failed: certificate or protocol.
    Tls(TlsError),
    /// The answer has more bytes than this.
    TooLarge(usize),
    /// The answer breaks HTTP or the specs: what its sender did.
    Malformed(String),
    /// A redirect that is not followed.
    Refused(String),
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unanswered {
    pub(crate) why: Broken,
    /// `HOST[:PORT]` that redirects led to, unless it is the registry's own.
    pub(crate) redirected_to: Option<String>,
}

impl From<Broken> for Unanswered {
    fn from(why: Broken) -> Self {
        Self { why, redirected_to: None }
    }
}

/// A proxy that does not let us through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyError {
    /// `HOST[:PORT]` of the proxy.
    pub proxy: String,
    /// The variable that names it.
    pub variable: &'static str,
    /// `HOST[:PORT]` that it should have led to.
    pub host: String,
    /// What is wrong.
    pub trouble: ProxyTrouble,
}

/// What is wrong with a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyTrouble {
    /// It wants a login, or another one.
    Login,
    /// It opens no connection to the host.
    Refused,
    /// It cannot be reached.
    Unreachable(String),
    /// TLS with the proxy itself failed.
    Tls(String),
    /// The variable names no proxy that we could use.
    Unusable,
}

/// TLS that could not be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// `HOST[:PORT]` that it failed with.
    pub host: String,
    /// What is wrong.
    pub trouble: TlsTrouble,
}

/// What is wrong with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsTrouble {
    /// The port speaks plain HTTP.
    PlainHttp,
    /// The port speaks TLS, and the user said that it does not.
    SpokenAfterAll,
    /// The certificate is for these names.
    OtherName(Vec<String>),
    /// The certificate is not valid any more, or not yet; since or until when.
    OutOfTime(String),
    /// Nobody whom we trust has issued the certificate.
    UnknownIssuer,
    /// Anything else, in the words of the TLS library.
    Other(String),
}

impl Broken {
    /// This is wrong with the proxy that a request to `url` goes through.
    pub(super) fn by_proxy(via: &Via, url: &Url, trouble: ProxyTrouble) -> Self {
        Self::Proxy(Box::new(ProxyError::new(via, url, trouble)))
    }

    /// Whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Proxy(error) => error.may_pass(),
            Self::UnknownHost | Self::Connection(_) | Self::Cut(_) | Self::Timeout => true,
            Self::Tls(_) | Self::TooLarge(_) | Self::Malformed(_) | Self::Refused(_) => false,
        }
    }

    /// Whether others who ask the host now would hardly fare better. Silence may be about the one
    /// request.
    pub(crate) fn is_down(&self) -> bool {
        match self {
            Self::Proxy(error) => error.may_pass(),
            Self::Connection(_) | Self::Cut(_) => true,
            _ => false,
        }
    }
}

impl ProxyError {
    fn new(via: &Via, url: &Url, trouble: ProxyTrouble) -> Self {
        let (proxy, host) = (via.address(), authority(url));
        Self { proxy, variable: via.variable, host, trouble }
    }

    /// Whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        // The library does not tell a proxy that forbids from one that is in trouble.
        matches!(self.trouble, ProxyTrouble::Refused | ProxyTrouble::Unreachable(_))
    }

    /// What is wrong, as a sentence.
    pub fn reason(&self) -> String {
        let Self { proxy, variable, host, trouble } = self;
        match trouble {
            ProxyTrouble::Login => format!("the proxy {proxy} ({variable}) requires a login (407)"),
            ProxyTrouble::Refused => {
                format!("the proxy {proxy} ({variable}) does not connect to {host}")
            }
            ProxyTrouble::Unreachable(why) => {
                format!("the proxy {proxy} ({variable}) cannot be reached: {why}")
            }
            ProxyTrouble::Tls(why) => {
                format!("TLS connection to the proxy {proxy} ({variable}) failed: {why}")
            }
            ProxyTrouble::Unusable => {
                format!("{variable} is not the address of an HTTP or HTTPS proxy")
            }
        }
    }
}

impl TlsError {
    pub(super) fn new(url: &Url, trouble: TlsTrouble) -> Self {
        Self { host: authority(url), trouble }
    }

    /// What is wrong, as a sentence.
    pub fn reason(&self) -> String {
        let host = &self.host;
        let why = match &self.trouble {
            TlsTrouble::PlainHttp => format!("{host} speaks plain HTTP, not HTTPS"),
            TlsTrouble::SpokenAfterAll => {
                return format!("{host} speaks HTTPS, but is listed as speaking plain HTTP");
            }
            TlsTrouble::OtherName(names) if names.is_empty() => {
                format!("the certificate of {host} is for no name at all")
            }
            TlsTrouble::OtherName(names) => {
                format!("the certificate of {host} is for another name: {}", names.join(", "))
            }
            TlsTrouble::OutOfTime(when) => format!("the certificate of {host} is {when}"),
            TlsTrouble::UnknownIssuer => {
                format!("the certificate of {host} is from an authority that is not trusted")
            }
            TlsTrouble::Other(why) => format!("{why} ({host})"),
        };
        format!("TLS connection failed: {why}")
    }
}

/// Sorts reqwest's errors by what lies beneath them. `url`: what was asked; `via`: the proxy that
/// it was asked through.
pub(super) fn broken(error: &reqwest::Error, url: &Url, via: Option<&Via>) -> Broken {
    let proxy = |via: &Via, trouble| Broken::by_proxy(via, url, trouble);
    // Before the connection to it stands, whatever breaks is the proxy's: at once in plain HTTP,
    // and up to a certain error in a tunnel.
    let mut itself = via.filter(|_| error.is_connect() && url.scheme() == "http");
    let mut cause = error.source();
    let mut deepest = None;
    while let Some(current) = cause {
        if let Some(tls) = tls_error(current) {
            return match itself {
                Some(via) => proxy(via, ProxyTrouble::Tls(tls.to_string())),
                None => Broken::Tls(TlsError::new(url, trouble(tls))),
            };
        }
        if let Some(name) = current.downcast_ref::<NameError>() {
            let why = match (name, itself) {
                (NameError::Unknown, None) => return Broken::UnknownHost,
                (NameError::Unknown, Some(_)) => "no such host".to_owned(),
                (NameError::Forbidden(address), _) => {
                    return Broken::Refused(format!(
                        "its name resolves to {address}, a loopback, link-local or reserved address"
                    ));
                }
                (NameError::Failed(why), _) => format!("name lookup failed: {why}"),
            };
            return match itself {
                Some(via) => proxy(via, ProxyTrouble::Unreachable(why)),
                None => Broken::Connection(why),
            };
        }
        let text = current.to_string();
        let text = system_words::plain(&text).unwrap_or(text);
        match via {
            Some(via) if text == TUNNEL_WITHOUT_LOGIN => return proxy(via, ProxyTrouble::Login),
            Some(via) if TUNNEL_REFUSED.contains(&text.as_str()) => {
                return proxy(via, ProxyTrouble::Refused);
            }
            Some(via) if text == TUNNEL_WITHOUT_PROXY => itself = Some(via),
            _ => {}
        }
        deepest = Some(text);
        cause = current.source();
    }
    let why = deepest.unwrap_or_else(|| "the connection broke".to_owned());
    match (itself, error.is_timeout()) {
        (Some(via), true) => {
            proxy(via, ProxyTrouble::Unreachable("no response in time".to_owned()))
        }
        (Some(via), false) => proxy(via, ProxyTrouble::Unreachable(why)),
        (None, true) => Broken::Timeout,
        (None, false) => Broken::Connection(why),
    }
}

/// What a TLS error means.
fn trouble(error: &rustls::Error) -> TlsTrouble {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let certificate = match error {
        // What a server of plain HTTP says to a client of TLS begins with no type of a message.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return TlsTrouble::PlainHttp;
        }
        rustls::Error::InvalidCertificate(certificate) => certificate,
        other => return TlsTrouble::Other(other.to_string()),
    };
    let date = |time: &rustls::pki_types::UnixTime| {
        let since = Duration::from_secs(time.as_secs().min(LAST_DATE));
        let date = SystemTime::UNIX_EPOCH.checked_add(since).map(httpdate::fmt_http_date);
        date.map(|date| format!(" ({date})")).unwrap_or_default()
    };
    match certificate {
        NotValidForNameContext { presented, .. } => {
            // `DnsName("a.example")`, `IpAddress(127.0.0.1)`.
            let bare = |name: &String| {
                let inside = name.split_once('(').map_or(name.as_str(), |(_, inside)| inside);
                inside.trim_matches([')', '"']).to_owned()
            };
            TlsTrouble::OtherName(presented.iter().map(bare).collect())
        }
        NotValidForName => TlsTrouble::OtherName(Vec::new()),
        ExpiredContext { not_after, .. } => {
            TlsTrouble::OutOfTime(format!("expired{}", date(not_after)))
        }
        Expired => TlsTrouble::OutOfTime("expired".to_owned()),
        NotValidYetContext { not_before, .. } => {
            TlsTrouble::OutOfTime(format!("not valid yet{}", date(not_before)))
        }
        NotValidYet => TlsTrouble::OutOfTime("not valid yet".to_owned()),
        UnknownIssuer => TlsTrouble::UnknownIssuer,
        other => TlsTrouble::Other(other.to_string()),
    }
}

/// A connection that breaks while the body comes: something was there to be answered.
pub(super) fn cut(broken: Broken, received: usize) -> Broken {
    match broken {
        Broken::Connection(why) => Broken::Cut(format!("{why}, after {received} bytes")),
        other => other,
    }
}

/// I/O errors hold what they wrap beside the chain of sources, and one may wrap another.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .and_then(|inner| tls_error(inner))
}
