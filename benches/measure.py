"""Commands are run, and what they took is measured: wall time, peak memory, what passed the proxy."""

import os
import shutil
import signal
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

# A run that hangs is a failure, not a pause.
LIMIT_SECONDS = 300
# A run that takes longer is not repeated: most of it is the delay, which does not change.
LONG_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """One run that ended well and whose result is right."""

    seconds: float
    peak_kib: int
    connections: int
    requests: int
    round_trips: int
    bytes: int
    first_request: float


class Failed(Exception):
    """What went wrong, in one line."""


def environment(folder):
    """Nothing of the user's: no login, no store, no cache of an earlier run."""
    home = folder / "home"
    home.mkdir()
    (home / "config.json").write_text("{}")
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return kept | {"HOME": str(home), "DOCKER_CONFIG": str(home), "TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder),
                   "DOCKER_CLI_EXPERIMENTAL": "enabled", "NO_COLOR": "1"}


def run(commands, wire, folder, variables=None):
    """Runs commands one after the other; the last one's stdout is kept in `folder/stdout`."""
    variables = environment(folder) | (variables or {})
    counts, started, peak = wire.begin(), time.monotonic(), 0
    for command in commands:
        peak = max(peak, run_one(command, folder, variables))
    seconds = time.monotonic() - started
    first = (counts.first_request or started) - started
    return Run(seconds, peak, counts.connections, counts.requests, counts.round_trips, counts.bytes, first)


def run_one(command, folder, variables):
    """Its peak memory in KiB.

    What Linux tells of a child counts the parent's memory before the program is loaded. So a small program stands between.
    """
    figures = folder / "figures"
    start(["/usr/bin/time", "--quiet", "--format", "%M", "--output", str(figures), *command], folder, variables)
    return int(figures.read_text().split()[-1])


def start(command, folder, variables):
    with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(command, env=variables, cwd=folder, stdin=subprocess.DEVNULL, stdout=stdout,
                                   stderr=stderr, start_new_session=True)
    limit = threading.Timer(LIMIT_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    limit.start()
    try:
        status = process.wait()
    finally:
        limit.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        raise Failed(last_line(folder) or f"exit status {status}")


def last_line(folder):
    """What a failed command says: its error and the line below, or its last line."""
    lines = [line.strip() for line in (folder / "stderr").read_text(errors="replace").splitlines() if line.strip()]
    errors = [" ".join(lines[at:at + 2]) for at, line in enumerate(lines) if line.lower().startswith("error")]
    return (errors or lines[-1:] or [""])[0][:200]


def seconds_to_first_request(command, wire, folder):
    counts, started = wire.begin(), time.monotonic()
    try:
        start(command, folder, environment(folder))
    except Failed:
        # A tool that does not like the answer has asked all the same.
        pass
    return counts.first_request - started if counts.first_request else None


class Row:
    """What one tool needs for one scenario: medians, or what went wrong."""

    def __init__(self, name):
        self.name, self.runs, self.problem = name, [], None

    def is_long(self):
        return any(run.seconds > LONG_SECONDS for run in self.runs)

    def __getattr__(self, figure):
        return statistics.median(getattr(run, figure) for run in self.runs)


class Folders:
    """Folders for one run each, removed after it: stores of layers add up."""

    def __init__(self, parent):
        self.parent, self.count = parent, 0

    def __enter__(self):
        self.count += 1
        self.current = self.parent / f"run-{self.count}"
        self.current.mkdir()
        return self.current

    def __exit__(self, *_):
        shutil.rmtree(self.current, ignore_errors=True)
