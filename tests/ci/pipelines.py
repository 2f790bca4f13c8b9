"""Pipelines of the kinds that real projects have, our part of each, run end to end against two registries with passwords.

Each file of tests/ci/pipelines is what such a project would write. It is started as its system starts it (see others.py and
github_runner.py), and the result is read by another client. Only the hosts and the login change. Run by pipelines.sh.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from others import (BRACES, COMMIT, DOLLAR, LOGIN, PARENTHESES, PASSWORD, PLATFORMS, REGISTRY, USERNAME, check, container,
                    digest_of, docker, expand, platforms, plugin, raw, run, skopeo)

FOLDER = Path("tests/ci/pipelines")
OTHER = os.environ["OTHER"]
LONGEST_STEP = 20


def text(name):
    """A pipeline, for the registries of the tests; repositories of its own. Its step is short."""
    found = Path(FOLDER, name).read_text()
    lines = [line for line in found.splitlines() if not line.startswith(("#", "//"))]
    check(f"{name}: fewer than {LONGEST_STEP} lines", len(lines) < LONGEST_STEP or name.endswith(".tmpl"), True)
    return (found.replace("ghcr.io/acme/", f"{REGISTRY}/{kind(name)}/").replace("docker.io/acme/", f"{OTHER}/{kind(name)}/")
            .replace("acme-bot", USERNAME))


def kind(name):
    return re.sub(r"\W", "-", name.split(".")[0])


def yaml(name):
    return YAML(typ="safe").load(text(name))


def push(repository, tag, platform="linux/amd64", os_version=None):
    """A tiny image for a platform; its digest. The OS version of Windows is what no builder can state here."""
    reference = f"{repository}:{tag}"
    system, architecture = platform.split("/")
    run("docker", "build", "--quiet", "--platform", f"linux/{architecture}", "--tag", reference, "tests/ci/app",
        env={"DOCKER_BUILDKIT": "1"})
    subprocess.run(["docker", "push", "--quiet", reference], check=True, capture_output=True)
    if system == "windows":
        with tempfile.TemporaryDirectory() as folder:
            skopeo("copy", f"docker://{reference}", f"dir:{folder}", "--src-tls-verify=false")
            manifest = json.loads(Path(folder, "manifest.json").read_text())
            config = json.loads(Path(folder, manifest["config"]["digest"].split(":")[1]).read_text())
            content = json.dumps(config | {"os": system, "os.version": os_version}).encode()
            digest = hashlib.sha256(content).hexdigest()
            Path(folder, digest).write_bytes(content)
            manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(content)}
            Path(folder, "manifest.json").write_text(json.dumps(manifest))
            skopeo("copy", f"dir:{folder}", f"docker://{reference}", "--dest-tls-verify=false")
    return digest_of(reference)


def push_pair(repository, tag):
    return [push(repository, f"{tag}-{architecture}", f"linux/{architecture}") for architecture in ("amd64", "arm64")]


def github(name, values={}):
    """The step of a GitHub workflow, on a machine where docker/login-action has run for both registries."""
    (step,) = yaml(name)
    known = {"github.sha": COMMIT} | values

    def filled_in(given):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: known[match[1]], str(given))

    with tempfile.TemporaryDirectory() as home:
        Path(home, ".docker").mkdir()
        Path(home, ".docker/config.json").write_bytes(LOGIN.read_bytes())
        inputs = [f"{key}={filled_in(value)}" for key, value in step["with"].items()]
        log = run(sys.executable, "tests/ci/github_runner.py", f"{home}/work", *inputs, env={"HOME": home})
        result = json.loads(Path(home, "work/result.json").read_text())
    check(f"{name}: the step succeeds", (result["exit"], result["exit"] and log), (0, 0))
    return result["outputs"]


def four_images():
    name = "github-four-images.yml"
    images = ("api", "web", "cli", "docs")
    for image in images:
        push_pair(f"{REGISTRY}/{kind(name)}/{image}", COMMIT)
    outputs = github(name)
    check("… the digest of each by name", set(json.loads(outputs["indexes"])), set(images))
    held = {digest_of(f"{host}/{kind(name)}/api:{tag}") for host in (REGISTRY, OTHER) for tag in ("1.4.0", "1.4", "latest")}
    check("… three tags in two registries point to it", held, {json.loads(outputs["indexes"])["api"]})
    check("… which holds both platforms", platforms(f"{OTHER}/{kind(name)}/docs:1.4"), PLATFORMS)


def windows():
    name = "github-windows.yml"
    repository = f"{REGISTRY}/{kind(name)}/agent"
    for architecture in ("amd64", "arm64"):
        push(repository, f"{COMMIT}-linux-{architecture}", f"linux/{architecture}")
    versions = {"ltsc2019": "10.0.17763.6293", "ltsc2022": "10.0.20348.2700"}
    for tag, version in versions.items():
        push(repository, f"{COMMIT}-{tag}", "windows/amd64", version)
    outputs = github(name)
    entries = json.loads(raw(f"{repository}:1.4.0"))["manifests"]
    check("… the list has the OS version of each", [entry["platform"].get("os.version") for entry in entries],
          [None, None, *versions.values()])
    check("… and names them", outputs["platforms"],
          PLATFORMS + "".join(f",windows({version})/amd64" for version in versions.values()))


def metadata():
    name = "github-metadata.yml"
    digests = push_pair(f"{REGISTRY}/{kind(name)}/app", "by-digest")
    needs = {f"build-{number}": {"result": "success", "outputs": {"digest": digest}} for number, digest in enumerate(digests)}
    needs["test"] = {"result": "success", "outputs": {}}
    outputs = github(name, {"steps.meta.outputs.tag-names": "1.4.0\nlatest", "toJSON(needs)": json.dumps(needs, indent=2)})
    check("… both registries hold the list", digest_of(f"{OTHER}/{kind(name)}/app:latest"), outputs["digest"])
    check("… in the order of platforms", platforms(f"{REGISTRY}/{kind(name)}/app:1.4.0"), PLATFORMS)


def gitlab():
    name = "gitlab-digests.yml"
    repository = f"{REGISTRY}/{kind(name)}/app"
    job = yaml(name)["manifest"]
    amd64, arm64 = push_pair(repository, "by-digest")
    system = {"CI": "true", "GITLAB_CI": "true", "CI_REGISTRY": REGISTRY, "CI_REGISTRY_IMAGE": repository,
              "CI_REGISTRY_USER": USERNAME, "CI_REGISTRY_PASSWORD": PASSWORD, "CI_COMMIT_TAG": "v1.4.0",
              "AMD64_DIGEST": amd64, "ARM64_DIGEST": arm64}
    variables = {key: expand(value, system, DOLLAR) for key, value in job["variables"].items()}
    with tempfile.TemporaryDirectory() as builds:
        docker(job["image"]["name"], system | variables, "--volume", f"{builds}:/builds", "--workdir", "/builds",
               "--entrypoint", "", command=("sh", "-c", "\n".join(job["script"])))
        report = Path(builds, job["artifacts"]["reports"]["dotenv"]).read_text()
    check(f"{name}: the dotenv report has the digest", f"MANIFEST_DIGEST={digest_of(f'{repository}:v1.4.0')}\n" in report, True)
    check("… of both platforms", platforms(f"{repository}:latest"), PLATFORMS)


def woodpecker():
    name = "woodpecker-spec.yml"
    for image in ("server", "agent"):
        push_pair(f"{REGISTRY}/{kind(name)}/{image}", COMMIT)
    plugin("woodpecker", yaml(name)["steps"][0], {"CI": "woodpecker", "CI_SYSTEM_NAME": "woodpecker", "CI_COMMIT_SHA": COMMIT})
    for image in ("server", "agent"):
        check(f"{name}: {image} holds both platforms", platforms(f"{REGISTRY}/{kind(name)}/{image}:latest"), PLATFORMS)


def drone():
    name = "drone-template.yml"
    repository = f"{REGISTRY}/manifest/loki"
    step, template = yaml(name)["steps"][0], text("manifest.tmpl")
    for tag, variables in (("v3.1.0", {"DRONE_TAG": "v3.1.0"}), (f"main-{COMMIT[:7]}", {})):
        push_pair(repository, tag)
        plugin("drone", step, {"CI": "true", "DRONE": "true", "DRONE_COMMIT_SHA": COMMIT} | variables,
               {".drone/manifest.tmpl": template})
        check(f"{name}: {tag} holds both platforms", platforms(f"{repository}:{tag}"), PLATFORMS)


def tekton():
    name = "tekton-index.yml"
    repository = f"{REGISTRY}/{kind(name)}/app"
    task = yaml(name)["spec"]
    images = [f"{repository}@{digest}" for digest in push_pair(repository, "by-digest")]
    values = {"params." + param["name"]: param.get("default") for param in task["params"]} | {
        "params.IMAGE": f"{repository}:{COMMIT}"}
    step = task["steps"][0]
    words = [word for given in step["command"] + step["args"]
             for word in (images if given == "$(params.IMAGES[*])" else [expand(given, values, PARENTHESES)])]
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryDirectory() as home:
        Path(home, "config.json").write_bytes(LOGIN.read_bytes())
        # The service account's login is in the home of the step's user.
        docker(step["image"], {}, "--volume", f"{results}:/tekton/results", "--volume", f"{home}:/tekton/home/.docker",
               "--env", "HOME=/tekton/home", "--entrypoint", words[0], command=words[1:])
        got = {result["name"]: Path(results, result["name"]).read_text() for result in task["results"]}
    digest = digest_of(f"{repository}:{COMMIT}")
    check(f"{name}: the results that Tekton Chains signs", got,
          {"IMAGE_URL": repository, "IMAGE_DIGEST": digest, "IMAGES": f"{repository}@{digest}"})


def buildkite():
    name = "buildkite-promotion.yml"
    staging, app = (f"{REGISTRY}/{kind(name)}/{image}" for image in ("staging", "app"))
    ((options,),) = (plugins.values() for plugins in yaml(name)["steps"][0]["plugins"])
    for tag, commit in (("v1.4.0", "list"), ("v1.4.1", "image")):
        if commit == "list":
            images = [f"{staging}:{commit}-{architecture}" for architecture in ("amd64", "arm64")]
            push_pair(staging, commit)
            docker(options["image"], {"MANIFEST_ACTION_USERNAME": USERNAME, "MANIFEST_ACTION_PASSWORD": PASSWORD,
                                      "MANIFEST_ACTION_TAGS": f"{staging}:{commit}",
                                      "MANIFEST_ACTION_SOURCES": ",".join(images)})
        else:
            push(staging, commit, "linux/arm64")
        agent = {"BUILDKITE": "true", "CI": "true", "BUILDKITE_COMMIT": commit, "BUILDKITE_TAG": tag,
                 "MANIFEST_ACTION_PASSWORD": PASSWORD}
        flags = [flag for one in options["environment"] for flag in ("--env", expand(one, agent, DOLLAR))]
        run("docker", "run", "--rm", "--network", "host", *flags, options["image"], env=agent)
        check(f"{name}: the {commit} keeps its digest", digest_of(f"{app}:{tag}"), digest_of(f"{staging}:{commit}"))


def jenkins():
    name = "jenkins-digest-files.groovy"
    repository = f"{REGISTRY}/{kind(name)}/app"
    script = text(name)
    env = {"TAG_NAME": "v1.4.0", "LOGIN_USR": USERNAME, "LOGIN_PSW": PASSWORD}
    for key, value in re.findall(r"""["'](MANIFEST_ACTION_\w+)=([^"']*)["']""", script):
        env[key] = expand(value.replace("${env.", "${"), env, BRACES)
    with tempfile.TemporaryDirectory() as workspace:
        Path(workspace, "digests").mkdir()
        for architecture, digest in zip(("amd64", "arm64"), push_pair(repository, "by-digest")):
            Path(workspace, f"digests/linux-{architecture}").write_text(f"{repository}@{digest}\n")
        with container(re.search(r"image\('([^']*)'\)", script)[1], env, "--workdir", workspace, "--volume",
                       f"{workspace}:{workspace}", "--entrypoint=", keeps=("cat",)) as inside:
            run("docker", "exec", inside, "sh", "-xe", "-c", re.search(r"sh '(.*)'", script)[1])
    check(f"{name}: its tag holds both platforms", platforms(f"{repository}:v1.4.0"), PLATFORMS)


def circleci():
    name = "circleci-platform-tags.yml"
    repository = f"{REGISTRY}/{kind(name)}/app"
    job = yaml(name)["jobs"]["manifest"]
    pushed = dict(zip(("amd64", "arm64"), push_pair(repository, COMMIT)))
    env = job["environment"] | {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": COMMIT, "MANIFEST_ACTION_PASSWORD": PASSWORD}
    with tempfile.TemporaryDirectory() as steps, container(
            job["docker"][0]["image"], env, "--entrypoint", "/bin/sh", "--volume", f"{steps}:{steps}") as circle:
        for number, step in enumerate(job["steps"]):
            Path(steps, str(number)).write_text(step["run"])
            run("docker", "exec", circle, "/bin/sh", "-eo", "pipefail", f"{steps}/{number}")
    check(f"{name}: the list holds both platforms", platforms(f"{repository}:latest"), PLATFORMS)
    check("… a tag for each architecture is the image that was pushed",
          {name: digest_of(f"{repository}:1.4.0-{name}") for name in pushed}, pushed)


if __name__ == "__main__":
    for pipeline in (four_images, windows, metadata, gitlab, woodpecker, drone, tekton, buildkite, jenkins, circleci):
        pipeline()
