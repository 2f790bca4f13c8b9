"""Every input of action.yml reaches the program under its own name, there and in the GitLab component, and every output
comes back. Which inputs and outputs there are is the program's to say: tests/it compares."""

from pathlib import Path

from ruamel.yaml import YAML


def check(what, got, want):
    if got != want:
        raise SystemExit(f"not ok - {what}\n got: {got}\nwant: {want}")
    print(f"ok - {what}")


action = YAML(typ="safe").load(Path("action.yml"))
step = next(step for step in action["runs"]["steps"] if step.get("uses"))
check("action.yml hands on every input under its name", step["with"],
      {name: f"${{{{ inputs.{name} }}}}" for name in action["inputs"]})
check("action.yml hands back every output under its name",
      {name: output["value"] for name, output in action["outputs"].items()},
      {name: f"${{{{ steps.{step['id']}.outputs.{name} }}}}" for name in action["outputs"]})
native = YAML(typ="safe").load(Path("native/action.yml"))
check("native/action.yml has the same inputs", native["inputs"], action["inputs"])
check("native/action.yml has the same outputs", native["outputs"], action["outputs"])
(step,) = native["runs"]["steps"]
check("native/action.yml hands on every input under its name", step["env"],
      {"INPUT_" + name.replace("-", "_").upper(): f"${{{{ inputs.{name} }}}}" for name in native["inputs"]})
check("native/action.yml's script holds no input", step["run"], 'bash "$GITHUB_ACTION_PATH/run.sh"')
header, jobs = YAML(typ="safe").load_all(Path("templates/manifest.yml"))
(job,) = jobs.values()
check("the GitLab component takes the same inputs",
      [name for name in header["spec"]["inputs"] if name not in ("job", "stage", "image")], list(action["inputs"]))
check("the GitLab component hands on every input under its name", job["variables"],
      {"MANIFEST_ACTION_" + name.replace("-", "_").upper(): f"$[[ inputs.{name} ]]" for name in action["inputs"]})
# Older GitLab refuses a boolean among variables (its issue 21587), and an input of that type becomes one.
check("the GitLab component's variables are texts or numbers",
      {name: given["type"] for name, given in header["spec"]["inputs"].items()
       if given.get("type", "string") not in ("string", "number")}, {})
check("the GitLab component's defaults are of their types, and options are texts",
      [name for name, given in header["spec"]["inputs"].items()
       if type(given["default"]) is not {"string": str, "number": int}[given.get("type", "string")]
       or not all(isinstance(option, str) for option in given.get("options", []))], [])
check("the GitLab component's script holds no input", job["script"], ["manifest-action"])
