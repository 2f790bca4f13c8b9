#!/usr/bin/env bash
# Proves the packaging on a real Docker engine, as each CI system would use it.
#
# usage: tests/ci/run.sh [lint|builds|image|github|act|gitlab|others]…      all, when none is named
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

(($#)) || set -- lint builds image github act gitlab others
failed=0
for name in "$@"; do
  section "$name"
  SECONDS=0
  bash "tests/ci/$name.sh" 2>&1 | tee -a "$TMP/all" || failed=$((failed + 1))
  echo "($SECONDS s)"
done
echo "$(grep -c '^ok - ' "$TMP/all") passed, $failed failed"
((failed == 0))
