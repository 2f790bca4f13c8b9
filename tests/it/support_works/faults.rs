//! Every fault once, the rules' counting, and the gates.

use crate::support::client::{Client, sha256};
use crate::support::gate::Gate;
use crate::support::http1::{Request, Response, Wire};
use crate::support::images::Image;
use crate::support::proxy::FaultProxy;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::tcp_server::DeadPort;
use std::io;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const TAG: &str = "/v2/acme/app/manifests/1";

struct Setting {
    registry: Registry,
    proxy: FaultProxy,
    image: Image,
}

/// A registry with one image at [`TAG`], and a proxy before it.
async fn setting() -> Setting {
    let registry = Registry::start().await;
    let image = Image::oci("linux/amd64");
    image.push(&Client::new(&registry.host()), "acme/app", "1").await;
    let proxy = FaultProxy::before(&registry).await;
    Setting { registry, proxy, image }
}

impl Setting {
    fn client(&self) -> Client {
        Client::new(&self.proxy.host())
    }

    /// One GET on a fresh connection, with every error as it comes.
    async fn look(&self, target: &str) -> io::Result<Option<Response>> {
        let mut wire = Wire::new(TcpStream::connect(self.proxy.host()).await?);
        let headers = vec![
            ("Host".to_owned(), self.proxy.host()),
            ("Accept".to_owned(), self.image.media_type().to_owned()),
        ];
        let request = Request {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
        };
        wire.send(&request.encode()).await?;
        wire.response("GET").await
    }

    /// Looks at [`TAG`], and goes away a moment after the request is at this gate; whether no
    /// answer came until then.
    async fn leaves_without_an_answer(&self, gate: &Gate) -> bool {
        let nth = gate.hits() + 1;
        let leaving = async {
            gate.wait_for_hits(nth).await;
            // An answer that is not to come has the time to.
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            biased;
            _ = self.look(TAG) => false,
            () = leaving => true,
        }
    }

    async fn answer(&self) -> Response {
        self.look(TAG).await.expect("a whole answer").expect("an answer")
    }
}

#[tokio::test]
async fn statuses_come_with_headers_and_bodies_on_the_hits_that_were_named() {
    let s = setting().await;
    s.proxy.rule(
        Rule::on("GET", TAG)
            .nth(2)
            .then(Fault::Status(503).header("Retry-After", "2").body("busy")),
    );
    s.proxy.rule(
        Rule::on("GET", "/v2/*/manifests/1")
            .from(4)
            .then(Fault::Status(429).error("TOOMANYREQUESTS", "slow down")),
    );
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(s.answer().await);
    }
    assert_eq!(seen.iter().map(|a| a.status).collect::<Vec<_>>(), [200, 503, 200, 429, 429]);
    assert_eq!((seen[1].header("retry-after"), seen[1].text().as_str()), (Some("2"), "busy"));
    assert!(seen[4].text().contains("TOOMANYREQUESTS"));
    assert_eq!(
        s.registry.log().matches("GET /v2/acme/app/manifests/1").count(),
        2,
        "faults keep requests from the registry"
    );
    assert_eq!(s.proxy.entries("GET", TAG)[1].faults, ["Status(503)"]);
    s.proxy.finish();
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let s = setting().await;
    s.proxy.rule(Rule::on("HEAD", TAG).nth(1).then(Fault::Status(500).body("never sent")));
    let mut wire = Wire::new(TcpStream::connect(s.proxy.host()).await.unwrap());
    for status in [500, 200] {
        let headers = vec![
            ("Host".to_owned(), s.proxy.host()),
            ("Accept".to_owned(), s.image.media_type().to_owned()),
        ];
        let request = Request {
            method: "HEAD".to_owned(),
            target: TAG.to_owned(),
            headers,
            body: Vec::new(),
        };
        wire.send(&request.encode()).await.unwrap();
        assert_eq!(wire.response("HEAD").await.unwrap().unwrap().status, status);
    }
}

#[tokio::test]
async fn connections_are_reset_before_and_after_the_registry() {
    let s = setting().await;
    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::Reset));
    assert_eq!(s.look(TAG).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(!s.registry.log().contains("GET /v2/acme/app/manifests/1"));

    s.proxy.rule(Rule::on("PUT", "/v2/acme/app/manifests/2").then(Fault::ResetAfterForward));
    let mut wire = Wire::new(TcpStream::connect(s.proxy.host()).await.unwrap());
    let headers = [
        ("Host", s.proxy.host()),
        ("Content-Type", s.image.media_type().to_owned()),
        ("Content-Length", s.image.manifest().len().to_string()),
    ];
    let headers = headers.map(|(n, v)| (n.to_owned(), v)).to_vec();
    let request = Request {
        method: "PUT".to_owned(),
        target: "/v2/acme/app/manifests/2".to_owned(),
        headers,
        body: s.image.manifest(),
    };
    wire.send(&request.encode()).await.unwrap();
    assert_eq!(wire.response("PUT").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(s.client().tags("acme/app").await, ["1", "2"], "the work was done");
    assert_eq!(s.proxy.log().iter().map(|e| e.status).collect::<Vec<_>>(), [0, 0, 200]);
    s.proxy.finish();
}

#[tokio::test]
async fn bodies_are_cut_altered_and_stalled() {
    let s = setting().await;
    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::Truncate(10)));
    assert_eq!(s.look(TAG).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(s.proxy.log()[0].response_bytes, 10);

    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::AlterBody(|mut body| {
        body[5] ^= 1;
        body
    })));
    let altered = s.answer().await;
    assert_eq!(altered.body.len(), s.image.manifest().len());
    assert_ne!(sha256(&altered.body), s.image.digest());
    let longer = vec![b' '; 9];
    s.proxy.rule(
        Rule::on("GET", TAG).nth(1).then(Fault::alter(move |body| [longer.clone(), body].concat())),
    );
    assert_eq!(s.answer().await.body.len(), s.image.manifest().len() + 9);

    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::Stall(10)));
    let gate = s.proxy.gate("GET", TAG);
    assert!(s.leaves_without_an_answer(&gate).await, "a stalled answer never ends");
    s.proxy.finish();
}

#[tokio::test]
async fn headers_are_dropped_and_set() {
    let s = setting().await;
    assert!(s.answer().await.header("docker-content-digest").is_some());
    s.proxy.rule(
        Rule::on("GET", TAG)
            .then(Fault::DropHeader("Docker-Content-Digest"))
            .then(Fault::SetHeader("content-type", "text/html".to_owned())),
    );
    let answer = s.answer().await;
    assert_eq!(
        (answer.header("docker-content-digest"), answer.header("Content-Type")),
        (None, Some("text/html"))
    );
    assert_eq!(answer.body, s.image.manifest());
}

#[tokio::test]
async fn answers_are_late_or_never_come() {
    let s = setting().await;
    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::Delay(Duration::from_millis(80))));
    let start = Instant::now();
    assert_eq!(s.answer().await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(80));

    s.proxy.rule(Rule::on("GET", TAG).nth(1).then(Fault::Hang));
    let gate = s.proxy.gate("GET", TAG);
    assert!(s.leaves_without_an_answer(&gate).await);
    // The proxy sees that the client is gone.
    gate.wait_for_answers(1).await;
    assert_eq!(s.answer().await.status, 200);
    s.proxy.finish();
}

#[tokio::test]
async fn redirects_and_the_past() {
    let s = setting().await;
    s.proxy.rule(
        Rule::on("GET", "/v2/acme/app/blobs/*")
            .then(Fault::Redirect("http://127.0.0.1:1/x".to_owned())),
    );
    let redirect = s.look("/v2/acme/app/blobs/sha256:0").await.unwrap().unwrap();
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("http://127.0.0.1:1/x")));

    s.proxy.rule(Rule::on("GET", "/v2/acme/app/manifests/*").first(2).then(Fault::Stale));
    let newer = Image::oci("linux/amd64").seed(2);
    newer.push(&s.client(), "acme/app", "1").await;
    newer.push(&s.client(), "acme/app", "new").await;
    assert_eq!(s.answer().await.body, s.image.manifest(), "what the tag held before");
    assert_eq!(
        s.look("/v2/acme/app/manifests/new").await.unwrap().unwrap().status,
        404,
        "it held nothing before"
    );
    assert_eq!(s.answer().await.body, newer.manifest());
    s.proxy.finish();
}

#[tokio::test]
async fn a_registry_that_is_down_resets() {
    let mut s = setting().await;
    assert_eq!(s.answer().await.status, 200);
    s.registry.stop().await;
    assert!(s.look(TAG).await.is_err());
    s.registry.restart().await;
    assert_eq!(s.answer().await.status, 200);
    let dead = DeadPort::any();
    let nowhere = FaultProxy::before_addr(&dead.host()).await;
    assert!(TcpStream::connect(nowhere.host()).await.is_ok(), "the proxy itself is there");
}

#[tokio::test]
async fn gates_tell_and_hold() {
    let s = setting().await;
    let gate = s.proxy.gate("GET", "/v2/acme/app/manifests/*");
    gate.hold_from(2);
    assert_eq!(s.answer().await.status, 200);
    gate.wait_for_answers(1).await;
    let (held, ()) = tokio::join!(s.look(TAG), async {
        gate.wait_for_hits(2).await;
        assert_eq!((gate.hits(), gate.answers()), (2, 1));
        Image::oci("linux/amd64")
            .seed(9)
            .push(&Client::new(&s.registry.host()), "acme/app", "1")
            .await;
        gate.release();
    });
    assert_eq!(
        held.unwrap().unwrap().body,
        Image::oci("linux/amd64").seed(9).manifest(),
        "held before the registry was asked"
    );
    gate.hold();
    assert!(s.leaves_without_an_answer(&gate).await);
    gate.wait_for_answers(3).await;
}

fn panics(what: impl FnOnce()) -> Option<String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what)).err()?;
    Some(caught.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[tokio::test]
async fn a_rule_that_is_never_hit_fails_the_test() {
    let s = setting().await;
    s.proxy.rule(Rule::on("GET", "/v2/never").optional().then(Fault::Reset));
    s.proxy.rule(Rule::on("GET", TAG).nth(2).then(Fault::Reset));
    s.answer().await;
    let message = panics(|| s.proxy.finish()).expect("finish fails");
    assert!(
        message.contains("GET /v2/acme/app/manifests/1 Only(2)") && !message.contains("/v2/never"),
        "{message}"
    );

    let s = setting().await;
    s.proxy.rule(Rule::on("PUT", "*").then(Fault::Reset));
    assert!(panics(|| drop(s.proxy)).is_some(), "dropping fails as well");

    let s = setting().await;
    s.proxy.rule(Rule::on("GET", TAG).always().then(Fault::Status(500)));
    s.answer().await;
    assert!(panics(|| drop(s.proxy)).is_none());
}
