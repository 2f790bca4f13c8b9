#!/usr/bin/env bash
# manifest-action beside the tools that people use instead, in one run: requests, round trips, bytes, wall time and memory,
# behind a proxy that delays and counts, in front of Debian's registry on loopback. `benches/run.sh --help` has the options:
#
#   benches/run.sh                               prints the tables
#   benches/run.sh --before OLD --write docs     puts an earlier build beside it; writes docs/benchmarks.md and its picture
#   benches/run.sh --binary FILE --only own      a program that is there already, and only what it alone is asked
#
# From Debian it takes docker, podman, buildah and skopeo; docker-buildx, crane, regctl, manifest-tool and oras where they are
# on PATH. Installs what it needs with apt and builds the program (Rust). Ends what it starts, and removes its files.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_packages docker-registry skopeo podman buildah busybox-static openssl python3 time
# Any client of Docker will do; its package would drive out the one of a machine that has Docker from elsewhere.
command -v docker >/dev/null || need_packages docker.io
given=()
if [[ " $* " != *' --binary'* && " $* " != *' --help '* ]]; then
  section 'Building manifest-action'
  given=(--binary "$(release/build.sh)")
fi
# Root's podman, buildah and skopeo remember layers there, of one benchmark for the next.
memory=/var/lib/containers
if [[ $(id -u) == 0 && -d $memory ]] && unshare --mount true 2>/dev/null; then
  # shellcheck disable=SC2016 # the inner shell's
  set -- unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$memory" python3 benches/bench.py "${given[@]}" "$@"
else
  set -- python3 benches/bench.py "${given[@]}" "$@"
fi
exec env PYTHONDONTWRITEBYTECODE=1 "$@"
