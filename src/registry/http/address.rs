//! The address rule: where a server may send us, by token realm, redirect or upload location.
//!
//! Private networks are allowed: self-hosted registries live there. Loopback, link-local and
//! metadata addresses are not, because a server that names one wants us to talk to something that
//! only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Whether `url`, named by the registry at `registry`, may be gone to. The error says why not.
/// Names are checked again when they are resolved.
pub(crate) fn check(registry: &Url, url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is not an http or https address", safe(url)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{} contains a login", safe(url)));
    }
    if is_loopback(registry) && is_loopback(url) {
        return Ok(());
    }
    if registry.scheme() == "https" && url.scheme() != "https" {
        return Err(format!(
            "{} is not encrypted, but the registry is; behind a proxy, check its X-Forwarded-Proto",
            safe(url)
        ));
    }
    if url.origin() == registry.origin() {
        return Ok(());
    }
    let forbidden = match url.host() {
        Some(Host::Ipv4(address)) => is_forbidden(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_forbidden(IpAddr::V6(address)),
        Some(Host::Domain(_)) => is_loopback(url),
        None => true,
    };
    if forbidden {
        Err(format!("{} is a loopback, link-local or reserved address", safe(url)))
    } else {
        Ok(())
    }
}

/// Whether a URL names this machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => is_localhost(name),
        None => false,
    }
}

/// Whether a registry host, as people write it, is this machine itself.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    format!("http://{host}/").parse().is_ok_and(|url: Url| is_loopback(&url))
}

/// Whether a name is `localhost` or below it (RFC 6761 section 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let bare = name.trim_end_matches('.');
    bare == "localhost" || bare.ends_with(".localhost")
}

/// Whether an address is never gone to on a server's word.
pub(crate) fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_forbidden_v4(v4),
        IpAddr::V6(v6) => {
            const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254);
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == AWS_METADATA
                || v6.to_ipv4().is_some_and(is_forbidden_v4)
        }
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    address.is_loopback()
        || address.octets()[0] == 0
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address == ALIBABA_METADATA
}

/// A URL fit to be shown: without query, where signatures and tokens are, and without a login.
pub(crate) fn safe(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

/// The host of a URL, with its port if that is not the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(registry: &str, url: &str) -> bool {
        check(&registry.parse().unwrap(), &url.parse().unwrap()).is_ok()
    }

    #[test]
    fn the_address_rule_by_table() {
        let registry = "https://r.example";
        for (url, allowed) in [
            ("https://r.example/token", true),
            ("https://auth.example/token", true),
            ("https://10.0.0.5/token", true),
            ("https://192.168.1.1:5000/token", true),
            ("http://r.example/token", false),
            ("http://auth.example/token", false),
            ("ftp://auth.example/token", false),
            ("file:///etc/passwd", false),
            ("https://user@auth.example/token", false),
            ("https://169.254.169.254/latest", false),
            ("https://[::ffff:127.0.0.1]/token", false),
            ("https://[::1]/token", false),
            ("https://[fd00:ec2::254]/token", false),
            ("https://0.0.0.0/token", false),
            ("https://2130706433/token", false),
            ("https://0177.0.0.1/token", false),
            ("https://127。0。0。1/token", false),
            ("https://localhost/token", false),
            ("https://localhost./token", false),
            ("https://x.localhost/token", false),
            ("https://100.100.100.200/token", false),
            ("https://127.0.0.1:1/token", false),
        ] {
            assert_eq!(verdict(registry, url), allowed, "{url}");
        }
        assert!(verdict("http://r.example:5000", "http://auth.example/token"));
        assert!(!verdict("http://r.example:5000", "http://127.0.0.1/token"));
        assert!(verdict("http://127.0.0.1:5000", "http://127.0.0.1:6000/token"));
        assert!(verdict("http://localhost:5000", "http://[::1]:6000/token"));
        assert!(verdict("https://127.0.0.1:5000", "http://127.0.0.1:6000/token"));
        assert!(!verdict("http://127.0.0.1:5000", "http://169.254.169.254/token"));
        assert!(!verdict("https://127.0.0.1:5000", "http://auth.example/token"));
        assert!(verdict("https://10.0.0.1", "https://10.0.0.1/token"));
    }

    #[test]
    fn shows_no_query() {
        assert_eq!(
            safe(&"https://u:p@s3.example:444/x?X-Amz-Signature=abc#d".parse().unwrap()),
            "https://s3.example:444/x"
        );
    }
}
