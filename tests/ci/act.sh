#!/usr/bin/env bash
# Whole workflows, run by act: README's example, Gitea's and Forgejo's, Docker's own for several runners, one that
# waits and fails, and one with a credential helper.
# Run by run.sh.
. tests/ci/lib.sh
. tests/ci/workflow.sh

# Each workflow, for the registry of these tests.
cp tests/ci/app/Dockerfile "$project"
for workflow in examples/ci/github.yml examples/ci/gitea.yml tests/ci/act/{waiting,helpers,docker-runners}.yml; do
  sed "s#ghcr.io/acme/app#$REGISTRY/act/app#; s#registry: ghcr.io#registry: $REGISTRY#; s#gitea.example.com#$REGISTRY#" \
    "$workflow" >"$project/.github/workflows/$(basename "$workflow")"
done
commit_project

check "the README's workflow runs: a matrix builds, the action composes, a later job pulls by the digest" \
  workflow github.yml --eventpath "$TMP/tagged.json"
check "… its tags hold both platforms" test "$(holds "$REGISTRY/act/app:v1.4.0") $(holds "$REGISTRY/act/app:latest")" = \
  "linux/amd64,linux/arm64 linux/amd64,linux/arm64"
check "… with the login that docker/login-action left" grep -q 'is handed to the container' "$TMP/log"

check "an action that starts first waits for the images of another job" workflow waiting.yml
check "… it did wait" grep -qi 'manifest.*wait' "$TMP/log"
check "… its tag holds both platforms" test "$(holds "$REGISTRY/act/app:waited")" = linux/amd64,linux/arm64
check "… the image that never came left no tag" gives 1 holds "$REGISTRY/act/app:refused"
check "… and its job saw the failure" grep -q 'refused.*Job succeeded' "$TMP/log"

check "a credential helper of the job's machine logs in" workflow helpers.yml
check "… its tag holds both platforms" test "$(holds "$REGISTRY/act/app:helper")" = linux/amd64,linux/arm64
check "… the log says so" grep -q 'login .* from docker-credential-test of ' "$TMP/log"

check "Docker's workflow for several runners runs, its merge job ending in the action" workflow docker-runners.yml
# In the order of the files' names, which are digests.
check "… its tag holds both platforms" \
  test "$(holds "$REGISTRY/act/app:runners" | tr , '\n' | sort | paste -sd,)" = linux/amd64,linux/arm64
check "… of the digests that the runners handed on" test "$(find "$TMP/artifacts" -type f -printf '%f\n' | sort)" = \
  "$(digests_in "$REGISTRY/act/app:runners" | sort)"
# Of the lines that the page on migration adds to Docker's, all but the first belong together.
step=$(sed -n '/^.\{3\}diff$/,/^.\{3\}$/ s/^+//p' docs/migration.md | tail -n +2)
quotes_step() { [[ -n $step && $(<tests/ci/act/docker-runners.yml) == *"$step"* ]]; }
check "… and what the page on migration adds to Docker's is what was run" quotes_step

check "the workflow for Gitea and Forgejo runs: a matrix builds, the image composes" workflow gitea.yml
check "… its tag holds both platforms" test "$(holds "$REGISTRY/acme/app:latest")" = linux/amd64,linux/arm64
