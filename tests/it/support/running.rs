//! Our binary while it runs, and what it left behind.

use super::canary::Canaries;
use super::github::{self, Command as WorkflowCommand};
use super::wait::PATIENCE;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes of a file that are searched for secrets.
const LARGEST_WRITTEN: u64 = 64 << 20;

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    closed: usize,
}

impl Said {
    fn line(&self, part: &str) -> Option<String> {
        let all =
            [&self.stdout, &self.stderr].map(|log| github::shown(&String::from_utf8_lossy(log)));
        all.iter().flat_map(|text| text.lines()).find(|line| line.contains(part)).map(str::to_owned)
    }
}

/// A process under way; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pid: u32,
    said: watch::Sender<Said>,
    memory: watch::Receiver<u64>,
    tasks: Vec<JoinHandle<()>>,
    start: Instant,
    limit: Duration,
    left: Left,
}

/// The files around a run.
#[derive(Debug)]
pub struct Left {
    /// All of them are in here.
    pub folder: tempfile::TempDir,
    /// `GITHUB_OUTPUT`.
    pub output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub summary: Option<PathBuf>,
    /// What the test wrote itself.
    pub written: Vec<PathBuf>,
    /// What it must keep to itself.
    pub canaries: Canaries,
}

impl Running {
    /// Takes over a started process.
    pub fn new(mut child: Child, stdin: Vec<u8>, limit: Duration, left: Left) -> Self {
        let start = Instant::now();
        let pid = child.id().expect("a child that was not waited for has an id");
        let said = watch::Sender::default();
        let (peak, memory) = watch::channel(0);
        let out = child.stdout.take().expect("stdout is a pipe");
        let err = child.stderr.take().expect("stderr is a pipe");
        let mut tasks = vec![
            tokio::spawn(collect(out, said.clone(), |said| &mut said.stdout)),
            tokio::spawn(collect(err, said.clone(), |said| &mut said.stderr)),
            tokio::spawn(measure(pid, peak)),
        ];
        if let Some(mut pipe) = child.stdin.take() {
            tasks.push(tokio::spawn(async move {
                let _ = pipe.write_all(&stdin).await;
            }));
        }
        Self { child, pid, said, memory, tasks, start, limit, left }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal by name: `TERM`, `INT`, `HUP`, `KILL`…
    pub async fn signal(&self, name: &str) {
        self.signals(&[name]).await;
    }

    /// Sends several, one right after the other.
    pub async fn signals(&self, names: &[&str]) {
        // The shell's own `kill`, which needs no package.
        let kills: Vec<String> =
            names.iter().map(|name| format!("kill -{name} {}", self.pid)).collect();
        let script = kills.join(" && ");
        let done = tokio::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .status()
            .await
            .expect("a shell");
        assert!(done.success(), "{script} failed: the process is gone?\n{}", self.so_far());
    }

    /// All that it has said up to now.
    pub fn so_far(&self) -> String {
        let said = self.said.borrow();
        format!(
            "--- stdout\n{}\n--- stderr\n{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        )
    }

    /// Waits until so much memory was measured, KiB.
    pub async fn wait_for_memory(&self, kib: u64) {
        let mut memory = self.memory.clone();
        let seen = tokio::time::timeout(PATIENCE, memory.wait_for(|peak| *peak >= kib)).await;
        assert!(seen.is_ok(), "{kib} KiB were not seen");
    }

    /// Returns the first line on stdout or stderr with this part in it, as soon as there is one;
    /// panics after 20 s, or when the process has closed both without it.
    pub async fn wait_for_line(&self, part: &str) -> String {
        let mut watching = self.said.subscribe();
        let over = watching.wait_for(|said| said.line(part).is_some() || said.closed == 2);
        let found = tokio::time::timeout(PATIENCE, over)
            .await
            .ok()
            .and_then(Result::ok)
            .and_then(|said| said.line(part));
        found.unwrap_or_else(|| panic!("no line with {part:?} came:\n{}", self.so_far()))
    }

    /// Its end; panics when that does not come in time, or when the run let go of a secret.
    pub async fn wait(mut self) -> Ran {
        let Ok(status) = tokio::time::timeout(self.limit, self.child.wait()).await else {
            panic!("still running after {:?}:\n{}", self.limit, self.so_far());
        };
        let status = status.expect("a child can be waited for");
        let elapsed = self.start.elapsed();
        let mut watching = self.said.subscribe();
        // A grandchild that kept a pipe open would keep this waiting: bounded.
        let closed = tokio::time::timeout(PATIENCE, watching.wait_for(|said| said.closed == 2))
            .await
            .is_ok();
        assert!(
            closed,
            "the process ended, but something still holds its stdout or stderr:\n{}",
            self.so_far()
        );
        for task in &self.tasks {
            task.abort();
        }
        let raw = {
            let said = self.said.borrow();
            Raw { stdout: text("stdout", &said.stdout), stderr: text("stderr", &said.stderr) }
        };
        let (stdout, stderr) = (github::shown(&raw.stdout), github::shown(&raw.stderr));
        let status = status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
        let max_rss_kib = *self.memory.borrow();
        let ran = Ran { status, stdout, stderr, raw, elapsed, max_rss_kib, left: self.left };
        ran.kept_its_secrets();
        ran
    }
}

fn text(what: &str, bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec())
        .unwrap_or_else(|e| panic!("{what} is not UTF-8: {e}\n{}", String::from_utf8_lossy(bytes)))
}

async fn collect(
    mut from: impl AsyncRead + Unpin,
    to: watch::Sender<Said>,
    field: fn(&mut Said) -> &mut Vec<u8>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        to.send_modify(|said| field(said).extend_from_slice(&buffer[..n]));
    }
    to.send_modify(|said| said.closed += 1);
}

/// The kernel keeps the high-water mark; it is only looked at, often enough to see it shortly
/// before the end.
async fn measure(pid: u32, peak: watch::Sender<u64>) {
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) =
            mark.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok())
        {
            peak.send_replace(kib);
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// What a run wrote, byte for byte.
#[derive(Debug)]
pub struct Raw {
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

/// What a finished run left.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; minus the signal's number when a signal killed it (so 143 is an answer to
    /// SIGTERM, -15 is not).
    pub status: i32,
    /// All of stdout, as a reader of the runner's log sees it.
    pub stdout: String,
    /// All of stderr, likewise.
    pub stderr: String,
    /// Both as they were written.
    pub raw: Raw,
    /// From start to end.
    pub elapsed: Duration,
    /// The peak of resident memory, KiB, as looked at every 10 ms; 0 when it ended before the first
    /// look.
    pub max_rss_kib: u64,
    /// What it left behind.
    pub left: Left,
}

impl Ran {
    /// Asserts exit status 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails(0)
    }

    /// Asserts this exit status, and prints everything otherwise.
    #[track_caller]
    pub fn fails(self, status: i32) -> Self {
        assert_eq!(self.status, status, "exit status\n{}", self.everything());
        self
    }

    /// All that is known about the run, for messages.
    pub fn everything(&self) -> String {
        let (stdout, stderr, elapsed) = (&self.stdout, &self.stderr, self.elapsed);
        let outputs = self.raw_output_file().unwrap_or_default();
        format!(
            "--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- outputs\n{outputs}\n--- {elapsed:?}, {} KiB",
            self.max_rss_kib
        )
    }

    /// One output, as the runner would hand it on. Panics on a file that the runner would refuse.
    pub fn output(&self, name: &str) -> Option<String> {
        self.outputs().remove(name)
    }

    /// All outputs, as the runner would hand them on (of two with one name the later). Panics on a
    /// file that it would refuse.
    pub fn outputs(&self) -> BTreeMap<String, String> {
        let file = self.raw_output_file().unwrap_or_default();
        github::parse_file(&file)
            .unwrap_or_else(|e| panic!("the runner would refuse GITHUB_OUTPUT: {e}\n{file}"))
            .into_iter()
            .collect()
    }

    /// `GITHUB_OUTPUT` as it stands; `None` without such a file.
    pub fn raw_output_file(&self) -> Option<String> {
        self.left
            .output
            .as_ref()
            .and_then(|path| std::fs::read(path).ok())
            .map(|bytes| text("GITHUB_OUTPUT", &bytes))
    }

    /// `GITHUB_STEP_SUMMARY` as it stands; empty without such a file.
    pub fn summary(&self) -> String {
        self.left
            .summary
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default()
    }

    /// The workflow commands on stdout that a runner would obey.
    pub fn commands(&self) -> Vec<WorkflowCommand> {
        github::commands(&self.raw.stdout)
    }

    /// Where it ran.
    pub fn workdir(&self) -> PathBuf {
        self.left.folder.path().join("work")
    }

    /// A file of the work folder, if it is there.
    pub fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.workdir().join(path)).ok()
    }

    /// Asserts that a secret is nowhere: stdout, stderr, outputs, summary, any file that the run
    /// could write. Lines with `::add-mask::` on stdout are the runner's to swallow and do not
    /// count, nor do files that the test wrote itself.
    #[track_caller]
    pub fn never_says(&self, secret: &str) -> &Self {
        assert!(!secret.is_empty(), "an empty secret is everywhere");
        let unmasked = |text: &str| {
            text.lines().filter(|l| !l.starts_with("::add-mask::")).any(|l| l.contains(secret))
        };
        for stdout in [&self.stdout, &self.raw.stdout] {
            assert!(!unmasked(stdout), "{secret:?} is on stdout:\n{stdout}");
        }
        for stderr in [&self.stderr, &self.raw.stderr] {
            assert!(!stderr.contains(secret), "{secret:?} is on stderr:\n{stderr}");
        }
        self.each_file(|path, bytes| {
            assert!(
                !String::from_utf8_lossy(bytes).contains(secret),
                "{secret:?} is in {}",
                path.display()
            );
        });
        self
    }

    /// Asserts that no secret that it was given, in any spelling, is on stdout, on stderr or in a
    /// file that it could write: outputs, summary, reports, core files.
    fn kept_its_secrets(&self) {
        let kept = |place: &str, bytes: &[u8]| {
            if let Some((secret, spelling)) = self.left.canaries.found_in(bytes) {
                let all = self.everything();
                panic!("the secret {secret:?} is {place}, as {spelling:?}:\n{all}");
            }
        };
        for (place, log) in [
            ("on stdout", &self.raw.stdout),
            ("on stdout as it is shown", &self.stdout),
            ("on stderr", &self.raw.stderr),
            ("on stderr as it is shown", &self.stderr),
        ] {
            kept(place, log.as_bytes());
        }
        self.each_file(|path, bytes| kept(&format!("in {}", path.display()), bytes));
    }

    /// Every file that the run could write, but those that the test wrote itself.
    fn each_file(&self, check: impl Fn(&Path, &[u8])) {
        let mut folders = vec![self.left.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder can be read").flatten() {
                let path = entry.path();
                let kind = entry.file_type().expect("an entry has a type");
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && !self.left.written.contains(&path) {
                    let file = std::fs::File::open(&path).expect("a file can be read");
                    let mut bytes = Vec::new();
                    // A test may have made a file that is larger than any that a run could write.
                    let read = file.take(LARGEST_WRITTEN).read_to_end(&mut bytes);
                    read.expect("a file can be read");
                    check(&path, &bytes);
                }
            }
        }
    }
}
