//! A proxy of Debian's (tinyproxy) on the way to a registry.

use super::certificates::before;
use crate::support::certs::Authority;
use crate::support::client::Client;
use crate::support::registry::Registry;
use crate::support::running::Running;
use crate::support::scene::{REPO, amd64, arm64, step_at, waiting_step_at};
use crate::support::step::Step;
use crate::support::tcp_server::{DeadPort, TcpServer};
use crate::support::wait::until;
use futures_util::future::join_all;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::net::TcpStream;

const PROGRAM: &str = "/usr/bin/tinyproxy";
/// Ends the proxy even when the test itself is killed.
const LEASH: &str = "/usr/bin/setpriv";
/// This machine under a name that is not loopback's, so that it is reached through a proxy.
const ELSEWHERE: &str = "0.0.0.0";

struct Proxy {
    process: Child,
    folder: tempfile::TempDir,
    /// Nobody else is given its port while it is down.
    dead: DeadPort,
}

impl Proxy {
    /// With these lines in its configuration.
    async fn start(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (dead, log) = (DeadPort::any(), folder.path().join("log"));
        // It runs as another user, who may write to the log.
        std::fs::write(&log, "").unwrap();
        let lines = lines.replace("FOLDER", folder.path().to_str().unwrap());
        let config = folder.path().join("tinyproxy.conf");
        let text = format!(
            "Port {}\nListen 127.0.0.1\nLogFile \"{}\"\nLogLevel Connect\nTimeout 30\n{lines}\n",
            dead.port(),
            log.display()
        );
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join("nothing"), "nowhere.test\n").unwrap();
        let process = listening(&config, dead.port()).await;
        Self { process, folder, dead }
    }

    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    async fn start_again(&mut self) {
        self.process =
            listening(&self.folder.path().join("tinyproxy.conf"), self.dead.port()).await;
    }

    fn host(&self) -> String {
        self.dead.host()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listening(config: &Path, port: u16) -> Child {
    let process = Command::new(LEASH)
        .args(["--pdeathsig", "KILL", "--", PROGRAM, "-d", "-c"])
        .arg(config)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("tinyproxy listens (Debian's package tinyproxy)", || async {
        TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await;
    process
}

struct Place {
    registry: Registry,
    client: Client,
    _tls: TcpServer,
    ca: String,
    /// In TLS, and in plain HTTP.
    hosts: [String; 2],
}

async fn place() -> Place {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    amd64().push(&client, REPO, "amd64").await;
    let authority = Authority::new("an authority");
    let tls = before(&registry, &authority.server(&[ELSEWHERE]));
    let hosts = [tls.host(), registry.host()].map(|host| host.replace("127.0.0.1", ELSEWHERE));
    Place { registry, client, _tls: tls, ca: authority.pem(), hosts }
}

impl Place {
    fn step(&self, host: &str) -> Step {
        step_at(host, &["amd64"])
            .file("ca.pem", &self.ca)
            .input("ca-file", "ca.pem")
            .input("insecure-registries", &self.hosts[1])
            .input("log-level", "trace")
    }
}

#[tokio::test]
async fn a_registry_is_reached_through_it_in_a_tunnel_and_in_plain_http() {
    let place = place().await;
    for (lines, login) in [("", ""), ("BasicAuth user proxy-canary", "user:proxy-canary@")] {
        let proxy = Proxy::start(lines).await;
        let address = format!("http://{login}{}", proxy.host());
        for (host, variable) in [(&place.hosts[0], "HTTPS_PROXY"), (&place.hosts[1], "HTTP_PROXY")]
        {
            let ran = place.step(host).env(variable, &address).run().await.ok();
            let published = place.client.get_manifest(REPO, "1").await;
            assert_eq!(ran.output("digest"), published.map(|published| published.digest));
            ran.never_says("proxy-canary").never_says("dXNlcjpwcm94eS1jYW5hcnk");
        }
        let log = proxy.log();
        assert!(log.contains(&format!("CONNECT {}", place.hosts[0])), "{log}");
        assert!(log.contains(&format!("GET http://{}/v2/", place.hosts[1])), "{log}");
    }
    assert!(!place.registry.log().contains("dXNlcjpwcm94eS1jYW5hcnk"));
}

#[tokio::test]
async fn no_proxy_goes_past_it_in_every_form() {
    let place = place().await;
    let proxy = Proxy::start("").await;
    let port = place.hosts[0].rsplit_once(':').unwrap().1;
    for (no_proxy, through) in [
        ("*".to_owned(), false),
        (ELSEWHERE.to_owned(), false),
        (format!("{ELSEWHERE}:{port}"), false),
        ("nowhere.test , 0.0.0.0/8".to_owned(), false),
        (format!("{ELSEWHERE}:443"), true),
        ("10.0.0.0/8,*.0.0.0".to_owned(), true),
    ] {
        let before = proxy.log().len();
        let step = place.step(&place.hosts[0]).env("NO_PROXY", &no_proxy);
        step.env("HTTPS_PROXY", format!("http://{}", proxy.host())).run().await.ok();
        assert_eq!(proxy.log()[before..].contains("CONNECT 0.0.0.0"), through, "{no_proxy}");
    }
}

/// A wait on a proxy that goes down in the middle of it; the proxy, and the run.
async fn waiting_behind(place: &Place, wait: &str) -> (Proxy, Running) {
    let proxy = Proxy::start("").await;
    let step = waiting_step_at(&place.hosts[0], &["amd64", "arm64"])
        .file("ca.pem", &place.ca)
        .input("ca-file", "ca.pem")
        .input("wait-interval", "200ms")
        .input("wait", wait)
        .env("HTTPS_PROXY", format!("http://{}", proxy.host()));
    let running = step.spawn().await;
    running.wait_for_line("amd64  linux/amd64").await;
    running.wait_for_line("arm64  not found yet").await;
    (proxy, running)
}

/// As a registry that restarts: a wait outlasts it, and to its end nobody knows.
#[tokio::test]
async fn one_that_is_down_for_a_while_does_not_end_a_wait() {
    let place = place().await;
    let down =
        |proxy: &Proxy| format!("the proxy {} (HTTPS_PROXY) cannot be reached", proxy.host());
    let comes_back = async {
        let (mut proxy, running) = waiting_behind(&place, "5m").await;
        proxy.stop();
        running.wait_for_line(&down(&proxy)).await;
        arm64().push(&place.client, REPO, "arm64").await;
        proxy.start_again().await;
        running.wait().await.ok()
    };
    let stays_down = async {
        let place = self::place().await;
        let (mut proxy, running) = waiting_behind(&place, "12s").await;
        proxy.stop();
        let ran = running.wait().await.fails(7);
        assert!(ran.stdout.contains("cannot tell whether 1 of 2 images"), "{}", ran.stdout);
        assert!(ran.stdout.contains(&down(&proxy)), "{}", ran.stdout);
    };
    let (ran, ()) = tokio::join!(comes_back, stays_down);
    let published = place.client.get_manifest(REPO, "1").await;
    assert_eq!(ran.output("digest"), published.map(|published| published.digest));
}

#[tokio::test]
async fn what_it_refuses_is_told_with_its_name() {
    let place = place().await;
    let [tls, plain] = &place.hosts;
    let dead = DeadPort::any();
    let closed = dead.host();
    let login = Proxy::start("BasicAuth user proxy-canary").await;
    let filter = "Filter \"FOLDER/nothing\"\nFilterDefaultDeny Yes";
    let forbidding = Proxy::start(filter).await;
    let wants_login =
        |variable: &str| format!("the proxy {} ({variable}) requires a login (407)", login.host());
    let cases = [
        (
            "no login, tunnel",
            tls,
            "HTTPS_PROXY",
            login.host(),
            wants_login("HTTPS_PROXY"),
            format!("HTTPS_PROXY=http://USER:PASSWORD@{}", login.host()),
        ),
        (
            "no login, plain",
            plain,
            "http_proxy",
            login.host(),
            wants_login("HTTP_PROXY"),
            format!("HTTP_PROXY=http://USER:PASSWORD@{}", login.host()),
        ),
        (
            "a wrong login",
            tls,
            "HTTPS_PROXY",
            format!("user:wrong-canary@{}", login.host()),
            // This proxy says 401 then.
            format!("the proxy {} (HTTPS_PROXY) does not connect to {tls}", login.host()),
            format!("allow {tls} in the proxy"),
        ),
        (
            "forbidden",
            tls,
            "https_proxy",
            forbidding.host(),
            format!("the proxy {} (HTTPS_PROXY) does not connect to {tls}", forbidding.host()),
            format!("allow {tls} in the proxy, or list {ELSEWHERE} in NO_PROXY"),
        ),
        (
            "not there, tunnel",
            tls,
            "ALL_PROXY",
            closed.clone(),
            format!("the proxy {closed} (ALL_PROXY) cannot be reached: connection refused"),
            "correct ALL_PROXY, or list 0.0.0.0 in NO_PROXY".to_owned(),
        ),
        (
            "not there, plain",
            plain,
            "HTTP_PROXY",
            closed.clone(),
            format!("the proxy {closed} (HTTP_PROXY) cannot be reached: connection refused"),
            "correct HTTP_PROXY, or list 0.0.0.0 in NO_PROXY".to_owned(),
        ),
        (
            "no such host",
            tls,
            "HTTPS_PROXY",
            "proxy.invalid:3128".to_owned(),
            "the proxy proxy.invalid:3128 (HTTPS_PROXY) cannot be reached: no such host".to_owned(),
            "correct HTTPS_PROXY".to_owned(),
        ),
        (
            "no TLS",
            tls,
            "HTTPS_PROXY",
            format!("https://{}", place.registry.host()),
            format!("TLS connection to the proxy {} (HTTPS_PROXY) failed", place.registry.host()),
            format!("set HTTPS_PROXY=http://{}", place.registry.host()),
        ),
        (
            "SOCKS",
            tls,
            "ALL_PROXY",
            format!("socks5://user:proxy-canary@{closed}"),
            "ALL_PROXY is not the address of an HTTP or HTTPS proxy".to_owned(),
            "set ALL_PROXY=http://HOST:PORT".to_owned(),
        ),
    ];
    let runs = cases.map(|(case, host, variable, address, why, fix)| {
        let step = place.step(host).env(variable, address);
        async move {
            let ran = step.run().await.fails(7);
            assert!(ran.stdout.contains(&why), "{case}: {why}: {}", ran.everything());
            assert!(ran.stdout.contains(&fix), "{case}: {fix}: {}", ran.everything());
            ran.never_says("proxy-canary").never_says("wrong-canary");
        }
    });
    join_all(runs).await;
}
