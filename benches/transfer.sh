#!/usr/bin/env bash
# How long it takes to bring a list of 8 platforms with 3 layers of 16 MiB each from one registry into another, both on this
# machine: manifest-action, which composes the list as well, and skopeo copy --all of a list that is there. Prints only, with
# the peak memory of both. LAYER_MIB (16) says how large a layer is.
# Installs what it needs with apt: docker-registry, skopeo, curl, time. Needs Rust. Cleans up after itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
# shellcheck source=benches/images.sh
. benches/images.sh
mebibytes=${LAYER_MIB:-16}
architectures=(amd64 arm64 ppc64le s390x riscv64 386 mips64le loong64)
need_packages docker-registry skopeo curl time
section 'Building manifest-action'
binary=$(release/build.sh)

scratch_registry
from="127.0.0.1:$port/acme/app"
api="http://127.0.0.1:$port/v2/acme/app"
section "Pushing ${#architectures[@]} images of 3 layers of $mebibytes MiB to $from"
sources=()
for architecture in "${architectures[@]}"; do
  layers=()
  for _ in 1 2 3; do
    head -c "$((mebibytes << 20))" /dev/urandom >"$scratch/layer"
    layers+=("$(put_blob "$scratch/layer")")
  done
  put_image "$architecture" "$architecture" transfer "$(printf %064d 0)" "${layers[@]}"
  sources+=("$from:$architecture")
done
"$binary" create --quiet "$from:list" "${sources[@]}" >/dev/null
scratch_registry
to=127.0.0.1:$port

measure() { # NAME COMMAND…
  local name=$1
  shift
  /usr/bin/time --format '%e %M' --output "$scratch/time" "$@" >"$scratch/$name.log" 2>&1 || { cat "$scratch/$name.log" && exit 1; }
  awk -v name="$name" '{ printf "  %-16s %6.1f s   %5.0f MiB of memory\n", name, $1, $2 / 1024 }' "$scratch/time"
}
section 'Wall time and peak memory'
measure manifest-action "$binary" create "$to/ours/app:1" "${sources[@]}"
measure skopeo skopeo --insecure-policy copy --all --src-tls-verify=false --dest-tls-verify=false \
  "docker://$from:list" "docker://$to/skopeo/app:1"
