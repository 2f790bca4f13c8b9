//! Which requests go through a proxy: the variables of curl and Go's tools (`HTTPS_PROXY`,
//! `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, also in lower case).
//!
//! An entry of `NO_PROXY` counts if curl or Go's `httpproxy` takes it: people write one list for
//! all their tools.

use super::address::{self, authority};
use ipnet::IpNet;
use std::net::IpAddr;
use url::{Host, Url};

/// The proxies of this process.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<Via>,
    https: Option<Via>,
    past: Vec<Past>,
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Via {
    /// The variable that names it.
    pub(super) variable: &'static str,
    /// Its address with its login; `None`: the variable has none that we could use.
    url: Option<Url>,
}

/// What goes past the proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Past {
    All,
    Network(IpNet),
    Address(IpAddr, Option<u16>),
    /// What is below this name, and with `itself` the name too.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl Via {
    /// Where it is, for people: without its login.
    pub(super) fn address(&self) -> String {
        self.url.as_ref().map(authority).unwrap_or_default()
    }

    pub(super) fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }
}

impl Proxies {
    pub(super) fn of_environment() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        // A web server hands the header `Proxy` of any request on as HTTP_PROXY (httpoxy.org).
        if get("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let get = |name: &str| {
            let filled = |name: &str| {
                get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
            };
            filled(name).or_else(|| filled(&name.to_ascii_lowercase()))
        };
        let via =
            |variable: &'static str| Some(Via { variable, url: parse_proxy(&get(variable)?) });
        let no_proxy = get("NO_PROXY").unwrap_or_default();
        let entries = no_proxy.split(|c: char| c == ',' || c.is_whitespace());
        Self {
            http: via("HTTP_PROXY").or_else(|| via("ALL_PROXY")),
            https: via("HTTPS_PROXY").or_else(|| via("ALL_PROXY")),
            past: entries.filter_map(Past::parse).collect(),
        }
    }

    /// The proxy that a request to this address goes through.
    pub(super) fn via(&self, url: &Url) -> Option<&Via> {
        let via = if url.scheme() == "https" { &self.https } else { &self.http };
        via.as_ref()
            .filter(|_| !address::is_loopback(url) && !self.past.iter().any(|past| past.is_of(url)))
    }

    /// The names of all proxies: that they are on this machine is the user's own wish.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let urls = [&self.http, &self.https].into_iter().flatten().filter_map(Via::url);
        urls.filter_map(|url| url.host_str().map(str::to_owned))
    }
}

/// The address of a proxy; without a scheme it is HTTP.
fn parse_proxy(value: &str) -> Option<Url> {
    let with_scheme =
        if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url: Url = with_scheme.parse().ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

impl Past {
    /// An entry of `NO_PROXY`; `None`: it is none.
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        // An address of the sixth version may stand in brackets, and must before a port.
        let bare = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => address.to_owned(),
            Some((address, rest)) if rest.starts_with('/') => format!("{address}{rest}"),
            Some((address, rest)) => {
                let port = rest.strip_prefix(':')?.parse().ok()?;
                return Some(Self::Address(
                    address.parse::<IpAddr>().ok()?.to_canonical(),
                    Some(port),
                ));
            }
            None => entry.to_owned(),
        };
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), None));
        }
        if let Ok(network) = bare.parse() {
            return Some(Self::Network(network));
        }
        let (host, port) = match bare.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (bare.as_str(), None),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let (below, itself) = match host.strip_prefix("*.") {
            Some(below) => (below, false),
            None => (host.trim_start_matches('.'), true),
        };
        // As a URL has it: lower case, letters beyond ASCII in Punycode.
        let Ok(Host::Domain(name)) = Host::parse(below.trim_end_matches('.')) else { return None };
        Some(Self::Name { name, itself, port })
    }

    fn is_of(&self, url: &Url) -> bool {
        let is_on = |port: &Option<u16>| port.is_none() || *port == url.port_or_known_default();
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(address.to_canonical()),
            _ => None,
        };
        match self {
            Self::All => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Self::Address(past, port) => address == Some(*past) && is_on(port),
            Self::Name { name, itself, port } => {
                let host = url.domain().unwrap_or_default().trim_end_matches('.');
                let before = host.strip_suffix(name.as_str());
                let fits = before.is_some_and(|before| {
                    if before.is_empty() { *itself } else { before.ends_with('.') }
                });
                fits && is_on(port)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::new(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn via(proxies: &Proxies, url: &str) -> Option<(&'static str, String)> {
        proxies.via(&url.parse().unwrap()).map(|via| (via.variable, via.address()))
    }

    #[test]
    fn what_goes_past_a_proxy() {
        const HOSTS: [&str; 14] = [
            "https://r.example",
            "https://r.example:5000",
            "https://a.r.example",
            "https://ar.example",
            "https://R.EXAMPLE.",
            "http://r.example",
            "https://10.1.2.3",
            "https://10.1.2.3:5000",
            "https://11.1.2.3",
            "https://[fd12::1]",
            "https://[fd12::1]:5000",
            "https://[fe12::1]",
            "https://[::ffff:10.1.2.3]",
            "https://bücher.example",
        ];
        const BELOW: &[usize] = &[0, 1, 2, 4, 5];
        const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        for (no_proxy, past) in [
            ("", &[][..]),
            ("*", ALL),
            ("x.test,*", ALL),
            ("x.test, * ,y.test", ALL),
            ("r.example", BELOW),
            ("R.Example", BELOW),
            ("r.example.", BELOW),
            (".r.example", BELOW),
            ("*.r.example", &[2]),
            ("*.R.example:443", &[2]),
            ("*.r.example:5000", &[]),
            ("r.example:443", &[0, 2, 4]),
            (".r.example:443", &[0, 2, 4]),
            ("r.example:5000", &[1]),
            ("r.example:80", &[5]),
            ("a.r.example", &[2]),
            ("xample", &[]),
            ("ample", &[]),
            ("example", &[0, 1, 2, 3, 4, 5, 13]),
            ("x.test, r.example ,y.test", BELOW),
            ("x.test r.example\ty.test", BELOW),
            (",,r.example,", BELOW),
            ("10.1.2.3", &[6, 7, 12]),
            ("10.1.2.3:5000", &[7]),
            ("10.1.2.3:443", &[6, 12]),
            ("10.0.0.0/8", &[6, 7, 12]),
            ("10.1.2.3/32", &[6, 7, 12]),
            ("10.9.9.9/8", &[6, 7, 12]),
            ("0.0.0.0/0", &[6, 7, 8, 12]),
            ("10.1.2", &[]),
            ("10.0.0.0/33", &[]),
            ("::ffff:10.1.2.3", &[6, 7, 12]),
            ("fd12::1", &[9, 10]),
            ("FD12:0::1", &[9, 10]),
            ("[fd12::1]", &[9, 10]),
            ("[fd12::1]:5000", &[10]),
            ("[fd12::1]:443", &[9]),
            ("fd00::/8", &[9, 10]),
            ("[fd00::]/8", &[9, 10]),
            ("::/0", &[9, 10, 11]),
            ("bücher.example", &[13]),
            ("BÜCHER.example", &[13]),
            ("xn--bcher-kva.example", &[13]),
            // What is no entry is none, and no other suffers from it.
            ("[fd12::1,[]:,:443,/8,*.,.,**,r.example:port,https://r.example", &[]),
            ("[fd12::1,:443,a.r.example", &[2]),
        ] {
            let proxies = proxies(&[
                ("HTTPS_PROXY", "http://p.test:3128"),
                ("HTTP_PROXY", "http://p.test:3128"),
                ("NO_PROXY", no_proxy),
            ]);
            let found: Vec<usize> =
                (0..HOSTS.len()).filter(|at| via(&proxies, HOSTS[*at]).is_none()).collect();
            assert_eq!(found, past, "{no_proxy}");
        }
    }

    #[test]
    fn which_variable_names_the_proxy() {
        let of = |variable: &'static str, address: &str| Some((variable, address.to_owned()));
        let (http, https) = ("http://r.example", "https://r.example");
        for (variables, http_via, https_via) in [
            (&[][..], None, None),
            (&[("HTTP_PROXY", "p.test:1")], of("HTTP_PROXY", "p.test:1"), None),
            (&[("http_proxy", "p.test:1")], of("HTTP_PROXY", "p.test:1"), None),
            (&[("HTTPS_PROXY", "http://p.test:1/")], None, of("HTTPS_PROXY", "p.test:1")),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "p.test")], None, of("HTTPS_PROXY", "p.test")),
            (
                &[("all_proxy", "http://u:p@p.test:1")],
                of("ALL_PROXY", "p.test:1"),
                of("ALL_PROXY", "p.test:1"),
            ),
            (
                &[("ALL_PROXY", "https://p.test"), ("HTTPS_PROXY", " [::1]:3128 ")],
                of("ALL_PROXY", "p.test"),
                of("HTTPS_PROXY", "[::1]:3128"),
            ),
            (&[("HTTPS_PROXY", "p.test"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("HTTPS_PROXY", "p.test"), ("no_proxy", "r.example")], None, None),
            // Nobody may think that a proxy is used which is not.
            (&[("HTTPS_PROXY", "socks5://p.test:1080")], None, of("HTTPS_PROXY", "")),
            (&[("HTTPS_PROXY", "http://")], None, of("HTTPS_PROXY", "")),
        ] {
            let proxies = proxies(variables);
            assert_eq!(via(&proxies, http), http_via, "{variables:?}");
            assert_eq!(via(&proxies, https), https_via, "{variables:?}");
            for home in ["http://127.0.0.1:5000", "https://localhost", "http://[::1]:5000"] {
                assert_eq!(via(&proxies, home), None, "{variables:?}");
            }
        }
    }

    #[test]
    fn no_list_panics() {
        const PIECES: [&str; 16] =
            ["[", "]", ":", "/", ".", "*", ",", " ", "a", "é", "::", "10", "8", "fd", "%", "-"];
        let mut random = fastrand::Rng::with_seed(1);
        let url: Url = "https://a.example".parse().unwrap();
        for _ in 0..20_000 {
            let list: String =
                (0..random.usize(0..10)).map(|_| PIECES[random.usize(0..16)]).collect();
            proxies(&[("HTTPS_PROXY", &list), ("NO_PROXY", &list)]).via(&url);
        }
    }
}
