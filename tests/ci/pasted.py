"""What people paste works where it is pasted: the examples of README and docs/ci.md, beyond what their schemas say. Run by lint.sh.

A first line names what to replace, `needs` names jobs that exist, a branch does not move `latest`, a job that needs a
permission has it, and Azure finds a step's keyword where it looks for it.
"""

import json
import os
import re
from pathlib import Path

import check_jsonschema
from ruamel.yaml import YAML

EXAMPLES = sorted(Path("examples/ci").iterdir())
# Names that nobody has: whoever pastes them needs to be told.
MADE_UP = re.compile(r"acme[\w/-]*|[\w.]*example\.com|registry_token|REGISTRY_TOKEN")


def check(what, problems):
    if problems:
        raise SystemExit("\n".join([f"not ok - {what}", *problems]))
    print(f"ok - {what}", flush=True)


def parse(text):
    return YAML(typ="safe").load(text)


def jobs(name, content):
    """The jobs of a workflow, by name."""
    if name.startswith("gitlab"):
        return {key: job for key, job in content.items() if isinstance(job, dict) and "script" in job}
    return content["jobs"] if name in ("github.yml", "gitea.yml", "README.md") else {}


def replaced(name, text):
    """Whether the comment at the top names all that is made up, and only what is there."""
    comment = re.match(r"(?:(?:#|//) .*\n)+", text)
    if not comment:
        return [f"{name} does not say what to replace"]
    below = text[comment.end():]
    if "Nothing to replace:" in comment[0]:
        words = []
    elif listed := re.search(r"Replace ([^.:]+(?:\.\w[^.:]*)*)[.:]", comment[0]):
        words = [word.split()[-1] for word in re.split(r", (?:and )?| and ", listed[1])]
    else:
        return [f"{name} does not say what to replace"]
    unknown = [f"{name} has no {word} to replace" for word in words if word not in below]
    for word in words:
        below = below.replace(word, "")
    return unknown + [f"{name} does not say that {word[0]} is to be replaced" for word in MADE_UP.finditer(below)]


def unknown_needs(name, content):
    known = jobs(name, content)
    # The component brings a job of this name.
    names = set(known) | ({"manifest"} if name == "gitlab-component.yml" else set())
    needs = [(job, need) for job, body in known.items() for need in ([body["needs"]] if isinstance(
        body.get("needs"), str) else body.get("needs", []))]
    return [f"{name}: {job} needs {need}, which is not there" for job, need in needs if need not in names]


def is_for_one_branch(name, text, content):
    """Whether the example runs for a branch or for Git tags only, in its system's own words."""
    if name == "Jenkinsfile":
        return "when { branch 'main' }" in text
    return {
        "azure.yml": lambda: content["trigger"] == ["main"] and content["pr"] == "none",
        "buildkite.yml": lambda: 'build.branch == "main"' in content["steps"][0]["if"],
        "circleci.yml": lambda: content["workflows"]["image"]["jobs"][0]["manifest"]["filters"]["branches"]["only"],
        "drone.yml": lambda: content["trigger"]["branch"] and content["trigger"]["event"] == ["push"],
        "gitea.yml": lambda: content["on"]["push"]["branches"],
        "github.yml": lambda: content["on"]["push"]["tags"],
        "woodpecker.yml": lambda: content["when"][0]["branch"] and content["when"][0]["event"] == "push",
    }[name]()


def lacks_permissions(name, content):
    """On GitHub, where nothing else lets a job's token push."""
    pushes = ("docker/build-push-action", f"{os.environ['OWNER']}/manifest-action")
    problems = []
    for job, body in jobs(name, content).items():
        uses = [step.get("uses", "") for step in body["steps"]]
        allowed = body.get("permissions", {}).get("packages")
        if any(use.startswith(pushes) for use in uses) and allowed != "write":
            problems.append(f"{name}: {job} lacks `permissions: packages: write`")
        if any(use.startswith("docker/login-action") for use in uses) and not allowed:
            problems.append(f"{name}: {job} logs in without a permission for packages")
    return problems


def first_properties(node):
    """What Azure's own schema says a thing begins with; JSON Schema has no order, so no validator looks."""
    if isinstance(node, dict):
        yield from node.get("firstProperty", [])
        for inner in node.values():
            yield from first_properties(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from first_properties(inner)


def keyword_late(content):
    schemas = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    definitions = json.loads((schemas / "azure-pipelines.json").read_text())["definitions"]
    keywords = set(first_properties([definitions["step"], definitions["task"]]))
    assert {"script", "task", "bash"} <= keywords, keywords
    return [f"azure.yml: a step begins with {next(iter(step))}, which is no step's keyword"
            for step in content["steps"] if next(iter(step)) not in keywords]


readme = Path("README.md").read_text()
first = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)[1]
texts = {"README.md": first} | {path.name: path.read_text() for path in EXAMPLES}
contents = {name: parse(text) for name, text in texts.items() if name.endswith((".yml", ".md"))}

check("every example says what to replace", [one for name, text in texts.items() for one in replaced(name, text)])
check("every job that is needed exists", [one for name, content in contents.items() for one in
                                          unknown_needs(name, content)])
check("no branch but one moves latest", [f"{name} moves latest from every branch" for name, text in texts.items()
                                         if "app:latest" in text and not is_for_one_branch(name, text, contents.get(name))])
check("GitHub's jobs have the permissions that they need",
      [one for name in ("README.md", "github.yml") for one in lacks_permissions(name, contents[name])])
check("Azure's steps begin with their keyword", keyword_late(contents["azure.yml"]))
shown, whole = (jobs(name, contents[name])["manifest"]["steps"] for name in ("README.md", "github.yml"))
tags = shown[1]["with"].pop("tags"), whole[1]["with"].pop("tags")
check("README's first step is the one of its workflow, which is run",
      [] if shown == whole and all(tags) else [f"{shown}\n{whole}"])
