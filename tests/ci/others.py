"""The steps for the other CI systems of docs/ci.md, each run in the image the way its system starts it.

Every function here reads one file of examples/ci and turns it into `docker run` as that system does: which variables
a step gets, how settings become variables, which folders are mounted, whether the entrypoint or a shell is started.
Only the image names change, to the registry of the tests. Run by others.sh.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ruamel.yaml import YAML

REGISTRY, USERNAME, PASSWORD = (os.environ[name] for name in ("REGISTRY", "USERNAME", "PASSWORD"))
LOGIN = Path(os.environ["DOCKER_CONFIG"], "config.json")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLATFORMS = "linux/amd64,linux/arm64"


def example(name):
    """An example's text, for the registry of the tests; `acme-bot` is its user there."""
    text = Path("examples/ci", name).read_text()
    system = name.split(".")[0].lower()
    return text.replace("ghcr.io/acme/app", f"{REGISTRY}/{system}/app").replace("acme-bot", USERNAME)


def example_yaml(name):
    return YAML(typ="safe").load(example(name))


# How a system fills in its own variables, and whether a name that it does not know becomes nothing or stays as it is.
BRACES = r"\$\{(\w+)\}", True
DOLLAR = r"\$\{?(\w+)\}?", True
PARENTHESES = r"\$\(([\w.-]+)\)", False


def expand(text, values, syntax):
    pattern, forgets = syntax
    return re.sub(pattern, lambda match: values.get(match[1], "" if forgets else match[0]), text)


def run(*command, env=None, **options):
    """A command in a bare environment: what the Docker client needs, and the variables that a system sets."""
    client = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST")}
    done = subprocess.run(command, env=client | (env or {}), capture_output=True, text=True, timeout=120, **options)
    if done.returncode:
        sys.exit(f"not ok - {' '.join(command)} (exit {done.returncode})\n{done.stdout}{done.stderr}")
    return done.stdout


def docker(image, env, *options, command=()):
    flags = [flag for name in env for flag in ("--env", name)]
    return run("docker", "run", "--rm", "--network", "host", *options, *flags, image, *command, env=env)


@contextmanager
def container(image, env, *options, keeps=("-c", "cat")):
    """A container that stays while steps are run in it; `keeps` is what it is kept alive with."""
    flags = [flag for name in env for flag in ("--env", name)]
    started = run("docker", "run", "--tty", "--detach", "--network", "host", *options, *flags, image, *keeps,
                  env=env).strip()
    try:
        yield started
    finally:
        run("docker", "rm", "--force", started)


def skopeo(*arguments):
    return run("skopeo", arguments[0], "--authfile", str(LOGIN), *arguments[1:])


def raw(reference):
    return skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reference}")


def digest_of(reference):
    return "sha256:" + hashlib.sha256(raw(reference).encode()).hexdigest()


def platforms(reference):
    entries = [entry["platform"] for entry in json.loads(raw(reference))["manifests"]]
    return ",".join("/".join([entry["os"], entry["architecture"]]) for entry in entries)


def tag(system, name="latest"):
    """The digest and the platforms of a tag, as another client reads them."""
    reference = f"{REGISTRY}/{system}/app:{name}"
    return digest_of(reference), platforms(reference)


def check(what, got, want):
    if got != want:
        sys.exit(f"not ok - {what}\n got: {got!r}\nwant: {want!r}")
    print(f"ok - {what}", flush=True)


def settings_to_variables(settings):
    """`settings:` as Woodpecker (settings/params.go) and Drone pass them on."""
    def value(given):
        if isinstance(given, dict) and "from_secret" in given:
            return PASSWORD
        if isinstance(given, list) and not any(isinstance(one, (dict, list)) for one in given):
            return ",".join(map(value, given))
        if isinstance(given, (dict, list)):
            return json.dumps(given)
        return str(given).lower() if isinstance(given, bool) else str(given)
    return {"PLUGIN_" + re.sub("[-.]", "_", name).upper(): value(given) for name, given in settings.items()}


def plugin(system, step, variables, files={}, **changes):
    """A plugin step: entrypoint, no shell, the workspace mounted, the settings and the system's own variables."""
    settings = {name: given for name, given in (step["settings"] | changes).items() if given is not None}
    env = {name: expand(given, variables, BRACES) for name, given in settings_to_variables(settings).items()}
    with tempfile.TemporaryDirectory() as workspace:
        for name, content in files.items():
            file = Path(workspace, "src", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        return docker(step["image"], variables | env, "--volume", f"{workspace}:/{system}", "--workdir", f"/{system}/src")


def woodpecker():
    variables = {"CI": "woodpecker", "CI_COMMIT_SHA": COMMIT, "CI_REPO": "acme/app", "CI_SYSTEM_NAME": "woodpecker",
                 "CI_WORKSPACE": "/woodpecker/src"}
    plugin("woodpecker", example_yaml("woodpecker.yml")["steps"][0], variables)
    check("woodpecker: settings alone", tag("woodpecker")[1], PLATFORMS)


def drone():
    variables = {"CI": "true", "DRONE": "true", "DRONE_COMMIT_SHA": COMMIT, "DRONE_REPO": "acme/app"}
    step = example_yaml("drone.yml")["steps"][0]
    plugin("drone", step, variables)
    check("drone: the keys of plugins/manifest alone", tag("drone")[1], PLATFORMS)
    plugin("drone", step, variables, tags=["1", "1.4"])
    check("drone: bare tags are the target's", (tag("drone", "1"), tag("drone", "1.4")), (tag("drone"),) * 2)
    plugin("drone", step, variables, target=f"{REGISTRY}/drone/app:some", ignore_missing=True, wait="0",
           platforms=["linux/amd64", "linux/arm64", "linux/s390x"])
    check("drone: ignore_missing leaves out what is not there", tag("drone", "some"), tag("drone"))
    image = REGISTRY + '/drone/{{config.target}}:'
    spec = f"image: {image}{{{{trimPrefix \"v\" build.tag}}}}\nmanifests:\n" + "".join(
        f"  - image: {image}{{{{build.commit}}}}-linux-{arch}\n    platform: {{os: linux, architecture: {arch}}}\n"
        for arch in ("amd64", "arm64"))
    plugin("drone", step, variables | {"DRONE_TAG": "v9.1"}, target="app", template=None, platforms=None, spec=spec)
    check("drone: a template of plugins/manifest", tag("drone", "9.1"), tag("drone"))


def tekton():
    task = example_yaml("tekton.yml")["spec"]
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryDirectory() as login:
        Path(login, "config.json").write_text(LOGIN.read_text())
        values = {"params." + param["name"]: param.get("default") for param in task["params"]} | {
            "params.tags": f"{REGISTRY}/tekton/app:latest",
            "params.sources": f"{REGISTRY}/tekton/app:{COMMIT}-{{arch}}",
            "workspaces.docker-config.path": "/workspace/docker-config"}
        step = task["steps"][0]
        env = {one["name"]: expand(one["value"], values, PARENTHESES) for one in step["env"]}
        docker(step["image"], env, "--volume", f"{results}:/tekton/results", "--volume", 
               f"{login}:/workspace/docker-config", "--entrypoint", step["command"][0])
        digest = tag("tekton")[0]
        want = {"digest": digest, "image": f"{REGISTRY}/tekton/app@{digest}", "platforms": PLATFORMS, "changed": "true"}
        names = [result["name"] for result in task["results"]]
        check("tekton: the results, byte for byte",
              {name: Path(results, name).read_bytes() for name in names},
              {name: want[name].encode() for name in names})


def azure():
    login, step = example_yaml("azure.yml")["steps"]
    with tempfile.TemporaryDirectory() as temp:
        # Docker@2's login writes a folder of its own and points DOCKER_CONFIG at it.
        docker_config = Path(temp, "login")
        docker_config.mkdir()
        (docker_config / "config.json").write_text(LOGIN.read_text())
        env = {"TF_BUILD": "True", "BUILD_SOURCEVERSION": COMMIT, "AGENT_TEMPDIRECTORY": temp,
               "DOCKER_CONFIG": str(docker_config)}
        def filled_in(text):
            return expand(text, {"Build.SourceVersion": COMMIT}, PARENTHESES)
        env |= {name: filled_in(value) for name, value in step["env"].items()}
        script = Path(temp, "script.sh")
        script.write_text(on_host_network(filled_in(step["script"])))
        log = run("bash", "--noprofile", "--norc", str(script), env=env)
    check("azure: the output variable", log.strip().splitlines()[-1],
          f"##vso[task.setvariable variable=digest;isOutput=true]{tag('azure')[0]}")


def on_host_network(script):
    return script.replace("docker run", "docker run --network host")


def circleci():
    job = example_yaml("circleci.yml")["jobs"]["manifest"]
    env = job["environment"] | {"CI": "true", "CIRCLECI": "true", "CIRCLE_SHA1": COMMIT, "BASH_ENV": "/tmp/.bash_env-1",
                                "MANIFEST_ACTION_PASSWORD": PASSWORD}
    with tempfile.TemporaryDirectory() as steps, container(
            job["docker"][0]["image"], env, "--entrypoint", "/bin/sh", "--volume", f"{steps}:{steps}") as circle:
        # Each step is a file for `/bin/sh -eo pipefail` where the image has no bash: a new shell, in one container.
        for number, step in enumerate(job["steps"]):
            Path(steps, str(number)).write_text(step["run"])
            log = run("docker", "exec", circle, "/bin/sh", "-eo", "pipefail", f"{steps}/{number}")
    check("circleci: the next step reads the digest", log.strip(), f"deploy {tag('circleci')[0]}")


def jenkins():
    text = example("Jenkinsfile")
    system = "jenkinsfile"
    image, arguments = re.search(r"image '(.*)'", text)[1], re.search(r"args '(.*)'", text)[1]
    env = {"JENKINS_URL": "http://127.0.0.1:1/", "GIT_COMMIT": COMMIT, "LOGIN_USR": USERNAME, "LOGIN_PSW": PASSWORD}
    for name, value in re.findall(r'(\w+) = "(.*)"', text):
        env[name] = expand(value, env, BRACES)
    with tempfile.TemporaryDirectory() as workspace:
        # docker.inside: the agent's own user, to whom the workspace belongs; each `sh` is a script run by an exec.
        os.chown(workspace, 1000, 1000)
        with container(image, env, "--user", "1000:1000", "--workdir", workspace, "--volume", f"{workspace}:{workspace}",
                       arguments, keeps=("cat",)) as jenkins_container:
            assert "cat" in run("docker", "top", jenkins_container, "-eo", "pid,comm")
            for script in re.findall(r"sh '(.*)'", text):
                run("docker", "exec", jenkins_container, "sh", "-xe", "-c", script)
        digest = Path(workspace, re.search(r"readFile\('(.*)'\)", text)[1]).read_text()
    check("jenkins: the pipeline reads the digest", digest, tag(system)[0])


def buildkite():
    step = example_yaml("buildkite.yml")["steps"][0]
    (options,) = step["plugins"][0].values()
    # `$` is filled in when the pipeline is uploaded; a name alone is passed on from the agent.
    agent = {"BUILDKITE": "true", "CI": "true", "BUILDKITE_COMMIT": COMMIT, "MANIFEST_ACTION_PASSWORD": PASSWORD}
    flags = [flag for one in options["environment"] for flag in ("--env", expand(one, agent, DOLLAR))]
    assert options["shell"] is False
    with tempfile.TemporaryDirectory() as checkout:
        run("docker", "run", "--tty", "--rm", "--volume", f"{checkout}:/workdir", "--workdir", "/workdir",
            *flags, "--network", "host", options["image"], env=agent)
        digest = Path(checkout, step["artifact_paths"]).read_text()
    check("buildkite: the artifact is the digest", digest, tag("buildkite")[0])


if __name__ == "__main__":
    for system in (woodpecker, drone, tekton, azure, circleci, jenkins, buildkite):
        system()
