"""What the benchmark works with: Debian's registry on loopback, and images for it, also as OCI archives."""

import gzip
import hashlib
import http.client
import io
import json
import random
import re
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURES = ("amd64", "arm64", "ppc64le", "s390x", "riscv64", "386", "mips64le", "loong64")
SYSTEMS = ("linux", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "aix", "plan9", "illumos", "darwin", "android",
           "ios", "windows", "js", "wasip1", "zos")


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def descriptor(media_type, content):
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def dumped(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Layer:
    """One file of random bytes, which gzip makes no smaller."""

    def __init__(self, seed, size):
        unpacked = io.BytesIO()
        with tarfile.open(fileobj=unpacked, mode="w") as archive:
            member = tarfile.TarInfo(f"content-{seed}")
            member.size = size
            archive.addfile(member, io.BytesIO(random.Random(seed).randbytes(size)))
        self.diff_id = digest_of(unpacked.getvalue())
        self.content = gzip.compress(unpacked.getvalue(), compresslevel=1, mtime=0)


class Image:
    """For one platform, `OS/ARCHITECTURE`; the label tells images of the same layers apart."""

    def __init__(self, platform, label, layers):
        self.platform, self.layers = platform, layers
        system, architecture = platform.split("/")
        self.config = dumped({
            "architecture": architecture, "os": system, "config": {"Labels": {"benchmark": label}},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}})
        self.manifest = dumped({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, self.config),
            "layers": [descriptor(LAYER, layer.content) for layer in layers]})
        self.digest = digest_of(self.manifest)
        self.blobs = [digest_of(content) for content in self.contents()]

    def contents(self):
        return [self.config, *(layer.content for layer in self.layers)]

    def archive(self, path):
        """An OCI archive, as builders write it."""
        entry = descriptor(MANIFEST, self.manifest) | {"annotations": {"org.opencontainers.image.ref.name": "1"}}
        members = {"oci-layout": dumped({"imageLayoutVersion": "1.0.0"}),
                   "index.json": dumped({"schemaVersion": 2, "manifests": [entry]})}
        members |= {f"blobs/sha256/{digest_of(content)[7:]}": content for content in [self.manifest, *self.contents()]}
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path


class Registry:
    """Debian's, with a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        configuration, log = folder / "registry.yml", folder / "log"
        configuration.write_text(f"""version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:0"}}
""")
        with log.open("wb") as output:
            self.process = subprocess.Popen(["docker-registry", "serve", configuration], stdout=output,
                                            stderr=subprocess.STDOUT)
        while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())):
            if self.process.poll() is not None:
                raise SystemExit(f"docker-registry ended:\n{log.read_text()}")
        self.port = int(found[1])
        self.connections = threading.local()
        self.stored = set()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def ask(self, method, target, body=None, **fields):
        if not hasattr(self.connections, "own"):
            self.connections.own = http.client.HTTPConnection("127.0.0.1", self.port)
        connection = self.connections.own
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def put_blob(self, repository, content):
        digest = digest_of(content)
        if (repository, digest) in self.stored:
            return
        _, fields, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        target = re.sub(r"^https?://[^/]*", "", fields["Location"])
        wanted(self.ask("PUT", f"{target}&digest={digest}", content, Content_Type="application/octet-stream"), 201)
        self.stored.add((repository, digest))

    def put_manifest(self, repository, tag, media_type, content):
        wanted(self.ask("PUT", f"/v2/{repository}/manifests/{tag}", content, Content_Type=media_type), 201)

    def put_image(self, repository, tag, image):
        for content in image.contents():
            self.put_blob(repository, content)
        self.put_manifest(repository, tag, MANIFEST, image.manifest)

    def put_index(self, repository, tag, images):
        """An index of images that are there, for tools that only copy one."""
        entries = []
        for image in images:
            system, architecture = image.platform.split("/")
            entries.append(descriptor(MANIFEST, image.manifest) | {"platform": {"architecture": architecture, "os": system}})
        content = dumped({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        self.put_manifest(repository, tag, INDEX, content)

    def put_images(self, repository, tagged):
        """Pairs of a tag and an image of layers that all have, several at once: hundreds take a while."""
        for layer in tagged[0][1].layers:
            self.put_blob(repository, layer.content)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda pair: self.put_image(repository, *pair), tagged))

    def index(self, repository, tag):
        status, _, content = self.ask("GET", f"/v2/{repository}/manifests/{tag}", Accept=f"{INDEX}, {DOCKER_LIST}, {MANIFEST}")
        return json.loads(content) if status == 200 else None

    def has(self, repository, kind, digest):
        return self.ask("HEAD", f"/v2/{repository}/{kind}/{digest}", Accept=MANIFEST)[0] == 200

    def problem(self, repository, tag, images, parts=True):
        """What is wrong with an index that was read back, and with what it names; None when all is as it must be."""
        index = self.index(repository, tag)
        if index is None:
            return f"{repository}:{tag} is not there"
        entries = index.get("manifests", [])
        if len(entries) != len(images):
            return f"the index has {len(entries)} entries instead of {len(images)}"
        found = {entry["digest"]: entry.get("platform", {}) for entry in entries}
        for image in images:
            if image.digest not in found:
                return f"the index has another image for {image.platform}"
            platform = found[image.digest]
            if f"{platform.get('os')}/{platform.get('architecture')}" != image.platform:
                return f"the entry of {image.platform} does not say so"
            if parts and (missing := self.missing_part(repository, image)):
                return missing
        return None

    def missing_part(self, repository, image):
        if not self.has(repository, "manifests", image.digest):
            return f"the image for {image.platform} is not there"
        if not all(self.has(repository, "blobs", blob) for blob in image.blobs):
            return f"the image for {image.platform} lacks a layer or its config"
        return None


def wanted(answer, status):
    if answer[0] != status:
        raise SystemExit(f"the registry answered {answer[0]}: {answer[2].decode(errors='replace')}")


def write_archives(folder, images):
    folder.mkdir()
    return [Path(image.archive(folder / f"app-{image.platform.split('/')[1]}.tar")) for image in images]
