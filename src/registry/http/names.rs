//! Host names to addresses, without the C library, so that a static binary resolves as well as a
//! dynamic one.

use super::address;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Resolver {
    guarded: bool,
    /// Names that no server gave us, though others are guarded: those of proxies.
    trusted: Arc<HashSet<String>>,
    /// The system's when `None`; tests have their own.
    servers: Option<ResolverConfig>,
    // Built at the first look-up: most runs in tests and on loopback need none.
    resolver: Arc<OnceLock<TokioResolver>>,
}

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("no such host")]
    Unknown,
    /// The name leads where a server may not send us; one such address is enough, so that rebinding
    /// cannot slip past.
    #[error("forbidden address {0}")]
    Forbidden(IpAddr),
    #[error("{0}")]
    Failed(String),
}

impl Resolver {
    /// Allows any address: the user named the host.
    pub(super) fn any() -> Self {
        Self { guarded: false, trusted: Arc::default(), servers: None, resolver: Arc::default() }
    }

    /// Holds addresses against the address rule: a server named the host, unless it is one of these.
    pub(super) fn guarded(trusted: impl Iterator<Item = String>) -> Self {
        Self { guarded: true, trusted: Arc::new(trusted.collect()), ..Self::any() }
    }

    async fn look_up(self, name: String) -> Result<Vec<IpAddr>, NameError> {
        // RFC 6761 section 6.3: never ask a name server for it.
        let addresses = if address::is_localhost(&name) {
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        } else {
            let lookup = self.resolver()?.lookup_ip(name.as_str()).await;
            lookup
                .map_err(|error| {
                    if error.is_no_records_found() || error.is_nx_domain() {
                        NameError::Unknown
                    } else {
                        NameError::Failed(error.to_string())
                    }
                })?
                .iter()
                .collect()
        };
        let guarded = self.guarded && !self.trusted.contains(&name);
        match addresses.iter().find(|address| guarded && address::is_forbidden(**address)) {
            Some(forbidden) => Err(NameError::Forbidden(*forbidden)),
            None => Ok(addresses),
        }
    }

    fn resolver(&self) -> Result<&TokioResolver, NameError> {
        if self.resolver.get().is_none() {
            let failed = |error: &dyn std::fmt::Display| NameError::Failed(error.to_string());
            let mut builder = match &self.servers {
                None => TokioResolver::builder_tokio().map_err(|error| failed(&error))?,
                Some(servers) => TokioResolver::builder_with_config(
                    servers.clone(),
                    TokioRuntimeProvider::default(),
                ),
            };
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            // Asking again is what a retry is for: a service that comes up late gets its name late.
            builder.options_mut().negative_max_ttl = Some(Duration::ZERO);
            let built = builder.build().map_err(|error| failed(&error))?;
            // Two tasks may build it at once; either one serves.
            let _ = self.resolver.set(built);
        }
        self.resolver.get().ok_or_else(|| NameError::Failed("no resolver".to_owned()))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.look_up(name.as_str().to_owned()).await?;
            let addresses: Addrs =
                Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What a name server says (RFC 1035 section 4.1.1: RCODE), and after how long.
    #[derive(Clone, Copy)]
    struct Says {
        code: u8,
        address: Option<[u8; 4]>,
        after: Duration,
    }

    const AT_ONCE: Says = Says { code: 0, address: None, after: Duration::ZERO };

    /// A resolver whose only name server says this to every question about IPv4, and that there is
    /// nothing for IPv6.
    fn asking(says: Says, guarded: bool) -> Resolver {
        asking_and_counting(says, guarded).0
    }

    fn asking_and_counting(says: Says, guarded: bool) -> (Resolver, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        // Ends with the test's process.
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let end = 12 + question[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
                let is_v4 = question[end - 3] == 1;
                let found = says.address.filter(|_| is_v4);
                let mut answer = question[..end].to_vec();
                // A response, recursion available; the question again, and no other record than
                // that below.
                answer[2..4].copy_from_slice(&[0x81, 0x80 | says.code]);
                answer[6..12].copy_from_slice(&[
                    0,
                    u8::from(found.is_some()),
                    0,
                    u8::from(found.is_none()),
                    0,
                    0,
                ]);
                if let Some(found) = found {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    answer.extend(found);
                } else {
                    // The zone's SOA, which says that this may be remembered for a minute (RFC 2308
                    // section 5).
                    answer.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22, 0, 0]);
                    answer.extend([0, 0, 0, 60].repeat(5));
                }
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(says.after);
                let _ = socket.send_to(&answer, from);
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let servers = NameServerConfig::new(address.ip(), true, vec![connection]);
        let servers = ResolverConfig::from_parts(None, Vec::new(), vec![servers]);
        (Resolver { guarded, servers: Some(servers), ..Resolver::any() }, asked)
    }

    async fn look_up(says: Says, guarded: bool) -> Result<Vec<IpAddr>, NameError> {
        asking(says, guarded).look_up("registry.test".to_owned()).await
    }

    #[tokio::test]
    async fn what_a_name_server_says_is_told_apart() {
        const NXDOMAIN: u8 = 3;
        let no_name = look_up(Says { code: NXDOMAIN, ..AT_ONCE }, false).await;
        assert!(matches!(no_name, Err(NameError::Unknown)), "{no_name:?}");
        let no_address = look_up(AT_ONCE, false).await;
        assert!(matches!(no_address, Err(NameError::Unknown)), "{no_address:?}");
        // The name may well be right: trying again may help, and "no such host" would be wrong.
        for code in [2, 5] {
            let failed = look_up(Says { code, ..AT_ONCE }, false).await;
            assert!(matches!(failed, Err(NameError::Failed(_))), "{code}: {failed:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_name_server_is_waited_for() {
        let slow =
            Says { address: Some([192, 0, 2, 7]), after: Duration::from_millis(300), ..AT_ONCE };
        assert_eq!(look_up(slow, false).await.unwrap(), [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))]);
    }

    #[tokio::test]
    async fn a_name_that_a_server_gave_us_must_not_lead_home() {
        let home = Says { address: Some([127, 0, 0, 1]), ..AT_ONCE };
        assert!(matches!(look_up(home, true).await, Err(NameError::Forbidden(_))));
        assert!(look_up(home, false).await.is_ok());
        let trusted = Arc::new(HashSet::from(["registry.test".to_owned()]));
        let resolver = Resolver { trusted, ..asking(home, true) };
        assert!(resolver.look_up("registry.test".to_owned()).await.is_ok(), "a proxy of ours");
    }

    #[tokio::test]
    async fn a_name_that_was_unknown_is_asked_for_again() {
        const NXDOMAIN: u8 = 3;
        let (names, asked) = asking_and_counting(Says { code: NXDOMAIN, ..AT_ONCE }, false);
        let mut before = 0;
        for _ in 0..3 {
            assert!(matches!(
                names.clone().look_up("registry.test".to_owned()).await,
                Err(NameError::Unknown)
            ));
            let now = asked.load(Ordering::Relaxed);
            assert!(now > before, "not from memory");
            before = now;
        }
    }
}
