//! A real registry: Debian's `docker-registry` (distribution 2.8) on 127.0.0.1, port 0, storage in
//! a temporary folder. The process ends with the value. Without the program the test fails and
//! names the package.

use super::certs::Authority;
use super::tcp_server::DeadPort;
use super::token::TokenServer;
use super::wait::{PATIENCE, until};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PROGRAM: &str = "/usr/bin/docker-registry";
/// An address of this machine that is asked over HTTPS at once, as hosts elsewhere are.
pub const NOT_LOOPBACK: &str = "0.0.0.0";
/// A name that no name server knows and that a TLS registry's certificate is for, beside those of
/// loopback: for what a proxy is asked to reach.
pub const TLS_NAME: &str = "registry.test";
/// Ends the registry even when the test itself is killed. Part of Debian's essential `util-linux`.
const LEASH: &str = "/usr/bin/setpriv";

/// A running registry.
#[derive(Debug)]
pub struct Registry {
    folder: tempfile::TempDir,
    extra: String,
    ca_pem: Option<String>,
    manner: Manner,
    process: Option<Child>,
    port: u16,
    kept: Option<DeadPort>,
}

/// What it takes and stores, beside who may do it.
#[derive(Debug, Clone, Default)]
pub enum Manner {
    /// All, foreign layers too.
    #[default]
    Usual,
    /// No writes.
    ReadOnly,
    /// No writes: it is a pull-through cache of the registry at this address.
    CacheOf(String),
    /// No layers that are elsewhere, as by its own default.
    NoUrls,
}

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Everybody may do all.
    #[default]
    Open,
    /// One Basic login, which may do all.
    Basic(String, String),
    /// Tokens of this server, found at this realm.
    Token {
        /// The `realm` of the challenge.
        realm: String,
        /// The `service` of the challenge.
        service: String,
        /// Who the tokens say that they are from.
        issuer: String,
        /// The certificate that signs them, PEM.
        certificate: String,
    },
}

impl Registry {
    /// Anonymous, plain HTTP.
    pub async fn start() -> Self {
        Self::launch(&Auth::Open, false).await
    }

    /// Plain HTTP, with one Basic login.
    pub async fn htpasswd(user: &str, password: &str) -> Self {
        Self::launch(&Auth::Basic(user.to_owned(), password.to_owned()), false).await
    }

    /// Plain HTTP, tokens from this server.
    pub async fn token(tokens: &TokenServer) -> Self {
        Self::launch(&tokens.auth(&tokens.realm()), false).await
    }

    /// HTTPS by a certificate for 127.0.0.1 and localhost of an authority that only this test
    /// knows; anonymous.
    pub async fn tls() -> Self {
        Self::launch(&Auth::Open, true).await
    }

    /// Anonymous, plain HTTP, its storage in memory where there is such a place: for thousands of
    /// small writes, each of which it would wait for.
    pub async fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::launch_in(&place, &Auth::Open, false).await
    }

    /// Any mixture.
    pub async fn launch(auth: &Auth, tls: bool) -> Self {
        Self::launch_in(&std::env::temp_dir(), auth, tls).await
    }

    async fn launch_in(place: &Path, auth: &Auth, tls: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("registry-")
            .tempdir_in(place)
            .expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let mut extra = String::new();
        let mut ca_pem = None;
        if tls {
            let authority = Authority::new("test authority");
            let identity = authority.server(&["127.0.0.1", "localhost", NOT_LOOPBACK, TLS_NAME]);
            write(&path("ca.pem"), &authority.pem());
            write(&path("server.pem"), &identity.certificate);
            write(&path("server.key"), &identity.key);
            let (certificate, key) = (path("server.pem"), path("server.key"));
            let _ = writeln!(extra, "  tls: {{certificate: {certificate:?}, key: {key:?}}}");
            ca_pem = Some(authority.pem());
        }
        match auth {
            Auth::Open => {}
            Auth::Basic(user, password) => {
                let hash = bcrypt::hash(password, 4).expect("bcrypt of a test password");
                write(&path("htpasswd"), &format!("{user}:{hash}\n"));
                let _ = writeln!(
                    extra,
                    "auth: {{htpasswd: {{realm: test, path: {:?}}}}}",
                    path("htpasswd")
                );
            }
            Auth::Token { realm, service, issuer, certificate } => {
                write(&path("token.pem"), certificate);
                let bundle = path("token.pem");
                let _ = writeln!(
                    extra,
                    "auth: {{token: {{realm: {realm:?}, service: {service:?}, issuer: {issuer:?}, rootcertbundle: {bundle:?}}}}}"
                );
            }
        }
        let mut registry = Self {
            folder,
            extra,
            ca_pem,
            manner: Manner::Usual,
            process: None,
            port: 0,
            kept: None,
        };
        registry.run().await;
        registry
    }

    async fn run(&mut self) {
        assert!(
            Path::new(PROGRAM).exists(),
            "{PROGRAM} is missing: apt-get install docker-registry"
        );
        let storage = self.storage();
        fs::create_dir_all(&storage).expect("a storage folder");
        let config = self.folder.path().join("config.yml");
        let read_only = matches!(self.manner, Manner::ReadOnly);
        let mut manner = String::new();
        if !matches!(self.manner, Manner::NoUrls) {
            manner.push_str("validation: {manifests: {urls: {allow: [\".*\"]}}}\n");
        }
        if let Manner::CacheOf(address) = &self.manner {
            let _ = writeln!(manner, "proxy: {{remoteurl: {address:?}}}");
        }
        write(
            &config,
            &format!(
                "version: 0.1\nlog: {{level: info, formatter: text}}\nstorage:\n  filesystem: {{rootdirectory: {storage:?}}}\n  \
                 delete: {{enabled: true}}\n  maintenance: {{uploadpurging: {{enabled: false}}, readonly: {{enabled: {read_only}}}}}\n{manner}http:\n  \
                 addr: \"127.0.0.1:{}\"\n  secret: test\n{}",
                self.port, self.extra
            ),
        );
        let log = self.log_file();
        let old = self.log().len();
        let open = || File::options().create(true).append(true).open(&log).expect("a log file");
        let mut command = Command::new(PROGRAM);
        if Path::new(LEASH).exists() {
            command = Command::new(LEASH);
            command.args(["--pdeathsig", "KILL", "--", PROGRAM]);
        }
        // Small and short-lived: it need not collect its garbage often.
        command
            .arg("serve")
            .arg(&config)
            .env_clear()
            .env("GOGC", "800")
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open());
        self.process = Some(command.spawn().expect("docker-registry starts"));
        let start = Instant::now();
        loop {
            let log = self.log();
            if let Some(port) =
                log[old..].split("listening on 127.0.0.1:").nth(1).and_then(leading_number)
            {
                self.port = port;
                return;
            }
            let over = self.process.as_mut().and_then(|p| p.try_wait().ok()).flatten();
            assert!(
                over.is_none() && start.elapsed() < PATIENCE,
                "docker-registry did not start ({over:?}):\n{log}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its blobs and tags are.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    /// What it has said so far, access log included.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.ca_pem.is_some()
    }

    /// The authority behind its certificate, PEM. Panics without TLS.
    pub fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().expect("only a TLS registry has an authority")
    }

    /// The file with [`Registry::ca_pem`].
    pub fn ca_file(&self) -> PathBuf {
        assert!(self.is_tls(), "only a TLS registry has an authority");
        self.folder.path().join("ca.pem")
    }

    /// Kills it; port and storage stay reserved for [`Registry::restart`]. Does nothing when it is
    /// down.
    pub async fn stop(&mut self) {
        self.kill();
        // Nobody else is given the port. The registry can still have it: Go sets `SO_REUSEADDR`.
        if self.kept.is_none() {
            self.kept = DeadPort::at((Ipv4Addr::LOCALHOST, self.port).into()).ok();
        }
        let host = self.host();
        until("a stopped registry refuses connections", || {
            let host = host.clone();
            async move { tokio::net::TcpStream::connect(host).await.is_err() }
        })
        .await;
    }

    /// Starts it again on the same port with the same storage, after stopping it if need be.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    /// The same, in another manner from then on.
    pub async fn restart_as(&mut self, manner: Manner) {
        self.manner = manner;
        self.restart().await;
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn leading_number(text: &str) -> Option<u16> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    // The number is complete only when something follows it in the log.
    if digits.len() < text.len() { digits.parse().ok() } else { None }
}
