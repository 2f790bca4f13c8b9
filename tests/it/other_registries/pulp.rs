//! Pulp with its container plugin: the registry and its token server, a second server that blobs
//! are redirected to, a worker, and `PostgreSQL` on a socket in the same folder.

use super::process::{Process, as_user, free_port, run};
use super::server::installed;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's user for the database, which refuses to run as root.
const DATABASE_USER: &str = "postgres";

/// All processes of it. They end in this order, the folder is removed after them.
#[derive(Debug)]
pub struct Pulp {
    servers: Vec<Process>,
    _database: Process,
    folder: tempfile::TempDir,
    port: u16,
}

impl Pulp {
    /// An empty one, with this password of its user `admin`.
    pub async fn start(password: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pulp-")
            // The database's user has to get through.
            .permissions(Permissions::from_mode(0o711))
            .tempdir()
            .expect("a folder");
        let database = database(folder.path()).await;
        let mut pulp = Self { servers: Vec::new(), _database: database, folder, port: free_port() };
        let content = free_port();
        pulp.configure(content);
        run(&mut pulp.program("pulpcore-manager", &["migrate", "--noinput"]));
        let admin = ["reset-admin-password", "--password", password];
        run(&mut pulp.program("pulpcore-manager", &admin));
        let (api_at, content_at) = (pulp.host(), format!("127.0.0.1:{content}"));
        let mut api = pulp.serve("QUIT", "pulpcore-api", &["-b", &api_at, "-w", "2"]);
        let mut content = pulp.serve("QUIT", "pulpcore-content", &["-b", &content_at, "-w", "1"]);
        let mut worker = pulp.serve("KILL", "pulpcore-worker", &[]);
        api.until_answers(&api_at, "/v2/", 401).await;
        content.until_answers(&content_at, "/pulp/content/", 200).await;
        worker.until_says("Starting pulpcore worker").await;
        pulp.servers = vec![api, content, worker];
        pulp
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its defaults, but for places, keys, what it would send out into the world, and how long it
    /// takes over a password: by default each token costs it half a second of computing.
    fn configure(&self, content: u16) {
        let (root, port) = (self.folder.path().display(), self.port);
        let key = rcgen::KeyPair::generate().expect("a P-256 key");
        write(&self.path("private.pem"), &key.serialize_pem());
        write(&self.path("public.pem"), &key.public_key_pem());
        write(&self.path("fields.key"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n");
        for name in ["media", "working"] {
            fs::create_dir_all(self.path(name)).expect("a folder");
        }
        let settings = format!(
            r#"SECRET_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef01"
DB_ENCRYPTION_KEY = "{root}/fields.key"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "pulp", "HOST": "{root}/socket"}}}}
CONTENT_ORIGIN = "http://127.0.0.1:{content}"
TOKEN_SERVER = "http://127.0.0.1:{port}/token/"
TOKEN_SIGNATURE_ALGORITHM = "ES256"
PUBLIC_KEY_PATH = "{root}/public.pem"
PRIVATE_KEY_PATH = "{root}/private.pem"
DEPLOY_ROOT = "{root}"
MEDIA_ROOT = "{root}/media/"
WORKING_DIRECTORY = "{root}/working"
FILE_UPLOAD_TEMP_DIR = "{root}/working"
ANALYTICS = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"#
        );
        write(&self.path("settings.py"), &settings);
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(installed("venv/bin").join(name));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", self.folder.path())
            // Not its working folder: Pulp would move files out of there that Python has removed.
            .env("TMPDIR", self.folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PULP_SETTINGS", self.path("settings.py"));
        command
    }

    fn serve(&self, signal: &'static str, name: &str, arguments: &[&str]) -> Process {
        Process::start(signal, &self.program(name, arguments), &self.path(&format!("{name}.log")))
    }
}

/// `PostgreSQL` that nobody reaches but through a socket in this folder. It need not survive a
/// crash of the machine.
async fn database(folder: &Path) -> Process {
    let programs = programs();
    let (data, socket) = (folder.join("database"), folder.join("socket"));
    let root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    let mut prepare = Command::new("/usr/bin/install");
    prepare.args(["-d", "-m", "700"]).args([&data, &socket]);
    if root {
        prepare.args(["-o", DATABASE_USER]);
    }
    run(&mut prepare);
    let mut create = if root { as_user(DATABASE_USER) } else { Command::new("/usr/bin/env") };
    create
        .arg(programs.join("initdb"))
        .args(["-U", "pulp", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(&data)
        .current_dir(folder);
    run(&mut create);
    let mut command = Command::new(programs.join("postgres"));
    command.arg("-D").arg(&data);
    let sockets = format!("unix_socket_directories={}", socket.display());
    let quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
    for setting in quick.into_iter().chain(["listen_addresses=", &sockets]) {
        command.args(["-c", setting]);
    }
    let log = folder.join("database.log");
    let mut process = if root {
        Process::start_as(DATABASE_USER, "QUIT", &command, &log)
    } else {
        Process::start("QUIT", &command, &log)
    };
    process.until_says("ready to accept connections").await;
    process
}

/// Where Debian has the newest `PostgreSQL`: it is not in `PATH`.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin"));
    let newest = found.filter(|folder| folder.join("postgres").exists()).max();
    newest.expect("PostgreSQL is missing: run tests/other_registries.sh")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}
