#!/usr/bin/env python3
"""Pins images to digests: asks each image's registry for the digest that its tag has now, and writes it behind the tag.

usage: release/pin.py [--program PROGRAM] FILE...

In Dockerfiles these are the images of FROM, of COPY --from= and of RUN --mount=from=; in YAML files (.yml, .yaml) those of
image:, of container: and of uses: docker://. The tag stays, and so does the rest of the file. A digest that is there is
brought up to date; where nothing has moved, nothing is written. An image that cannot be resolved is an error, and then no
file is changed. PROGRAM (manifest-action) is what asks; logins are those of Docker.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path


class Unpinnable(Exception):
    """Why an image cannot be pinned."""


def pinned(image, digest_of):
    """The image with its tag and the digest of that tag; one that has a digest only is pinned for good."""
    if "$" in image:
        raise Unpinnable("it is named by a variable: write the image itself")
    name, _, digest = image.partition("@")
    if ":" not in name.rsplit("/", 1)[-1]:
        if digest:
            return image
        name += ":latest"
    return f"{name}@{digest_of(name)}"


def ask(program):
    """A function from an image to its digest, which asks once for each."""
    known = {}

    def digest_of(image):
        if image not in known:
            try:
                ran = subprocess.run([program, "inspect", "--json", "--", image], capture_output=True, text=True, timeout=300)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Unpinnable(f"cannot run {program}: {error}") from error
            if ran.returncode:
                raise Unpinnable(ran.stderr.strip() or f"{program} ended with status {ran.returncode}")
            known[image] = json.loads(ran.stdout)["digest"]
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", known[image]):
                raise Unpinnable(f"{program} says its digest is {known[image]!r}")
        return known[image]

    return digest_of


# Each of these yields (line, start, end): where in which line an image stands. They skip what only looks like one: comments,
# scripts, names of stages.

def in_dockerfile(lines):
    stages, instruction, named, goes_on, here = {"scratch"}, "", None, False, []
    for number, line in enumerate(lines):
        if here:
            if line.strip() == here[0]:
                here.pop(0)
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not goes_on:
            instruction, named = line.split(maxsplit=1)[0].upper(), None
        if instruction == "FROM":
            keyword = 0 if goes_on else re.match(r"\s*\S+", line).end()
            match = re.compile(r"\s*(?:--\S+\s+)*([^\s\\]+)").match(line, keyword)
            if named is None and match:
                named = match[1]
                # A stage that a variable may replace by another is one all the same.
                default = re.fullmatch(r"\$\{\w+:?-([^}]+)\}", named)
                if (default[1] if default else named).lower() not in stages:
                    yield number, *match.span(1)
            if stage := re.search(r"\bAS\s+(\S+)", line, re.I):
                stages.add(stage[1].lower())
        elif instruction in ("COPY", "ADD", "RUN"):
            for match in re.finditer(r"--(?:mount=\S*?\b)?from=([^\s,]+)", line):
                if match[1].lower() not in stages and not match[1].isdecimal():
                    yield number, *match.span(1)
            here = re.findall(r"<<-?[\"']?(\w+)", line)
        goes_on = line.rstrip().endswith("\\")


def in_yaml(lines):
    script, mapping = None, None
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        lead = re.match(r"\s*(?:-\s+)*", line)[0]
        margin = len(lead) - len(lead.lstrip())
        if script is not None and margin > script:
            continue
        script = None
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"(?:^|[:-])\s+[|>][-+\d]*\s*(?:#.*)?$", line):
            script = margin if re.match(r"[|>]", line[len(lead):]) else len(lead)
        if mapping is not None and len(lead) <= mapping:
            mapping = None
        match = re.match(r"(image|container|uses|name):(?:\s+([\"']?)([^\s\"'#{\[|>&*]\S*?)\2)?\s*(?:\s#.*)?$", line[len(lead):])
        if not match:
            if re.match(r"(image|container):", line[len(lead):]) and script is None:
                raise Unpinnable(f"line {number + 1}: cannot read the image in {line.strip()!r}: write its name alone")
            continue
        key, image = match[1], match[3]
        if image is None:
            # GitLab's `image:` may be a mapping with `name`.
            mapping = len(lead) if key == "image" else mapping
            continue
        start = len(lead) + match.start(3)
        if image.startswith("docker://"):
            yield number, start + len("docker://"), start + len(image)
        elif key == "name" and mapping is not None or key in ("image", "container") and image != "Dockerfile":
            yield number, start, start + len(image)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--program", default="manifest-action")
    arguments.add_argument("files", nargs="+", metavar="FILE", type=Path)
    arguments = arguments.parse_args()
    digest_of, problems, changed = ask(arguments.program), [], {}
    for file in arguments.files:
        lines = file.read_bytes().decode().splitlines(keepends=True)
        find = in_yaml if file.suffix in (".yml", ".yaml") else in_dockerfile
        try:
            places = list(find(lines))
        except Unpinnable as why:
            problems.append(f"{file}: {why}")
            continue
        # From the end, so that the places before stay where they are.
        for number, start, end in reversed(places):
            line = lines[number]
            try:
                lines[number] = line[:start] + pinned(line[start:end], digest_of) + line[end:]
            except Unpinnable as why:
                problems.append(f"{file}:{number + 1}: cannot pin {line[start:end]}: {why}")
        changed[file] = "".join(lines).encode()
    if problems:
        sys.exit("\n".join([*problems, "release/pin.py: no file was changed"]))
    for file, content in changed.items():
        moved = content != file.read_bytes()
        if moved:
            file.write_bytes(content)
        print(f"{file}: {'pinned' if moved else 'up to date'}")


if __name__ == "__main__":
    main()
