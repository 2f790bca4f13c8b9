#!/usr/bin/env python3
"""The version in every file that names it, and what a released tree runs.

usage: release/tree.py check                  what does not agree, one line each; the last line is the version
       release/tree.py set VERSION [DATE]     VERSION in every file, the image by its tag; DATE heads the changelog's section
       release/tree.py pin DIGEST SUMS        the image by tag and digest; SUMS, a file, is the table of released programs

A version that ends in `-dev` is not released: its image exists nowhere. Without `-dev`, action.yml and the GitLab component
must name the image by digest, so a tree cannot become a release and run whatever its tag points to.
"""
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

VERSION = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"
DIGEST = "sha256:[0-9a-f]{64}"
# Each with what stands before the version, and after it.
PLACES = {
    "Cargo.toml": (r'^version = "', '"'),
    "Cargo.lock": (r'^name = "manifest-action"\nversion = "', '"'),
    "action.yml": (r"^      uses: docker://ghcr\.io/[^/\s]+/manifest-action:", ""),
    "templates/manifest.yml": (r"^      default: ghcr\.io/[^/\s]+/manifest-action:", ""),
}
IMAGES = ("action.yml", "templates/manifest.yml")
SUMS, CHANGELOG, UNRELEASED = "native/SHA256SUMS", "CHANGELOG.md", "## Unreleased"
# Those that must be there; the others are missing where a runner could not build them.
PROGRAMS = ("linux-amd64", "linux-arm64")
OTHERS = ("darwin-amd64", "darwin-arm64", "windows-amd64.exe")
NO_SUMS = "# No release: release/release.sh writes the programs' checksums here.\n"


def found(name):
    """The one place in a file: its text, and the match with `version` and, of an image, `digest`."""
    before, after = PLACES[name]
    text = Path(name).read_text()
    matches = list(re.finditer(f"({before})(?P<version>{VERSION})(?:@(?P<digest>{DIGEST}))?{after}$", text, re.M))
    if not matches:
        sys.exit(f"{name}: the version is not where release/tree.py looks for it")
    return text, matches[0]


def write(name, version, digest=None):
    text, match = found(name)
    place = f"{match[1]}{version}{f'@{digest}' if digest else ''}{PLACES[name][1]}"
    Path(name).write_text(text[:match.start()] + place + text[match.end():])


def current():
    return found("Cargo.toml")[1]["version"]


def first_section():
    return next(line for line in Path(CHANGELOG).read_text().splitlines() if line.startswith("## "))


def set_version(version, day=None):
    if not re.fullmatch(VERSION, version):
        sys.exit(f"{version!r} is not a version, such as 1.4.0, 1.4.0-rc.1 or 1.4.0-dev")
    for name in PLACES:
        write(name, version)
    Path(SUMS).write_text(NO_SUMS)
    text, heading = Path(CHANGELOG).read_text(), first_section()
    if version.endswith("-dev"):
        if heading != UNRELEASED:
            text = text.replace(heading, f"{UNRELEASED}\n\n{heading}", 1)
    elif heading == UNRELEASED:
        text = text.replace(UNRELEASED, f"## {version} - {day or date.today()}", 1)
    Path(CHANGELOG).write_text(text)


def pin(digest, sums):
    if not re.fullmatch(DIGEST, digest):
        sys.exit(f"{digest!r} is not a digest")
    for name in IMAGES:
        write(name, current(), digest)
    Path(SUMS).write_text(Path(sums).read_text())


def disagreements():
    version = current()
    for name in PLACES:
        if (other := found(name)[1]["version"]) != version:
            yield f"{name}: the version is {other}, and {version} in Cargo.toml"
    owner = re.search(r'^repository = "https://github\.com/([^/]+)/manifest-action"$', Path("Cargo.toml").read_text(), re.M)[1]
    for name in IMAGES:
        if f"ghcr.io/{owner.lower()}/" not in found(name)[1][0]:
            yield f"{name}: the image is not one of {owner}, whom Cargo.toml names (release/rename.sh)"
    digests = {found(name)[1]["digest"] for name in IMAGES}
    sums, heading = Path(SUMS).read_text(), first_section()
    if version.endswith("-dev"):
        if digests != {None}:
            yield f"{version} is not released, and its image is named by a digest"
        if sums != NO_SUMS:
            yield f"{SUMS}: {version} is not released, and its programs have checksums"
        if heading != UNRELEASED:
            yield f"{CHANGELOG}: the first section is {heading!r}, not {UNRELEASED!r}"
    else:
        if None in digests or len(digests) != 1:
            yield f"{' and '.join(IMAGES)}: {version} is a release, and must name its image by one digest"
        yield from wrong_sums(sums, version)
        if not re.fullmatch(rf"## {re.escape(version)} - \d{{4}}-\d\d-\d\d", heading):
            yield f"{CHANGELOG}: the first section is {heading!r}, not '## {version} - DATE'"
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], capture_output=True, text=True).stdout.split()
    for tag in tags:
        if version.endswith("-dev") or re.fullmatch(f"v{VERSION}", tag) and tag != f"v{version}":
            yield f"the tag {tag} is on {version}"


def wrong_sums(sums, version):
    lines = [re.fullmatch(r"[0-9a-f]{64}  manifest-action-(\S+)", line) for line in sums.splitlines()]
    names = [match and match[1] for match in lines]
    wanted = [f"{version}-{program}" for program in PROGRAMS]
    allowed = wanted + [f"{version}-{program}" for program in OTHERS]
    if len(set(names)) != len(names) or not set(wanted) <= set(names) <= set(allowed):
        yield f"{SUMS}: {version} needs a line for each of {', '.join(PROGRAMS)}; also known are {', '.join(OTHERS)}"


def main():
    match sys.argv[1:]:
        case ["check"]:
            if problems := list(disagreements()):
                sys.exit("\n".join(problems))
            print(current())
        case ["set", version, *day] if len(day) < 2:
            set_version(version, *day)
        case ["pin", digest, sums]:
            pin(digest, sums)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
