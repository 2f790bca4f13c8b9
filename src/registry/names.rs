//! Host names to addresses, without the C library, so that a static binary resolves as well as a dynamic one.

use super::address;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

/// A resolver for one of the transport's clients.
#[derive(Debug, Clone)]
pub(super) struct Names {
    guarded: bool,
    // Built at the first look-up: most runs in tests and on loopback need none.
    resolver: Arc<OnceLock<TokioResolver>>,
}

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    /// No such name.
    #[error("no such host")]
    Unknown,
    /// It leads where a server may not send us; one such address is enough, so that rebinding cannot slip past.
    #[error("forbidden address {0}")]
    Forbidden(IpAddr),
    /// The look-up itself failed.
    #[error("{0}")]
    Failed(String),
}

impl Names {
    /// Any address will do: the user named the host.
    pub(super) fn any() -> Self {
        Self { guarded: false, resolver: Arc::default() }
    }

    /// Addresses obey the address rule: a server named the host.
    pub(super) fn guarded() -> Self {
        Self { guarded: true, resolver: Arc::default() }
    }

    async fn look_up(self, name: String) -> Result<Vec<IpAddr>, NameError> {
        let bare = name.trim_end_matches('.');
        // RFC 6761 section 6.3: never ask a name server for it.
        let addresses = if bare == "localhost" || bare.ends_with(".localhost") {
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
        match addresses.iter().find(|address| self.guarded && address::is_forbidden(**address)) {
            Some(forbidden) => Err(NameError::Forbidden(*forbidden)),
            None => Ok(addresses),
        }
    }

    fn resolver(&self) -> Result<&TokioResolver, NameError> {
        if self.resolver.get().is_none() {
            let failed = |error: &dyn std::fmt::Display| NameError::Failed(error.to_string());
            let mut builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            let built = builder.build().map_err(|error| failed(&error))?;
            // Two tasks may build it at once; either one serves.
            let _ = self.resolver.set(built);
        }
        self.resolver.get().ok_or_else(|| NameError::Failed("no resolver".to_owned()))
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.look_up(name.as_str().to_owned()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
