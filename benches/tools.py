"""The tools that are compared, and how each of them does what is asked: the commands that its documentation gives."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """Lists to publish, each a target and its sources. `folder` is empty, for what a tool keeps."""

    lists: list
    platforms: tuple
    folder: Path
    # An index of the same images, for a tool that can only copy one; None where it is no answer.
    ready_index: str = None
    # Where images come from instead of a registry.
    archives: list = field(default_factory=list)
    elsewhere: bool = False


class Tool:
    """`commands` are run one after the other; none means that the tool cannot do this."""

    def __init__(self, name, program, version):
        self.name, self.program, self.version_arguments = name, program, version

    def is_there(self):
        return shutil.which(self.program) is not None

    def size(self):
        return os.path.getsize(os.path.realpath(shutil.which(self.program)))

    def version(self):
        told = subprocess.run([self.program, *self.version_arguments], capture_output=True, text=True, check=False)
        lines = [line for line in (told.stdout + told.stderr).splitlines() if any(map(str.isdigit, line))]
        words = [word.strip("(),").removeprefix("v") for word in (lines or [""])[0].split()]
        return next((word for word in words if word[:1].isdigit()), "unknown")

    def commands(self, job):
        if job.archives:
            return self.from_files(job)
        return [command for target, sources in job.lists for command in self.create(job, target, sources)]

    def create(self, job, target, sources):
        return []

    def from_files(self, job):
        return []

    def read(self, reference):
        """One look at an index, by which the time to the first request is measured; none where plain HTTP is not for it."""
        return []


class Ours(Tool):
    def __init__(self, name, program):
        super().__init__(name, program, ["--version"])

    def commands(self, job):
        if len(job.lists) == 1:
            return super().commands(job)
        spec = job.folder / "lists.yaml"
        lines = [f"- tags: {target}\n  sources: {','.join(sources)}\n" for target, sources in job.lists]
        spec.write_text("indexes:\n" + "".join(lines))
        return [[self.program, "create", "--quiet", "--spec", str(spec)]]

    def create(self, job, target, sources):
        return [[self.program, "create", "--quiet", target, *sources]]

    def from_files(self, job):
        return self.create(job, job.lists[0][0], [f"oci-archive:{archive}" for archive in job.archives])

    def read(self, reference):
        return [self.program, "inspect", "--raw", reference]


class Docker(Tool):
    def __init__(self):
        super().__init__("docker manifest", "docker", ["--version"])

    def create(self, job, target, sources):
        return [["docker", "manifest", "create", "--insecure", target, *sources],
                ["docker", "manifest", "push", "--insecure", target]]

    def read(self, reference):
        return ["docker", "manifest", "inspect", "--insecure", reference]


class Containers(Tool):
    """podman and buildah have the same commands, and keep the list in a store of their own."""

    def __init__(self, program):
        super().__init__(f"{program} manifest", program, ["--version"])

    def call(self, folder, *arguments):
        store = ["--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        return [self.program, *store, "manifest", *arguments]

    def composed(self, job, target, sources):
        adds = [self.call(job.folder, "add", "--tls-verify=false", target, source) for source in sources]
        push = self.call(job.folder, "push", "--tls-verify=false", "--all", target, f"docker://{target}")
        return [self.call(job.folder, "create", target), *adds, push]

    def create(self, job, target, sources):
        return self.composed(job, target, [f"docker://{source}" for source in sources])

    def from_files(self, job):
        return self.composed(job, job.lists[0][0], [f"oci-archive:{archive}" for archive in job.archives])


class Skopeo(Tool):
    """Composes nothing: it copies an index that is there. Of files it brings each image, for podman to compose."""

    def __init__(self):
        super().__init__("skopeo copy", "skopeo", ["--version"])

    def copy(self, *arguments):
        return ["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", *arguments]

    def create(self, job, target, sources):
        return [self.copy("--all", f"docker://{job.ready_index}", f"docker://{target}")] if job.ready_index else []

    def from_files(self, job):
        target = job.lists[0][0]
        images = [f"{target}-{platform.split('/')[1]}" for platform in job.platforms]
        copies = [self.copy(f"oci-archive:{archive}", f"docker://{image}") for archive, image in zip(job.archives, images)]
        return copies + Containers("podman").create(job, target, images)

    def read(self, reference):
        return ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]


class Buildx(Tool):
    def __init__(self):
        super().__init__("docker buildx imagetools", "docker-buildx", ["version"])

    def create(self, job, target, sources):
        return [["docker-buildx", "imagetools", "create", "--tag", target, *sources]]

    def read(self, reference):
        return ["docker-buildx", "imagetools", "inspect", "--raw", reference]


class Crane(Tool):
    def __init__(self):
        super().__init__("crane index", "crane", ["version"])

    def create(self, job, target, sources):
        return [["crane", "--insecure", "index", "append", *flags("--manifest", sources), "--tag", target]]

    def read(self, reference):
        return ["crane", "--insecure", "manifest", reference]


class Regctl(Tool):
    def __init__(self):
        super().__init__("regctl index", "regctl", ["version", "--format", "{{.VCSTag}}"])

    def call(self, *arguments, hosts):
        plain = [f"reg={host},tls=disabled" for host in sorted({host.split("/")[0] for host in hosts})]
        return ["regctl", *flags("--host", plain), *arguments]

    def create(self, job, target, sources):
        return [self.call("index", "create", target, *flags("--ref", sources), hosts=[target, *sources])]

    def from_files(self, job):
        target = job.lists[0][0]
        images = [f"{target}-{platform.split('/')[1]}" for platform in job.platforms]
        imports = [self.call("image", "import", image, str(archive), hosts=[image])
                   for archive, image in zip(job.archives, images)]
        return imports + self.create(job, target, images)

    def read(self, reference):
        return self.call("manifest", "get", "--format", "raw-body", reference, hosts=[reference])


class ManifestTool(Tool):
    def __init__(self):
        super().__init__("manifest-tool", "manifest-tool", ["--version"])

    def create(self, job, target, sources):
        template = sources[0].removesuffix(job.platforms[0].split("/")[1]) + "ARCH"
        return [["manifest-tool", "--insecure", "--plain-http", "push", "--type", "oci", "from-args",
                 "--platforms", ",".join(job.platforms), "--template", template, "--target", target]]

    def read(self, reference):
        return ["manifest-tool", "--insecure", "--plain-http", "inspect", "--raw", reference]


class Oras(Tool):
    """Its index names images of its own repository, so they are copied there first."""

    def __init__(self):
        super().__init__("oras manifest index", "oras", ["version"])

    def create(self, job, target, sources):
        repository, _, tag = target.rpartition(":")
        names = [source.rpartition(":")[2] for source in sources]
        copies = [["oras", "copy", "--from-plain-http", "--to-plain-http", source, f"{repository}:{name}"]
                  for source, name in zip(sources, names)] if job.elsewhere else []
        return [*copies, ["oras", "manifest", "index", "create", "--plain-http", f"{repository}:{tag}", *names]]

    def from_files(self, job):
        repository = job.lists[0][0].rpartition(":")[0]
        names = [platform.split("/")[1] for platform in job.platforms]
        copies = [["oras", "copy", "--from-oci-layout", "--to-plain-http", f"{archive}:1", f"{repository}:{name}"]
                  for archive, name in zip(job.archives, names)]
        return [*copies, ["oras", "manifest", "index", "create", "--plain-http", job.lists[0][0], *names]]

    def read(self, reference):
        return ["oras", "manifest", "fetch", "--plain-http", reference]


def flags(name, values):
    return [word for value in values for word in (name, value)]


def others():
    """All but ours that are on PATH."""
    known = [Docker(), Containers("podman"), Containers("buildah"), Skopeo(), Buildx(), Crane(), Regctl(), ManifestTool(),
             Oras()]
    return [tool for tool in known if tool.is_there()]
