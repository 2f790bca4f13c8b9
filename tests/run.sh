#!/usr/bin/env bash
# All tests; with arguments, only those that cargo-nextest runs with them. Installs what they need and says so: from
# Debian docker-registry, skopeo, podman, tinyproxy, zsh, fish, man-db, openssl, time and what tests/ci/tools.sh lists, from PyPI and npm
# workflow runners and linters (kept in target/tools), registries of other stock (tests/other_registries.sh), and
# cargo-nextest. The packaging tests start a Docker engine, so they want root. The last line is the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_packages docker-registry skopeo podman tinyproxy zsh fish man-db zstd openssl python3 time
# Any client of Docker will do; its package would drive out the one of a machine that has Docker from elsewhere.
command -v docker >/dev/null || need_packages docker.io
if ! cargo nextest --version >/dev/null 2>&1; then
  section 'Installing cargo-nextest'
  cargo install --locked --quiet cargo-nextest
fi
if [[ $# -eq 0 || $* == *other_registries* ]]; then
  tests/other_registries.sh
fi
if [ $# -eq 0 ]; then
  # Compiled beside the image; what is wrong with it is told below.
  cargo nextest run --locked --no-run >/dev/null 2>&1 &
  section 'Packaging, on a Docker engine of its own'
  tests/ci/run.sh
  # Once as whoever opens the project would: nextest gives each test a process of its own, and that can hide what they share.
  section 'The library, by cargo test'
  cargo test --locked --quiet --lib
  section 'Documentation tests'
  cargo test --locked --quiet --doc
  # Every run of the tests is searched for the secrets that it was given: here at the most talkative level.
  section 'Failures once more, at log level trace'
  STEP_LOG_LEVEL=trace cargo nextest run --locked --profile quick \
    --filterset 'test(/^(faults|jobs|login|publishing|secrets|signals|threats|transfer|waiting)::/)'
fi
section 'Unit and integration tests'
cargo nextest run --locked "$@"
