//! `NO_PROXY`: what is reached without a proxy, in all the forms that Go's tools and curl know. The
//! HTTP library knows names, networks and addresses, but neither `*` before an address nor ports.

use ipnet::IpNet;
use std::env;
use std::net::IpAddr;
use url::{Host, Url};

/// Parsed `NO_PROXY`.
#[derive(Debug, Default)]
pub(super) struct NoProxy(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug)]
enum Place {
    /// `*`.
    All,
    Network(IpNet),
    Address(IpAddr),
    /// A domain and all below it.
    Domain(String),
}

impl NoProxy {
    /// From the variable, in capitals or not.
    pub(super) fn from_environment() -> Self {
        let names = ["NO_PROXY", "no_proxy"].into_iter();
        let mut values = names.filter_map(|name| env::var(name).ok());
        Self::parse(&values.find(|value| !value.is_empty()).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let items = text.split(|c: char| c == ',' || c.is_whitespace());
        Self(items.filter_map(|item| Rule::parse(&item.to_ascii_lowercase())).collect())
    }

    /// Whether the host of this address is reached without a proxy.
    pub(super) fn names(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        self.0.iter().any(|rule| {
            rule.port.is_none_or(|port| url.port_or_known_default() == Some(port))
                && rule.place.holds(&host)
        })
    }
}

impl Rule {
    fn parse(item: &str) -> Option<Self> {
        let whole = |place| Some(Self { place, port: None });
        if let Ok(network) = item.parse::<IpNet>() {
            return whole(Place::Network(network));
        }
        // An address of IPv6 has colons of its own.
        let alone = item.strip_prefix('[').and_then(|item| item.strip_suffix(']')).unwrap_or(item);
        if let Ok(address) = alone.parse::<IpAddr>() {
            return whole(Place::Address(address));
        }
        let (host, port) = match item.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (item, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let domain = bare.strip_prefix('*').unwrap_or(bare).trim_matches('.');
        let place = match bare.parse::<IpAddr>() {
            Ok(address) => Place::Address(address),
            Err(_) if bare == "*" => Place::All,
            Err(_) if domain.is_empty() => return None,
            Err(_) => Place::Domain(domain.to_owned()),
        };
        Some(Self { place, port })
    }
}

impl Place {
    fn holds(&self, host: &Host<&str>) -> bool {
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        };
        match (self, host, address) {
            (Self::All, ..) => true,
            (Self::Network(network), _, Some(address)) => network.contains(&address),
            (Self::Address(own), _, Some(address)) => *own == address,
            (Self::Domain(domain), Host::Domain(name), _) => {
                let name = name.trim_end_matches('.');
                let above = name.strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (no_proxy, url, is_named) in [
            ("", "https://r.example/", false),
            ("*", "https://r.example/", true),
            ("*", "https://10.1.2.3:5000/", true),
            ("*", "https://[2001:db8::1]/", true),
            ("r.example", "https://r.example/", true),
            ("R.Example", "https://r.example/", true),
            ("r.example.", "https://r.example/", true),
            ("r.example", "https://r.example.:443/", true),
            ("r.example", "https://a.r.example/", true),
            ("r.example", "https://ar.example/", false),
            ("r.example", "https://r.example.evil.test/", false),
            (".r.example", "https://a.r.example/", true),
            (".r.example", "https://r.example/", true),
            ("*.r.example", "https://a.b.r.example/", true),
            ("*.r.example", "https://evilr.example/", false),
            ("r.example:5000", "https://r.example:5000/", true),
            ("r.example:5000", "https://r.example/", false),
            ("r.example:443", "https://r.example/", true),
            ("r.example:80", "http://r.example/", true),
            ("*.r.example:5000", "https://a.r.example:5000/", true),
            (".r.example:5000", "https://a.r.example:5001/", false),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.0.0.0/8", "https://r.example/", false),
            ("10.1.2.3", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3/", false),
            ("2001:db8::/32", "https://[2001:db8::1]/", true),
            ("2001:db8::1", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]", "https://[2001:db8::1]/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]/", false),
            (" x.example , r.example ", "https://r.example/", true),
            ("x.example r.example", "https://r.example/", true),
            (",,r.example,", "https://r.example/", true),
            (".", "https://r.example/", false),
            ("*.", "https://r.example/", false),
            (":5000", "https://r.example:5000/", false),
            ("r.example:x", "https://r.example/", false),
        ] {
            let url = url.parse().unwrap();
            assert_eq!(NoProxy::parse(no_proxy).names(&url), is_named, "{no_proxy} {url}");
        }
    }
}
