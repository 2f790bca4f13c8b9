//! Our binary as a CI system runs it: a scrubbed environment, a temporary home and work folder,
//! inputs as variables.

use super::canary::Canaries;
use super::running::{Left, Ran, Running};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A run in preparation.
#[derive(Debug)]
pub struct Step {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, OsString>,
    arguments: Vec<OsString>,
    stdin: Vec<u8>,
    written: Vec<PathBuf>,
    limit: Duration,
}

impl Step {
    /// Nothing in the environment but `PATH` and a fresh `HOME`; an empty folder to work in.
    pub fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("step-").tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        for name in ["home", "work", "runner", "temp"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        let environment = BTreeMap::from([
            ("PATH".to_owned(), OsString::from("/usr/local/bin:/usr/bin:/bin")),
            ("HOME".to_owned(), home.into_os_string()),
        ]);
        Self {
            folder,
            environment,
            arguments: Vec::new(),
            stdin: Vec::new(),
            written: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }

    /// An input, named as GitHub names it: `INPUT_`, upper case, spaces to `_`, hyphens kept.
    pub fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.replace(' ', "_").to_uppercase());
        self.env(&name, value)
    }

    /// A variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Takes a variable away again.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// What a GitHub runner sets, with fresh files for outputs and the summary. The API's address
    /// is a dead port of this machine until [`Step::env`] says better: a test must not reach the
    /// real one.
    pub fn github(self) -> Self {
        let runner = self.folder.path().join("runner");
        let file = |name: &str| {
            let path = runner.join(name);
            std::fs::write(&path, "").expect("a fresh file");
            path
        };
        let (output, summary, temp) =
            (file("output"), file("summary.md"), self.folder.path().join("temp"));
        let work = self.workdir();
        self.env("GITHUB_ACTIONS", "true")
            .env("CI", "true")
            .env("GITHUB_OUTPUT", output)
            .env("GITHUB_STEP_SUMMARY", summary)
            .env("GITHUB_SERVER_URL", "https://github.com")
            .env("GITHUB_API_URL", "http://127.0.0.1:9")
            .env("GITHUB_REPOSITORY", "acme/app")
            .env("GITHUB_RUN_ID", "1001")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_JOB", "publish")
            .env("GITHUB_WORKFLOW", "build")
            .env("GITHUB_EVENT_NAME", "push")
            .env("GITHUB_REF", "refs/heads/main")
            .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
            .env("GITHUB_WORKSPACE", work)
            .env("RUNNER_TEMP", temp)
            .env("RUNNER_OS", "Linux")
    }

    /// A file in the work folder, with its folders.
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.written.push(write(&self.workdir().join(path), content.as_ref()));
        self
    }

    /// A file in the home folder, with its folders.
    pub fn home_file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.written.push(write(&self.home().join(path), content.as_ref()));
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// What it can read; nothing unless given.
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = content.into();
        self
    }

    /// How long it may run before the test fails; 60 s unless given.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Where it runs.
    pub fn workdir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Its `HOME`.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs it to its end.
    pub async fn run(self) -> Ran {
        self.spawn().await.wait().await
    }

    /// Starts it.
    pub async fn spawn(mut self) -> Running {
        // `STEP_LOG_LEVEL=trace` makes every step as talkative as it can be, whatever its test is
        // about: [`Canaries`] are looked for in more text.
        if let Some(level) =
            std::env::var_os("STEP_LOG_LEVEL").filter(|_| self.arguments.is_empty())
        {
            self.environment.entry("INPUT_LOG-LEVEL".to_owned()).or_insert(level);
        }
        self.spawn_program(Path::new(env!("CARGO_BIN_EXE_manifest-action"))).await
    }

    /// Starts another program in the same surroundings.
    pub async fn spawn_program(self, program: &Path) -> Running {
        let mut command = Command::new(program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.workdir())
            .stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child =
            command.spawn().unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
        let file = |name: &str| self.environment.get(name).map(PathBuf::from);
        let files = self.written.iter().filter_map(|path| std::fs::read(path).ok());
        let left = Left {
            canaries: Canaries::of(&self.environment, &self.arguments, &self.stdin, files),
            output: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
            folder: self.folder,
            written: self.written,
        };
        Running::new(child, self.stdin, self.limit, left)
    }
}

fn write(path: &Path, content: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
    std::fs::write(path, content)
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    path.to_owned()
}
