"""What all tools are asked to do, and whether they have done it."""

from dataclasses import dataclass

from measure import Failed, Folders, Row, run
from place import PLATFORMS, PLATFORMS_OF_A_SET, REPOSITORY
from tools import Job


@dataclass(frozen=True)
class Scenario:
    """`images` names those in the place; `to` is where the lists go: `here`, `repository`, `registry`."""

    name: str
    images: str
    platforms: tuple
    to: str = "here"
    lists: int = 1
    files: bool = False


def comparisons(layer_mib):
    return [
        Scenario("2 platforms, one repository", "small", PLATFORMS[:2]),
        Scenario("8 platforms, one repository", "small", PLATFORMS),
        Scenario("8 platforms × 2 layers, from another repository", "small", PLATFORMS, "repository"),
        Scenario(f"8 platforms × 2 layers of {layer_mib} MiB, from another registry", "large", PLATFORMS, "registry"),
        Scenario("20 lists of the same 4 images", "small", PLATFORMS_OF_A_SET, lists=20),
        Scenario(f"8 OCI archives × 2 layers of {layer_mib} MiB", "large", PLATFORMS, "registry", files=True),
    ]


def images_of(scenario, place):
    return [image for image in place.images[scenario.images] if image.platform in scenario.platforms]


def targets_of(scenario, unique):
    """The repository and the tags of one run: nobody has published there."""
    repository = REPOSITORY if scenario.to == "here" else f"copies/{unique}"
    return repository, [f"{unique}-{at}" for at in range(scenario.lists)]


def job_of(scenario, place, unique, folder):
    repository, tags = targets_of(scenario, unique)
    host = place.other_host if scenario.to == "registry" else place.host
    sources = [f"{place.host}/{REPOSITORY}:{scenario.images}-{platform.split('/')[1]}" for platform in scenario.platforms]
    elsewhere = scenario.to != "here"
    return Job(
        lists=[(f"{host}/{repository}:{tag}", sources) for tag in tags], platforms=scenario.platforms, folder=folder,
        ready_index=f"{place.host}/{REPOSITORY}:{scenario.images}" if elsewhere else None,
        archives=place.archives if scenario.files else [], elsewhere=elsewhere)


def check(scenario, place, unique):
    registry = place.other_registry if scenario.to == "registry" else place.registry
    repository, tags = targets_of(scenario, unique)
    images = images_of(scenario, place)
    for tag in tags:
        if problem := registry.problem(repository, tag, images):
            raise Failed(problem)


def compare(scenario, place, tools, repetitions):
    """A row for each tool. They take turns, so that what slows the machine for a while slows all of them."""
    rows, folders = [Row(tool.name) for tool in tools], Folders(place.scratch)
    for repetition in range(repetitions):
        for at, (tool, row) in enumerate(zip(tools, rows)):
            if row.problem is not None or row.is_long():
                continue
            unique = f"r{repetition}-t{at}-" + "".join(filter(str.isalnum, scenario.name)).lower()
            with folders as folder:
                attempt(row, lambda: measured(scenario, place, tool, unique, folder))
    return [row for row in rows if row.runs or row.problem]


def measured(scenario, place, tool, unique, folder):
    if scenario.to == "registry":
        place.renew_other()
    commands = tool.commands(job_of(scenario, place, unique, folder))
    if not commands:
        # Not a fault: the tool is for something else.
        raise Failed("")
    result = run(commands, place.wire, folder)
    check(scenario, place, unique)
    return result


def attempt(row, measured_run):
    try:
        row.runs.append(measured_run())
    except Failed as failed:
        row.problem, row.runs = str(failed), []
