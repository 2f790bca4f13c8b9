# shellcheck shell=bash
# Workflows run by act in a repository of their own, $project; sourced, after lib.sh. What cannot be fetched where the tests run
# has a stand-in in tests/ci/act.

project=$TMP/project
mkdir -p "$project/.github/workflows" "$TMP/action" "$TMP/artifacts" "$TMP/home"
cp -r action.yml action "$TMP/action"
# What GitHub tells a workflow that a Git tag started.
echo '{"ref": "refs/tags/v1.4.0"}' >"$TMP/tagged.json"

commit_project() {
  git -C "$project" init --quiet --initial-branch main
  git -C "$project" add .
  git -C "$project" -c user.name=tester -c user.email=tester@example.com commit --quiet --message "chore: start"
}

# workflow FILE [OPTION…]: one run of it for $EVENT (push); the log in $TMP/log. A pull request, as that of a fork, has no secrets.
workflow() {
  local file=$1 event=${EVENT:-push} secrets=()
  shift
  [[ $event == pull_request ]] || secrets=(--secret "GITHUB_TOKEN=$PASSWORD" --secret "REGISTRY_TOKEN=$PASSWORD"
    --secret "DOCKERHUB_TOKEN=$PASSWORD")
  HOME=$TMP/home act "$event" --directory "$project" --workflows "$project/.github/workflows/$file" "$@" \
    --platform ubuntu-24.04=manifest-action-test/runner --platform ubuntu-24.04-arm=manifest-action-test/runner \
    --platform ubuntu-latest=manifest-action-test/runner \
    --platform amd64=manifest-action-test/runner --platform arm64=manifest-action-test/runner \
    --pull=false --network host --rm --concurrent-jobs 4 \
    --actor "$USERNAME" "${secrets[@]}" \
    --local-repository "$OWNER/manifest-action@v1=$TMP/action" \
    --container-options "--volume $TMP/artifacts:/artifacts" \
    --local-repository "docker/login-action@v4=$PWD/tests/ci/act/login-action" \
    --local-repository "docker/metadata-action@v5=$PWD/tests/ci/act/metadata-action" \
    --local-repository "docker/setup-qemu-action@v3=$PWD/tests/ci/act/nothing" \
    --local-repository "docker/setup-buildx-action@v3=$PWD/tests/ci/act/nothing" \
    --local-repository "sigstore/cosign-installer@v3=$PWD/tests/ci/act/cosign-installer" \
    --local-repository "actions/attest-build-provenance@v3=$PWD/tests/ci/act/attest-build-provenance" \
    --local-repository "actions/upload-artifact@v4=$PWD/tests/ci/act/upload-artifact" \
    --local-repository "actions/download-artifact@v4=$PWD/tests/ci/act/download-artifact" \
    --local-repository "docker/build-push-action@v6=$PWD/tests/ci/act/build-push-action" >"$TMP/log" 2>&1 ||
    { cat "$TMP/log" && return 1; }
}
