#!/usr/bin/env bash
# All tests. Installs what they need and says so: Debian's docker-registry, skopeo and podman, and cargo-nextest.
# The last line is the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_packages docker-registry skopeo podman
# Any client of Docker will do; its package would drive out the one of a machine that has Docker from elsewhere.
command -v docker >/dev/null || need_packages docker.io
if ! cargo nextest --version >/dev/null 2>&1; then
  section 'Installing cargo-nextest'
  cargo install --locked --quiet cargo-nextest
fi
section 'Documentation tests'
cargo test --locked --quiet --doc
section 'Unit and integration tests'
cargo nextest run --locked "$@"
