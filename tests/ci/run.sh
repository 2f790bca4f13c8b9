#!/usr/bin/env bash
# Proves the packaging on a real Docker engine, as each CI system would use it.
#
# usage: tests/ci/run.sh [lint|staging|builds|image|pin|release|archives|act|native|recipes|github|gitlab|others|pipelines]…      all, when none is named
#
# The image is made by `docker build .`, which compiles the program; BINARY, a static program that is there already, is
# put into it instead. All that is needed is installed or made on the first run (root, Debian) and kept in target/tools.
set -euo pipefail
cd "$(dirname "$0")/../.."
TMP=$(mktemp -d)
export TMP
# shellcheck source=tests/ci/lib.sh
. tests/ci/lib.sh
. tests/ci/tools.sh
. tests/ci/engine.sh
trap 'stop_engine; rm -rf "$TMP"' EXIT

start_engine
start_registry
base_images
section "Building the image from ${BINARY:-source}"
if [[ -n ${BINARY:-} ]]; then
  build "$IMAGE" Dockerfile "$(dirname "$BINARY")" --build-arg "BINARY=$(basename "$BINARY")" --build-arg "VERSION=$VERSION"
else
  build "$IMAGE" Dockerfile . --build-arg "VERSION=$VERSION"
fi
# The names by which action.yml, the component and the examples call it.
docker tag "$IMAGE" "$IMAGE:$VERSION"
docker tag "$IMAGE" "$IMAGE:1"

# run NAME: one script, in a temporary folder of its own.
run() {
  local start=$SECONDS status=0
  section "$1"
  mkdir "$TMP/$1"
  TMP=$TMP/$1 bash "tests/ci/$1.sh" 2>&1 || status=$?
  echo "($((SECONDS - start)) s)"
  return "$status"
}
(($#)) || set -- lint staging builds image pin release archives act native recipes github gitlab others pipelines
failed=0 beside=()
for name in "$@"; do
  # They mostly wait for containers to start; those that follow run beside them.
  if [[ $name == act || $name == recipes ]]; then
    run "$name" >"$TMP/$name.out" &
    beside+=("$name" $!)
    continue
  fi
  run "$name" | tee -a "$TMP/all" || failed=$((failed + 1))
done
for ((at = 0; at < ${#beside[@]}; at += 2)); do
  wait "${beside[at + 1]}" || failed=$((failed + 1))
  tee -a "$TMP/all" <"$TMP/${beside[at]}.out"
done
echo "$(grep -c '^ok - ' "$TMP/all") passed, $failed failed"
((failed == 0))
