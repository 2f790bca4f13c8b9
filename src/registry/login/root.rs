//! Registries that send their challenge at the root of their API alone, and elsewhere a bare 401.

use super::auth::Auth;
use super::lock;
use super::token::Wire;
use crate::registry::asked::Asked;
use crate::registry::attempts::Terms;
use crate::registry::http::{Answer, Exchange};
use reqwest::Method;
use reqwest::header::WWW_AUTHENTICATE;
use std::sync::Arc;
use url::Url;

/// Bytes. Nothing of the answer is read but its head.
const LARGEST_ANSWER: usize = 64 << 10;

impl Auth {
    /// A 401 of this host with a challenge: that of its root where it has none of its own, which is
    /// asked for once in a run.
    pub(crate) async fn with_challenge(
        &self,
        wire: Wire<'_>,
        host: &str,
        root: &Url,
        mut answer: Answer,
    ) -> Answer {
        let is_bare = answer.challenges(root).is_ok_and(|challenges| challenges.is_empty());
        let Some(url) = root.join("v2/").ok().filter(|_| is_bare) else { return answer };
        let cell = Arc::clone(lock(&self.at_roots).entry(host.to_owned()).or_default());
        let ask = async || {
            let exchange = Exchange::new(Method::GET, url, LARGEST_ANSWER);
            let asked = Asked { method: Method::GET, path: "/v2/".to_owned() };
            let mut request = wire.attempts.request(host, asked, None);
            let terms = Terms { deadline: wire.deadline, has_permit: true, ..Terms::default() };
            let send = async || Ok(wire.transport.send(host, exchange.clone()).await?);
            let found = wire.attempts.until_settled(&mut request, terms, send).await?;
            // What another host asks for is not the registry's.
            let found = found.filter(|found| found.status == 401 && found.challenges(root).is_ok());
            let headers = found.map(|found| found.headers).unwrap_or_default();
            Ok::<_, crate::registry::Error>(
                headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect(),
            )
        };
        if let Ok(challenges) = cell.get_or_try_init(ask).await {
            for challenge in challenges {
                answer.headers.append(WWW_AUTHENTICATE, challenge.clone());
            }
        }
        answer
    }
}
