//! HTTP within limits of time and size: one exchange, TLS, proxies, redirects, the address rule.
//!
//! Nothing here is about registries, so whoever else speaks to a server (the API of a CI system)
//! goes this way as well.

pub(crate) mod address;
mod broken;
mod certificates;
mod connections;
mod exchange;
mod link;
mod names;
mod proxies;
mod transport;

pub(crate) use broken::{Broken, Unanswered};
pub use broken::{ProxyError, ProxyTrouble, TlsError, TlsTrouble};
pub(crate) use certificates::parse_certificates;
pub(crate) use exchange::{
    Answer, BETWEEN_BYTES, Exchange, WHOLE_REQUEST, chunk, leaves_it_open, may_pass,
    parse_retry_after, sensitive,
};
pub(crate) use transport::Transport;
