#!/usr/bin/env bash
# Linters and schemas for everything that is not Rust, and what must agree with what. Run by run.sh.
. tests/ci/lib.sh

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' .ci)
check "shellcheck: ${#scripts[@]} scripts" shellcheck --external-sources "${scripts[@]}"
check "typos: every file" typos
check "hadolint: the Dockerfiles" hadolint Dockerfile tests/ci/app/Dockerfile tests/ci/images/*.Dockerfile
check "zizmor, pedantic: the actions, the workflows and dependabot.yml" \
  zizmor --offline --persona pedantic --no-progress --quiet action.yml native/action.yml .github/workflows .github/dependabot.yml
for file in action.yml native/action.yml .github/workflows/*.yml; do
  # It is older than one of the permissions, which the schema below knows.
  sed '/^ *attestations: /d' "$file" >"$TMP/$(basename "$file")"
  check "action-validator: $file" action-validator "$TMP/$(basename "$file")"
done

check "cargo deny: licences, duplicates and sources of dependencies" \
  cargo deny --locked check --deny unmatched-skip licenses bans sources
# The database of advisories is a repository on GitHub, which is in reach where GitHub runs this.
if [[ ${GITHUB_ACTIONS:-} == true ]]; then
  check "cargo deny: no dependency has a known vulnerability" cargo deny --locked check advisories
else
  echo "-- known vulnerabilities of dependencies are not checked here, only where GitHub runs this: their database is there"
fi

# schema NAME FILE…: against the schema that the system's makers publish.
schema() {
  local name=$1 transform=()
  shift
  [[ $name != gitlab-ci && $name != azure-pipelines ]] || transform=(--data-transform "$name")
  # A pattern of Azure's for `pr` escapes what needs no escape.
  [[ $name != azure-pipelines ]] || transform+=(--regex-variant nonunicode)
  check "schema $name: $*" check-jsonschema --builtin-schema "vendor.$name" "${transform[@]}" "$@"
}
schema github-actions action.yml native/action.yml
schema dependabot .github/dependabot.yml
schema github-workflows .github/workflows/*.yml examples/ci/github.yml examples/ci/gitea.yml
# The component is two documents, what it takes and what it gives, which are looked at one by one.
csplit --quiet --prefix "$TMP/component-" --suffix-format %d.yml templates/manifest.yml '/^---$/'
schema gitlab-ci "$TMP"/component-*.yml examples/ci/gitlab.yml examples/ci/gitlab-component.yml
# What the page on registries tells people to paste: jobs, each a file of its own. A workflow also says when it runs.
awk -v folder="$TMP" '
  /^```yaml$/ { file = ""; inside = 1; next }
  /^```$/ { inside = 0 }
  inside && !file { file = sprintf("%s/registries-%s-%d.yml", folder, /GitHub/ ? "github" : "gitlab", ++count)
                    if (/GitHub/) print "on: push" > file }
  inside { print > file }
' docs/registries.md
schema github-workflows "$TMP"/registries-github-*.yml
schema gitlab-ci "$TMP"/registries-gitlab-*.yml
mkdir "$TMP/recipes"
write_recipes "$TMP/recipes"
schema github-workflows "$TMP"/recipes/*.yml
schema gitlab-ci "$TMP"/recipes/gitlab/*.yml
schema woodpecker-ci examples/ci/woodpecker.yml
schema drone-ci examples/ci/drone.yml
schema azure-pipelines examples/ci/azure.yml
schema circle-ci examples/ci/circleci.yml
schema buildkite examples/ci/buildkite.yml

# quotes PAGE FILE: whether the page holds that file's text, whole.
quotes() { [[ $(<"$1") == *"$(<"$2")"* ]]; }
for file in examples/ci/*; do
  page=docs/ci.md
  [[ $file != */git[hl]* ]] || page=README.md
  check "$page shows $file as it is" quotes "$page" "$file"
done
check "versions agree, and a release names what it runs by digest" release/tree.py check
python tests/ci/forwarded.py
python tests/ci/pasted.py
