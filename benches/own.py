"""What only manifest-action is asked to do: two builds of it side by side, row by row."""

import base64
import itertools
import json
from dataclasses import dataclass
from typing import Callable

from measure import Failed, Folders, Row, run
from place import PLATFORMS, PLATFORMS_OF_A_SET, REPOSITORY, SETS
from scenarios import attempt

# A tag that is there already would be left as it is.
TAGS = itertools.count()


@dataclass(frozen=True)
class Attempt:
    """One run of a build: `tag` is nobody else's."""

    place: object
    program: str
    tag: str
    folder: object


@dataclass(frozen=True)
class OwnRow:
    """`command` and `check` take an attempt. A row that is for its memory is measured once."""

    name: str
    command: Callable
    check: Callable
    variables: Callable = lambda attempt: {}
    once: bool = False
    # What the place has to be given before: names of its methods.
    needs: str = ""


def rows():
    return [
        OwnRow("8 platforms, registry with tokens", create("token_host"), published("small"),
               needs="open_token_front"),
        OwnRow("8 platforms, registry with tokens, with a login", create("token_host"), published("small"), login,
               needs="open_token_front"),
        OwnRow("8 platforms, HTTPS with HTTP/1.1", create("secure_host", with_authority=True), published("small"),
               needs="open_secure_front"),
        OwnRow("8 platforms × 2 layers, mounted", create("host", "copies/"), published("small", "copies/")),
        OwnRow("inspect, 8 platforms", inspect(), told),
        OwnRow("inspect --json, 8 platforms", inspect("--json"), told),
        *(lists(name, *given) for name, given in {
            "20 lists of the same images": (20, 1),
            "20 lists of the same images, together: false": (20, 1, "--together=false"),
            "200 lists × 4 images": (200, SETS),
            "200 lists × 4 images, together: false": (200, SETS, "--together=false"),
            "200 lists × 4 images, concurrency 16": (200, SETS, "--concurrency=16"),
            "200 lists × 4 images, concurrency 64": (200, SETS, "--concurrency=64"),
            "1000 lists of 800 images": (1000, SETS)}.items()),
        *(OwnRow(f"{count} images in one list", create_many(count), published("many", count=count), needs="put_many")
          for count in (16, 32, 64, 128)),
    ]


def lists(name, count, sets, *options):
    return OwnRow(name, create_lists(count, sets, *options), published_lists(count, sets), once=count == 1000,
                  needs="put_sets")


def references(place, host, name, images):
    tails = [image.platform.replace("/", "-") if name == "many" else image.platform.split("/")[1] for image in images]
    return [f"{host}/{REPOSITORY}:{name}-{tail}" for tail in tails]


def create(host, repository="", with_authority=False):
    """A list of the small images; `repository` is the beginning of another one's name."""
    def command(one):
        name = getattr(one.place, host)
        options = ["--ca-file", str(one.place.authority)] if with_authority else []
        target = f"{name}/{repository}{one.tag}:{one.tag}" if repository else f"{name}/{REPOSITORY}:{one.tag}"
        return [one.program, "create", "--quiet", *options, target,
                *references(one.place, name, "small", one.place.images["small"])]
    return command


def create_many(count):
    def command(one):
        sources = references(one.place, one.place.host, "many", one.place.images["many"][:count])
        return [one.program, "create", "--quiet", f"{one.place.host}/{REPOSITORY}:{one.tag}", *sources]
    return command


def create_lists(count, sets, *options):
    """Lists of four images each; with one set all of the same. Short lines: a file of lists has a limit."""
    def command(one):
        repository = f"{one.place.host}/{REPOSITORY}"
        lines = [f"- tags: {one.tag}-{at}\n  sources: {repository}:s{at % sets}-{{arch}}\n" for at in range(count)]
        spec = one.folder / "lists.yaml"
        spec.write_text("indexes:\n" + "".join(lines))
        return [one.program, "create", "--quiet", "--spec", str(spec), "--images", repository, "--platforms",
                ",".join(PLATFORMS_OF_A_SET), *options]
    return command


def inspect(*options):
    return lambda one: [one.program, "inspect", *options, f"{one.place.host}/{REPOSITORY}:small"]


def told(one):
    text = (one.folder / "stdout").read_text()
    if missing := [platform for platform in PLATFORMS if platform.split("/")[1] not in text]:
        raise Failed(f"nothing is said of {missing[0]}")


def published(images, repository="", count=None):
    def check(one):
        where = repository + one.tag if repository else REPOSITORY
        if problem := one.place.registry.problem(where, one.tag, one.place.images[images][:count]):
            raise Failed(problem)
    return check


def published_lists(count, sets):
    def check(one):
        for at in range(count):
            images = one.place.images[f"s{at % sets}"]
            if problem := one.place.registry.problem(REPOSITORY, f"{one.tag}-{at}", images, parts=False):
                raise Failed(problem)
    return check


def login(one):
    """A login for the registry with tokens, where Docker keeps it."""
    pair = base64.b64encode(b"benchmark:benchmark").decode()
    folder = one.folder / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {one.place.token_host: {"auth": pair}}}))
    return {"DOCKER_CONFIG": str(folder)}


def measure(row, place, builds, repetitions):
    """For each build, named as in `builds`, what the row needs; they take turns."""
    measured, folders = [Row(name) for name, _ in builds], Folders(place.scratch)
    for repetition in range(1 if row.once else repetitions):
        for (_, program), result in zip(builds, measured):
            with folders as folder:
                attempt(result, lambda: once(row, Attempt(place, program, f"t{next(TAGS)}", folder)))
    return measured


def once(row, one):
    variables = row.variables(one)
    result = run([row.command(one)], one.place.wire, one.folder, variables)
    row.check(one)
    return result
