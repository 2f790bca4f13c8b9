"""The figures as tables: for a terminal, and for docs/benchmarks.md."""

import os
import platform
import subprocess
from pathlib import Path

BINARY_LIMIT_MIB, IMAGE_LIMIT_MIB, START_LIMIT_MS = 8, 12, 20
COLUMNS = ("requests", "connections", "round trips", "on the wire", "time", "memory")
# What the Dockerfile puts into the image beside the program; what else it has are links and a line of text.
IMAGE_FILES = ("/bin/busybox", "/etc/ssl/certs/ca-certificates.crt")


def mib(count):
    return f"{count / (1 << 20):.1f} MiB"


def on_the_wire(count):
    return mib(count) if count >= 1 << 20 else f"{count / 1024:.0f} KiB"


def seconds(value):
    return f"{value:.2f} s"


def figures(row):
    return [f"{row.requests:.0f}", f"{row.connections:.0f}", f"{row.round_trips:.0f}", on_the_wire(row.bytes),
            seconds(row.seconds), f"{row.peak_kib / 1024:.0f} MiB"]


def image_size(program):
    """Of the image, unpacked: what the Dockerfile puts into it. None where Debian's busybox-static is not there."""
    if not all(Path(file).exists() for file in IMAGE_FILES):
        return None
    return sum(os.path.getsize(os.path.realpath(file)) for file in (*IMAGE_FILES, program))


def budget(value, limit, unit):
    return f"{value:.1f} {unit} ({'below' if value < limit else 'NOT below'} {limit} {unit})"


def budgets(program, start_ms):
    """What the design allows, and what it is."""
    lines = [("program", budget(os.path.getsize(program) / (1 << 20), BINARY_LIMIT_MIB, "MiB"))]
    size = image_size(program)
    lines.append(("image, unpacked", budget(size / (1 << 20), IMAGE_LIMIT_MIB, "MiB") if size else
                  "not known: busybox-static is not installed"))
    lines.append(("start to first request", budget(start_ms, START_LIMIT_MS, "ms") if start_ms else "not measured"))
    return lines


def compared_rows(rows):
    for row in rows:
        yield [row.name, *(figures(row) if row.runs else [f"failed: {row.problem}"])]


def own_rows(measured):
    """Each figure as `before → now`; the figure alone where there is one build."""
    for name, results in measured:
        failed = [f"{row.name} failed: {row.problem}" for row in results if not row.runs]
        if failed:
            done = [f"{row.name}: {', '.join(figures(row))}" for row in results if row.runs]
            yield [name, "; ".join(failed + done)]
        else:
            yield [name, *(" → ".join(values) for values in zip(*map(figures, results)))]


def tool_rows(tools):
    for tool, start_ms in tools:
        yield [tool.name, tool.version(), mib(tool.size()), f"{start_ms:.0f} ms" if start_ms else "not measured"]


def machine():
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), Linux {platform.release().split('-')[0]}"


def registry_version():
    told = subprocess.run(["docker-registry", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return told[-1].removeprefix("v")


def terminal(heading, rows):
    """Columns as wide as they need to be; a row that failed is a sentence."""
    whole = [row for row in rows if len(row) == len(heading)]
    widths = [max(len(row[at]) for row in [heading, *whole]) for at in range(len(heading))]
    widths[0] = max(len(row[0]) for row in [heading, *rows])
    for row in [heading, *rows]:
        if len(row) == len(heading):
            rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        else:
            rest = row[1:]
        print("  " + "  ".join([row[0].ljust(widths[0]), *rest]), flush=True)


def markdown(heading, rows):
    lines = ["| " + " | ".join(heading) + " |", "|:--|" + "--:|" * (len(heading) - 1)]
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        # A sentence stands in the first column of figures; the others stay empty.
        cells += [""] * (len(heading) - len(cells))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
