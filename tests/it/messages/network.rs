//! Registries that do not answer, answer with trouble, or are none.

use super::page::Section;
use crate::support::certs::Authority;
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{Scene, manifest, reference_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::tcp_server::{DeadPort, TcpServer};
use crate::support::token::TokenServer;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The registries here are on this machine, which some advice is about.
const NAME: &str = "localhost:5000";
const TITLE: &str = "The network, and registries in trouble";

pub async fn section() -> Section {
    let mut section = Section::new(TITLE);
    let parts = tokio::join!(unreachable(), tls(), answers(), elsewhere());
    for part in <[Section; 4]>::from(parts) {
        section.append(part);
    }
    section
}

/// A run of one request, whose error is always about it.
fn inspecting(host: &str) -> Step {
    Step::new().args(["inspect", &reference_at(host, "1")])
}

async fn unreachable() -> Section {
    let mut section = Section::new(TITLE);
    let dead = DeadPort::any();
    let closed = dead.host();
    let ran = inspecting(&closed).run().await;
    section.add("nothing listens at the registry's address", &[(&closed, NAME)], &ran);

    let ran = inspecting("r.invalid").run().await;
    section.add("the registry's name does not exist", &[], &ran);

    let proxy = dead.host();
    let step = inspecting("r.invalid").env("HTTPS_PROXY", format!("http://{proxy}"));
    section.add("the proxy is down", &[(&proxy, "proxy.example:3128")], &step.run().await);

    let step = inspecting("r.invalid").env("HTTPS_PROXY", "socks5://proxy.example:1080");
    section.add("a variable names a proxy that is not HTTP's", &[], &step.run().await);
    section
}

async fn tls() -> Section {
    let mut section = Section::new(TITLE);
    let plain = Registry::start().await;
    // Loopback alone is asked in plain HTTP unasked: this address is none.
    let host = plain.host().replace("127.0.0.1", "0.0.0.0");
    let ran = inspecting(&host).run().await;
    section.add("plain HTTP where HTTPS is expected", &[(&host, NAME)], &ran);

    let registry = Registry::tls().await;
    let host = registry.host();
    let ran = inspecting(&host).run().await;
    section.add("a certificate of a private authority", &[(&host, NAME)], &ran);

    let step = inspecting(&host).args(["--insecure", &host]);
    section.add("HTTPS where plain HTTP is expected", &[(&host, NAME)], &step.run().await);

    let authority = Authority::new("an authority");
    for (what, identity) in [
        ("a certificate for another name", authority.server(&["elsewhere.test"])),
        ("a certificate that is too old", authority.expired(&["127.0.0.1"])),
    ] {
        let acceptor = TlsAcceptor::from(Arc::new(identity.tls()));
        let server = TcpServer::serve(move |stream, _| {
            let acceptor = acceptor.clone();
            async move { drop(acceptor.accept(stream).await) }
        });
        let host = server.host();
        let step = inspecting(&host).file("ca.pem", authority.pem());
        let ran = step.args(["--ca-file", "ca.pem"]).run().await;
        let address = host.split(':').next().unwrap_or_default();
        section.add(what, &[(&host, NAME), (address, NAME)], &ran);
    }
    section
}

async fn answers() -> Section {
    let mut section = Section::new(TITLE);
    let page = [("Content-Type", "text/html")];
    let failing = Fault::Status(503).header("Retry-After", "0");
    for (what, fault) in [
        ("the registry fails", failing.error("UNAVAILABLE", "closed for stocktaking")),
        ("the registry allows no more requests", Fault::Status(429).header("Retry-After", "9999")),
        ("a sign-in page answers", Fault::Status(200).header(page[0].0, page[0].1).body("<html>")),
        ("the bytes are not those of the digest", Fault::AlterBody(|_| b"{}".to_vec())),
        ("the connection breaks each time", Fault::Reset),
    ] {
        let scene = Scene::with_both().await;
        let digest = scene.digest("arm64").await.expect("an image");
        scene.proxy.rule(Rule::on("GET", &manifest(&digest)).then(fault));
        let host = scene.proxy.host();
        section.add(what, &[(&host, NAME)], &scene.step_of(&["amd64", &digest]).run().await);
    }
    let scene = Scene::with_amd64().await;
    for method in ["GET", "HEAD"] {
        let busy = Fault::Status(503).error("UNAVAILABLE", "closed for stocktaking");
        scene.proxy.rule(Rule::on(method, &manifest("arm64")).then(busy).optional());
    }
    let step = scene.waiting_step().input("wait", "2s").input("wait-interval", "200ms");
    let host = scene.proxy.host();
    // Its end may come in a pause, where the host is all that is known.
    let names = [(&*host, NAME), ("GET /v2/acme/app/manifests/arm64", NAME)];
    section.add("a wait met nothing but trouble", &names, &step.run().await);
    section
}

async fn elsewhere() -> Section {
    let mut section = Section::new(TITLE);
    let denying = ScriptedServer::answering(|_, _| answer(403, &[], "<Error>"));
    let dead = DeadPort::any();
    for (what, storage) in [
        ("the storage behind the registry is down", dead.host()),
        ("the storage behind the registry denies", denying.host()),
    ] {
        let scene = Scene::with_storage_at(&storage).await;
        let host = scene.proxy.host();
        let names = [(&*host, NAME), (&*storage, "localhost:9000")];
        section.add(what, &names, &scene.step_of(&["amd64"]).run().await);
    }

    let mut tokens = TokenServer::new().start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    tokens.stop().await;
    let (host, server) = (scene.proxy.host(), tokens.host());
    let names = [(&*host, NAME), (&*server, "localhost:5001")];
    let ran = inspecting(&host).run().await;
    section.add("the token server is down", &names, &ran);
    section
}
