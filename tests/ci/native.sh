#!/usr/bin/env bash
# native/action.yml: the program that a machine runs itself, from a file server of these tests. Run by run.sh.
. tests/ci/lib.sh
. tests/ci/workflow.sh

# A release, in folders with spaces, as they are on a Mac.
released="$TMP/a release" action="$TMP/an action" machine="$TMP/a machine"
mkdir -p "$released" "$action" "$machine/temp"
container=$(docker create "$IMAGE")
docker cp "$container:/usr/local/bin/manifest-action" "$released/manifest-action-1.4.0-rc.1-linux-amd64" 2>/dev/null
docker rm "$container" >/dev/null
for system in linux-arm64 darwin-amd64 darwin-arm64; do
  printf '#!/bin/sh\necho "here runs %s"\n' "$system" >"$released/manifest-action-1.4.0-rc.1-$system"
done
chmod 0644 "$released"/*
(cd "$released" && sha256sum manifest-action-*) >"$action/SHA256SUMS"
cp native/run.sh native/action.yml "$action"

python3 -u -m http.server --bind 127.0.0.1 --directory "$TMP" 0 >"$TMP/server.log" 2>&1 &
SERVER=$!
trap 'kill "$SERVER"' EXIT
eventually 30 grep -q 'Serving HTTP' "$TMP/server.log"
port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$TMP/server.log")
downloads="http://127.0.0.1:$port/a%20release"
asked() { test "$(grep -c 'GET /' "$TMP/server.log")" = "$1"; }

# native_on SYSTEM ARCH [NAME=VALUE…]: one run of the script; the log in $TMP/log.
native_on() {
  local status=0
  env -i PATH="$PATH" HOME="$machine" RUNNER_OS="$1" RUNNER_ARCH="$2" RUNNER_TEMP="$machine/temp" MANIFEST_DOWNLOADS="$downloads" \
    DOCKER_CONFIG="$DOCKER_CONFIG" GITHUB_OUTPUT="$machine/output" "${@:3}" bash "$action/run.sh" >"$TMP/log" 2>&1 || status=$?
  return "$status"
}
told() { grep -qF "$1" "$TMP/log"; }
tools="$machine/tool cache"
kept="$tools/manifest-action/1.4.0-rc.1/linux-amd64/manifest-action"

repository=$REGISTRY/native/app
push_app "$repository:1-amd64" amd64
push_app "$repository:1-arm64" arm64
good=("RUNNER_TOOL_CACHE=$tools" "INPUT_SOURCES=$repository:1-{arch}" "INPUT_PLATFORMS=linux/amd64,linux/arm64")
check "the program is downloaded and run" native_on Linux X64 "${good[@]}" "INPUT_TAGS=$repository:1" INPUT_WAIT= INPUT_FORMAT=oci
check "… its tag holds both platforms" test "$(holds "$repository:1")" = linux/amd64,linux/arm64
check "… an input whose name has a hyphen arrives" gives 2 native_on Linux X64 "${good[@]}" INPUT_PLATFORM_TAGS=:bad "INPUT_TAGS=$repository:2"
check "… its outputs are those of the step" grep -q '^digest' "$machine/output"
check "… it is kept with the machine's tools, and downloaded once" sh -c "test -x '$kept'"
check "… (one request)" asked 1
echo 'echo "something else"' >"$kept"
check "one that was changed there" native_on Linux X64 "${good[@]}" "INPUT_TAGS=$repository:3"
check "… is downloaded anew, not run" lacks "$TMP/log" 'something else'
check "… (two requests)" asked 2
check "without a place for tools it is kept with the job" native_on Linux X64 "${good[@]:1}" "INPUT_TAGS=$repository:4"
check "… there" test -x "$machine/temp/manifest-action/1.4.0-rc.1/linux-amd64/manifest-action"
check "the program's exit status is the step's" gives 2 native_on Linux X64 "${good[@]}"
for pair in 'Linux ARM64 linux-arm64' 'macOS X64 darwin-amd64' 'macOS ARM64 darwin-arm64'; do
  read -r system arch name <<<"$pair"
  check "$system on $arch" native_on "$system" "$arch"
  check "… runs its own" told "here runs $name"
done

check "a system that this release lacks" gives 2 native_on Windows X64
check "… is told" told '::error title=manifest-action::this release has no program for Windows on X64'
check "a system that no release has" gives 2 native_on Windows ARM
check "… is told" told '::error title=manifest-action::there is no program for Windows on ARM'

echo ' ' >>"$released/manifest-action-1.4.0-rc.1-linux-arm64"
rm -r "$machine/temp/manifest-action"
check "a wrong checksum" gives 5 native_on Linux ARM64
check "… is told" told 'as SHA256SUMS says: it is not run'
check "… the program is not run" lacks "$TMP/log" 'here runs'
check "… nothing of it is left" test -z "$(find "$machine/temp" -type f)"
rm "$released/manifest-action-1.4.0-rc.1-linux-arm64"
check "a program that is not there" gives 7 native_on Linux ARM64
check "… is told" told "cannot download $downloads/manifest-action-1.4.0-rc.1-linux-arm64"
sed -i 's/$/\r/' "$action/SHA256SUMS"
check "a table with the line ends of Windows" native_on macOS ARM64
printf '# No release\n' >"$action/SHA256SUMS"
check "a commit that is no release" gives 2 native_on Linux X64
check "… is told" told '::error title=manifest-action::this commit is not a release'

# The action itself, by act.
cp -r native "$TMP/action"
(cd "$released" && sha256sum manifest-action-*) >"$TMP/action/native/SHA256SUMS"
sed "s#ghcr.io/acme/app#$repository#; s#registry: ghcr.io#registry: $REGISTRY#" tests/ci/act/native.yml >"$project/.github/workflows/native.yml"
commit_project
push_app "$repository:native-amd64" amd64
push_app "$repository:native-arm64" arm64
check "a workflow runs the program without a container of its own" workflow native.yml --env "MANIFEST_DOWNLOADS=$downloads"
check "… its tag holds both platforms" test "$(holds "$repository:native")" = linux/amd64,linux/arm64
