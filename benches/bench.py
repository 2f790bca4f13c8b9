"""manifest-action beside the tools that people use instead, and beside an earlier build of itself. Started by run.sh."""

import argparse
import os
import signal
import statistics
import sys
from pathlib import Path

import own
import report
from chart import chart
from measure import LONG_SECONDS, Folders, seconds_to_first_request
from place import REPOSITORY, Place
from scenarios import compare, comparisons
from tools import Ours, others

OURS = "manifest-action"
BEFORE = "manifest-action, before"
# Each way in which the benchmark asks, but few images.
QUICK_ROWS = ("2 platforms, one repository", "registry with tokens, with a login", "HTTPS", "inspect")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run.sh", description=__doc__)
    parser.add_argument("--binary", required=True, help="the program to measure [run.sh builds it]")
    parser.add_argument("--before", default=os.environ.get("BEFORE") or None, help="an earlier build, to be put beside it")
    parser.add_argument("--repetitions", type=int, default=5, help="runs of each row, of which the median counts [5]")
    parser.add_argument("--round-trip", type=int, default=50, help="milliseconds [50]")
    parser.add_argument("--layer-mib", type=int, default=4, help="size of a layer that is uploaded [4]")
    parser.add_argument("--only", choices=("tools", "own"), help="the comparison with other tools, or our own rows")
    parser.add_argument("--rows", action="append", default=[], metavar="WORDS", help="only rows whose name holds this")
    parser.add_argument("--quick", action="store_true", help="a few rows, ours alone, once, without a delay")
    parser.add_argument("--write", metavar="FOLDER", help="write benchmarks.md and benchmark.svg there, such as to docs")
    given = parser.parse_args()
    if given.quick:
        given.repetitions, given.round_trip, given.rows = 1, 0, [*given.rows, *QUICK_ROWS]
    if given.repetitions < 1 or given.round_trip < 0 or given.layer_mib < 1:
        parser.error("repetitions and layers begin at 1, the round trip at 0")
    return given


def is_wanted(name, given):
    return not given.rows or any(words in name for words in given.rows)


def start_ms(tool, place, repetitions):
    command = tool.read(f"{place.host}/{REPOSITORY}:small")
    if not command:
        return None
    folders, figures = Folders(place.scratch), []
    # The first one, for which the program comes from the disk, does not count.
    for _ in range(repetitions + 1):
        with folders as folder:
            figures.append(seconds_to_first_request(command, place.wire, folder))
    return statistics.median(figures[1:]) * 1000 if None not in figures else None


def builds_of(given):
    before = [(BEFORE, os.path.realpath(given.before))] if given.before else []
    return [*before, (OURS, os.path.realpath(given.binary))]


def compared_scenarios(given, place, tools):
    wanted = [scenario for scenario in comparisons(given.layer_mib) if is_wanted(scenario.name, given)]
    if any(scenario.images == "large" for scenario in wanted):
        place.put_large(given.layer_mib << 20)
    for scenario in wanted:
        print(f"\n{scenario.name}", flush=True)
        rows = compare(scenario, place, tools, given.repetitions)
        report.terminal(["", *report.COLUMNS], list(report.compared_rows(rows)))
        yield scenario.name, rows


def measured_own_rows(given, place, builds):
    wanted = [row for row in own.rows() if is_wanted(row.name, given)]
    for name in dict.fromkeys(row.needs for row in wanted if row.needs):
        getattr(place, name)()
    for row in wanted:
        results = own.measure(row, place, builds, given.repetitions)
        report.terminal(["", *report.COLUMNS], list(report.own_rows([(row.name, results)])))
        yield row.name, results


class Results:
    """All that was measured, in the order in which it is told."""

    def __init__(self, given, place):
        self.given, self.builds = given, builds_of(given)
        ours = [Ours(name, program) for name, program in reversed(self.builds)]
        self.tools = ours + ([] if given.quick else others())
        place.put_small()
        self.starts = [(tool, start_ms(tool, place, given.repetitions)) for tool in self.tools]
        self.budgets = report.budgets(self.builds[-1][1], self.starts[0][1])
        report.terminal(["", "version", "program", "first request after"], list(report.tool_rows(self.starts)))
        print()
        for name, text in self.budgets:
            print(f"  {name}: {text}")
        self.compared = list(compared_scenarios(given, place, self.tools)) if given.only != "own" else []
        self.own = list(measured_own_rows(given, place, self.builds)) if given.only != "tools" else []

    def right(self):
        """Whether our own rows are: what another tool cannot do is no fault."""
        rows = [row for _, rows in self.compared for row in rows if row.name == OURS]
        rows += [row for _, rows in self.own for row in rows if row.name == OURS]
        return all(row.runs for row in rows)

    def how(self):
        given = self.given
        return f"Round trip {given.round_trip} ms, medians of {given.repetitions}, once what takes over {LONG_SECONDS} s"

    def document(self):
        # Where programs lie is of no interest.
        words = (word for word in sys.argv[1:] if word not in ("--binary", self.given.binary))
        options = ["OLDER" if word == self.given.before else word for word in words]
        lines = [
            "# Benchmarks", "", "Written by this command; do not edit:", "",
            f"    {' '.join(['benches/run.sh', *options])}", "", f"{self.how()}. On {report.machine()}, with Debian's registry "
            f"{report.registry_version()} on loopback, behind a proxy that delays both directions and counts. Opening a "
            "connection costs two round trips there, as it does with TLS. Every result was read back and compared with what it "
            "must be. Tries of TLS before plain HTTP are not counted. skopeo composes nothing: it copies an index that is "
            "there, and archives one by one for podman to compose. [benches/](../benches) has the commands of each tool.", "",
            "![Time of each tool](benchmark.svg)", "",
            "## Budgets", "", *(f"- {name}: {text}" for name, text in self.budgets), "", "## Tools", "",
            report.markdown(["", "version", "program", "first request after"], list(report.tool_rows(self.starts))), ""]
        for name, rows in self.compared:
            lines += [f"## {name}", "", report.markdown(["", *report.COLUMNS], list(report.compared_rows(rows))), ""]
        if self.own:
            heading = "manifest-action alone" + (", an earlier build → this one" if len(self.builds) > 1 else "")
            lines += [f"## {heading}", "", report.markdown(["", *report.COLUMNS], list(report.own_rows(self.own))), ""]
        return "\n".join(lines)

    def write(self, folder):
        (folder / "benchmarks.md").write_text(self.document())
        (folder / "benchmark.svg").write_text(chart(f"Less is better. {self.how()}.", self.compared, OURS))


def end(number, _):
    """So that registries and files go, however it ends; a second signal does not disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    place = Place(given.round_trip / 1000)
    try:
        results = Results(given, place)
        if given.write:
            results.write(Path(given.write))
    finally:
        place.close()
    return 0 if results.right() else 1


if __name__ == "__main__":
    sys.exit(main())
