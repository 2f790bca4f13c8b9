//! A server's process, with all that it starts.

use crate::support::client::Client;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Part of Debian's essential `util-linux`.
const LEASH: &str = "/usr/bin/setpriv";
/// A database and several Python programs start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ended when it is dropped, and when the test itself is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    signal: &'static str,
    log: PathBuf,
}

impl Process {
    /// Starts it in a process group of its own. `signal` is what makes it end at once.
    pub fn start(signal: &'static str, command: &Command, log: &Path) -> Self {
        let mut leashed = Command::new(LEASH);
        leashed.args(["--pdeathsig", signal]);
        Self::start_under(leashed, signal, command, log)
    }

    /// The same as another user.
    pub fn start_as(user: &str, signal: &'static str, command: &Command, log: &Path) -> Self {
        let mut leashed = as_user(user);
        leashed.args(["--pdeathsig", signal]);
        Self::start_under(leashed, signal, command, log)
    }

    fn start_under(
        mut leashed: Command,
        signal: &'static str,
        command: &Command,
        log: &Path,
    ) -> Self {
        let open = || File::options().create(true).append(true).open(log).expect("a log file");
        leashed
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open());
        let child = leashed.spawn().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
        Self { child, signal, log: log.to_owned() }
    }

    /// Waits until a `GET` of this path has this status.
    pub async fn until_answers(&mut self, host: &str, path: &str, status: u16) {
        let start = Instant::now();
        loop {
            self.runs_since(start);
            if tokio::net::TcpStream::connect(host).await.is_ok()
                && Client::new(host).request("GET", path, &[], &[]).await.status == status
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until this is in its log.
    pub async fn until_says(&mut self, words: &str) {
        let start = Instant::now();
        while !self.said().contains(words) {
            self.runs_since(start);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn runs_since(&mut self, start: Instant) {
        let over = self.child.try_wait().ok().flatten();
        let in_time = over.is_none() && start.elapsed() < PATIENCE;
        assert!(in_time, "it did not start ({over:?}):\n{}", self.said());
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group has the id of its first process, which is not waited for yet: nobody else's.
        let kill = format!("kill -s {} -- -{}", self.signal, self.child.id());
        let _ = Command::new("/bin/sh").args(["-c", &kill]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            println!("--- the end of {}\n{}", self.log.display(), last.join("\n"));
        }
    }
}

/// What runs a program as another user.
pub fn as_user(user: &str) -> Command {
    let mut command = Command::new(LEASH);
    let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
    command.args([&uid, &gid, "--clear-groups"]);
    command
}

/// Runs a program to its end; panics with what it said when it fails.
pub fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{command:?}: {}\n{said}", done.status);
}

/// A port that was free a moment ago, for a server that does not tell which one it was given.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
