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
        IpAddr::V6(v6) => is_forbidden_v6(v6) || carried(v6).any(is_forbidden_v4),
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    // Services of a cloud that only its machines can reach, outside of link-local addresses.
    const METADATA: [Ipv4Addr; 2] = [
        Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud
        Ipv4Addr::new(168, 63, 129, 16),   // Azure's WireServer
    ];
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || a == 0
        || address.is_link_local()
        // IETF protocol assignments (RFC 6890 section 2.1); Oracle Cloud's metadata is at .192.
        || [a, b, c] == [192, 0, 0]
        || address.is_multicast()
        // Reserved, broadcast among them (RFC 1112 section 4).
        || a >= 240
        || METADATA.contains(&address)
}

fn is_forbidden_v6(address: Ipv6Addr) -> bool {
    // Amazon keeps this network for services of the machine itself: metadata, names, time.
    const AWS_SERVICES: [u16; 4] = [0xfd00, 0x0ec2, 0, 0];
    const GOOGLE_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd20, 0x0ce, 0, 0, 0, 0, 0, 0x254);
    let segments = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        // Site-local, which is gone since RFC 3879.
        || segments[0] & 0xffc0 == 0xfec0
        || segments.starts_with(&AWS_SERVICES)
        || address == GOOGLE_METADATA
}

/// The IPv4 addresses that an IPv6 address stands for: a gateway on the way would go there.
fn carried(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = v4(segments[6], segments[7]);
    let found = match segments {
        // IPv4-compatible and IPv4-mapped (RFC 4291 section 2.5.5), IPv4-translated (RFC 2765
        // section 2.1).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(last), None],
        // NAT64: the well-known prefix, and the local-use one, of which the last four bytes are
        // usual and those after the prefix of 48 bits are not (RFC 6052 section 2.2, RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(last), None],
        [0x64, 0xff9b, 1, high, low, ..] => {
            let after_48 = v4(high, (low & 0x00ff) << 8 | segments[5] >> 8);
            [Some(last), Some(after_48)]
        }
        // 6to4 (RFC 3056 section 2).
        [0x2002, high, low, ..] => [Some(v4(high, low)), None],
        // Teredo: its server, and its client with all bits turned (RFC 4380 section 4).
        [0x2001, 0, high, low, ..] => [Some(v4(high, low)), Some(v4(!segments[6], !segments[7]))],
        // ISATAP under any prefix (RFC 5214 section 6.1).
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => [Some(last), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

/// A URL fit to be shown: without query, where signatures and tokens are, and without a login.
pub(crate) fn safe(url: &Url) -> String {
    if url.cannot_be_a_base() {
        return format!("{}:…", url.scheme());
    }
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}

/// The host of a URL, with its port if that is not the scheme's own.
pub(crate) fn authority(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

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
    fn addresses_that_a_server_must_not_name() {
        for (text, forbidden) in [
            // Public and private ones stay: self-hosted registries live there.
            ("8.8.8.8", false),
            ("10.0.0.5", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("192.0.1.1", false),
            ("192.1.0.1", false),
            ("100.64.0.1", false),
            ("168.63.129.17", false),
            ("2001:db8::1", false),
            ("2606:4700::1111", false),
            ("fd12:3456::1", false),
            ("fd00:ec3::254", false),
            ("fd20:ce::1", false),
            // This machine and its link.
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("169.254.169.254", true),
            ("169.254.170.2", true),
            ("224.0.0.1", true),
            ("240.0.0.1", true),
            ("255.255.255.255", true),
            ("::", true),
            ("::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", true),
            ("feff::1", true),
            ("ff02::1", true),
            // What clouds offer to their own machines only.
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("192.0.0.192", true),
            ("192.0.0.8", true),
            ("fd00:ec2::254", true),
            ("fd00:ec2::253", true),
            ("fd00:ec2::23", true),
            ("fd20:ce::254", true),
            // The same in the clothes of the sixth version.
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("::ffff:8.8.8.8", false),
            ("::127.0.0.1", true),
            ("::169.254.169.254", true),
            ("::8.8.8.8", false),
            ("::ffff:0:127.0.0.1", true),
            ("64:ff9b::127.0.0.1", true),
            ("64:ff9b::169.254.169.254", true),
            ("64:ff9b::168.63.129.16", true),
            ("64:ff9b::8.8.8.8", false),
            ("64:ff9b:1::169.254.169.254", true),
            ("64:ff9b:1:1234:56:7800:a9fe:a9fe", true),
            ("64:ff9b:1:a9fe:a9:fe00:808:808", true),
            ("64:ff9b:1:808:8:800:808:808", false),
            ("2002:7f00:1::1", true),
            ("2002:a9fe:a9fe::", true),
            ("2002:c000:c0::", true),
            ("2002:808:808::1", false),
            ("2001:0:7f00:1::1", true),
            ("2001:0:808:808::5601:5601", true),
            ("2001:0:808:808::f7f7:f7f7", false),
            ("2001:db8::5efe:127.0.0.1", true),
            ("2001:db8::200:5efe:169.254.169.254", true),
            ("2001:db8::5efe:8.8.8.8", false),
        ] {
            assert_eq!(is_forbidden(text.parse().unwrap()), forbidden, "{text}");
        }
    }

    #[test]
    fn shows_no_query() {
        for (url, shown) in [
            ("https://u:p@s3.example:444/x?X-Amz-Signature=abc#d", "https://s3.example:444/x"),
            // A login without a scheme in front of it.
            ("user:canary@s3.example/x", "user:…"),
        ] {
            assert_eq!(safe(&url.parse().unwrap()), shown);
        }
    }

    /// Wherever a server sends us: what is allowed is no address that only we can reach, and has no
    /// login.
    #[test]
    fn survives_any_location() {
        let pieces = [
            "https://",
            "http://",
            "//",
            "ftp://",
            "data:",
            "r.example",
            "localhost",
            ".",
            "127.0.0.1",
            "[::1]",
            "[::ffff:169.254.169.254]",
            "169.254.169.254",
            "0x7f.1",
            "2130706433",
            "u:canary",
            "@",
            ":",
            "443",
            "/",
            "\\",
            "?a",
            "#",
            "%2e",
            "é",
            "。",
            "\t",
            " ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut allowed = 0;
        for registry in ["https://r.example/v2/", "http://r.example:5000/"] {
            let registry: Url = registry.parse().unwrap();
            for _ in 0..8_000 {
                let text = mixed(&mut random, &pieces, 6);
                let Ok(url) = registry.join(&text) else { continue };
                safe(&url);
                is_loopback_host(&text);
                match check(&registry, &url) {
                    Ok(()) => {
                        allowed += 1;
                        assert!(!is_loopback(&url) && url.username().is_empty(), "{text}");
                        assert!(registry.scheme() == "http" || url.scheme() == "https", "{text}");
                        let address = url.host_str().unwrap().trim_matches(['[', ']']);
                        let address = address.parse::<IpAddr>();
                        assert!(
                            address.is_err() || address.is_ok_and(|address| !is_forbidden(address)),
                            "{text}"
                        );
                    }
                    Err(why) => assert!(!why.contains("canary@"), "{why}"),
                }
            }
        }
        assert!(allowed > 500, "{allowed}");
    }
}
