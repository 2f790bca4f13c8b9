"""Runs our composite action as GitHub's runner does, on a Linux machine.

What is copied from the runner (actions/runner, src/Runner.Worker): the folders, their mounts and which variables name
them (Handlers/ContainerActionHandler.cs), values that begin with a mounted folder being rewritten to the container's
path (Container/ContainerInfo.cs), the shape of `docker run` (Container/DockerCommandManager.cs), fresh command files
for each step (FileCommandManager.cs), and `container:` jobs, whose scripts see other paths than the host's
(ContainerOperationProvider.cs). Of the expression language it knows what action.yml uses.

usage: github_runner.py [--old] [--container IMAGE] [--set-env NAME=VALUE]… WORK NAME=VALUE…
Writes {"exit": …, "outputs": {…}, "summary": …, "left": […]} to WORK/result.json; the log goes to stdout.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

from ruamel.yaml import YAML

TOKEN = re.compile(r"\s*(&&|\|\||[(),]|'(?:[^']|'')*'|[\w.-]+)")


class Expression:
    """Values, `&&`, `||` and `format`, over a dictionary of contexts."""

    def __init__(self, text, contexts):
        self.tokens, self.contexts = TOKEN.findall(text) + [None], contexts

    def evaluate(self):
        value = self.either()
        if self.tokens != [None]:
            raise ValueError(f"cannot evaluate from {self.tokens}")
        return value

    def either(self):
        value = self.both()
        while self.tokens[0] == "||":
            self.tokens.pop(0)
            other = self.both()
            value = value or other
        return value

    def both(self):
        value = self.one()
        while self.tokens[0] == "&&":
            self.tokens.pop(0)
            other = self.one()
            value = value and other
        return value

    def one(self):
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self.tokens[0] == "(":
            self.tokens.pop(0)
            arguments = []
            while self.tokens[0] != ")":
                arguments.append(self.either())
                if self.tokens[0] == ",":
                    self.tokens.pop(0)
            self.tokens.pop(0)
            return {"format": lambda text, *rest: text.format(*rest), "always": lambda: True}[token](*arguments)
        value = self.contexts
        for name in token.split("."):
            value = value.get(name, {})
        return "" if value == {} else value


def fill(text, contexts):
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(Expression(match[1], contexts).evaluate()), str(text))


def outputs_of(text):
    """GITHUB_OUTPUT as FileCommandManager.cs reads it."""
    values, lines = {}, iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        else:
            name, delimiter = line.split("<<", 1)
            value = []
            for part in lines:
                if part == delimiter:
                    break
                value.append(part)
            else:
                raise ValueError(f"no end of {name}")
            value = "\n".join(value)
        values[name] = value
    return values


class Runner:
    def __init__(self, work, container, extra, old):
        self.container, self.extra = container, extra
        self.work = work.resolve()
        self.temp = self.work / "_temp"
        self.home, self.flow = self.temp / "_github_home", self.temp / "_github_workflow"
        self.commands, self.workspace = self.temp / "_runner_file_commands", self.work / "app/app"
        self.action = self.work / "_actions/acme-tools/manifest-action/v1"
        for folder in (self.flow, self.commands, self.workspace, self.action):
            folder.mkdir(parents=True, exist_ok=True)
        (self.flow / "event.json").write_text("{}")
        shutil.copy("action.yml", self.action)
        shutil.copytree("action", self.action / "action", dirs_exist_ok=True)
        # The most recently added mapping is looked at first.
        self.step_mounts = {self.workspace: "/github/workspace", self.commands: "/github/file_commands",
                            self.flow: "/github/workflow", self.home: "/github/home"}
        if not old:  # since 2.331.0
            self.step_mounts[self.temp] = "/github/runner_temp"
        self.job_mounts = {self.home: "/github/home", self.flow: "/github/workflow", self.work: "/__w"}

    def variables(self):
        """The GITHUB_*, RUNNER_* variables of a step, with fresh command files, by the host's paths."""
        run = uuid.uuid4()
        self.files = {name: self.commands / f"{kind}_{run}" for name, kind in
                      {"OUTPUT": "set_output", "ENV": "set_env", "PATH": "add_path", "STATE": "save_state",
                       "STEP_SUMMARY": "step_summary"}.items()}
        for file in self.files.values():
            file.touch()
        return {f"GITHUB_{name}": str(file) for name, file in self.files.items()} | {
            "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTION": "__acme-tools_manifest-action",
            "GITHUB_ACTION_REF": "v1", "GITHUB_ACTION_REPOSITORY": "acme-tools/manifest-action",
            "GITHUB_ACTION_PATH": str(self.action),
            "GITHUB_ACTOR": "tester", "GITHUB_ACTOR_ID": "1", "GITHUB_API_URL": "https://api.github.invalid",
            "GITHUB_BASE_REF": "", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(self.flow / "event.json"),
            "GITHUB_GRAPHQL_URL": "https://api.github.invalid/graphql", "GITHUB_HEAD_REF": "", "GITHUB_JOB": "manifest",
            "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main", "GITHUB_REF_PROTECTED": "false",
            "GITHUB_REF_TYPE": "branch", "GITHUB_REPOSITORY": "acme/app", "GITHUB_REPOSITORY_ID": "2",
            "GITHUB_REPOSITORY_OWNER": "acme", "GITHUB_REPOSITORY_OWNER_ID": "3", "GITHUB_RETENTION_DAYS": "90",
            "GITHUB_RUN_ATTEMPT": "1", "GITHUB_RUN_ID": "4", "GITHUB_RUN_NUMBER": "5",
            "GITHUB_SERVER_URL": "https://github.invalid", "GITHUB_SHA": "0" * 40,
            "GITHUB_TRIGGERING_ACTOR": "tester", "GITHUB_WORKFLOW": "image",
            "GITHUB_WORKFLOW_REF": "acme/app/.github/workflows/image.yml@refs/heads/main",
            "GITHUB_WORKFLOW_SHA": "0" * 40, "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_ARCH": "X64", "RUNNER_ENVIRONMENT": "github-hosted", "RUNNER_NAME": "test", "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.temp), "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache",
            "RUNNER_WORKSPACE": str(self.workspace.parent)} | self.extra

    @staticmethod
    def translate(value, mounts):
        for host, inside in mounts.items():
            if value == str(host) or value.startswith(f"{host}/"):
                return inside + value[len(str(host)):]
        return value

    def docker(self, mounts, env, workdir, *arguments):
        env = {name: self.translate(value, mounts) for name, value in env.items()}
        command = ["docker", "run", "--name", f"step_{uuid.uuid4().hex}", "--label", "aaaaaa", "--workdir", workdir,
                   "--rm", "--network", "host"]  # the runner would name the job's own network, or none
        for name in env:  # values pass through the client's own environment
            command += ["-e", name]
        socket = Path(os.environ["DOCKER_HOST"].removeprefix("unix://"))
        for host, inside in {socket: "/var/run/docker.sock", **mounts}.items():
            command += ["-v", f"{host}:{inside}"]
        client = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST")}
        return subprocess.run([*command, *arguments], env=client | env).returncode

    def script(self, run, env):
        if not self.container:
            return subprocess.run(["sh", "-e", "-c", run], cwd=self.workspace,
                                  env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | env).returncode
        return self.docker(self.job_mounts, {"HOME": str(self.home)} | env, "/__w/app/app",
                           "--entrypoint", "sh", self.container, "-e", "-c", run)

    def image(self, image, inputs, env):
        self.home.mkdir(exist_ok=True)
        env = env | {"INPUT_" + name.upper(): value for name, value in inputs.items()} | {
            "HOME": str(self.home), "ACTIONS_RUNTIME_TOKEN": "runtime-token",
            "ACTIONS_RUNTIME_URL": "https://pipelines.invalid/"}
        return self.docker(self.step_mounts, env, "/github/workspace", image)

    def run(self, given):
        action = YAML(typ="safe").load(self.action / "action.yml")
        unknown = given.keys() - action["inputs"].keys()
        if unknown:
            raise ValueError(f"unknown inputs: {unknown}")
        contexts = {"github": {"token": "github-token"}, "runner": {"temp": str(self.temp)}, "steps": {}}
        contexts["inputs"] = {name: given.get(name, fill(of.get("default", ""), contexts))
                              for name, of in action["inputs"].items()}
        failed, result = 0, {"summary": ""}
        for step in action["runs"]["steps"]:
            if failed and step.get("if") != "always()":
                continue
            print(f"== {step['name']}", flush=True)
            env = self.variables() | {name: fill(value, contexts) for name, value in step.get("env", {}).items()}
            if "run" in step:
                if "${{" in step["run"]:
                    raise ValueError("an expression inside a script")
                code = self.script(step["run"], env)
            else:
                inputs = {name: fill(value, contexts) for name, value in step["with"].items()}
                code = self.image(step["uses"].removeprefix("docker://"), inputs, env)
            failed = failed or code
            if "id" in step:
                contexts["steps"][step["id"]] = {"outputs": outputs_of(self.files["OUTPUT"].read_text())}
            result["summary"] += self.files["STEP_SUMMARY"].read_text()
            for file in self.files.values():
                file.unlink()
        result["exit"] = failed
        result["outputs"] = {name: fill(of["value"], contexts) for name, of in action["outputs"].items()}
        # Whatever is left in the shared folder could be read by a later step.
        result["left"] = [path.name for path in self.commands.iterdir()]
        (self.work / "result.json").write_text(json.dumps(result, indent=1))


def pairs(texts):
    return dict(text.split("=", 1) for text in texts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--container")
    parser.add_argument("--set-env", action="append", default=[])
    parser.add_argument("work", type=Path)
    parser.add_argument("inputs", nargs="*")
    options = parser.parse_intermixed_args()
    Runner(options.work, options.container, pairs(options.set_env), options.old).run(pairs(options.inputs))
