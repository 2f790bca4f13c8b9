#!/usr/bin/env bash
# How long it takes to publish images from files: 8 OCI archives, one for each platform, with 3 layers of 16 MiB each, as one list
# in Debian's registry on this machine. manifest-action does it in one run; with Debian's other tools it is `skopeo copy` of each
# archive, then `podman manifest create`, `add` and `push`. Prints only: wall time, peak memory of the largest process, and what
# went over the wire in both directions, as the loopback device of a network namespace counts it; medians of RUNS (3). Each run
# has an empty registry of its own. LAYER_MIB (16) says how large a layer is; BINARY is a program that is there already.
# Installs what it needs with apt: docker-registry, skopeo, podman, curl, time. Needs Rust, and root or user namespaces. Cleans up
# after itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
if [[ -z ${IN_NAMESPACE:-} ]]; then
  need_packages docker-registry skopeo podman curl time
  section 'Building manifest-action'
  binary=${BINARY:-$(release/build.sh)}
  export IN_NAMESPACE=$binary
  # Nobody else's traffic is counted there.
  if [[ $(id -u) == 0 ]]; then exec unshare --net "$0"; else exec unshare --net --map-root-user "$0"; fi
fi
binary=$IN_NAMESPACE
ip link set lo up
mebibytes=${LAYER_MIB:-16} runs=${RUNS:-3}
architectures=(amd64 arm64 ppc64le s390x riscv64 386 mips64le loong64)
scratch_registry
export scratch binary

# blob FILE: moves a file into the layout; its digest and size, as a descriptor has them.
blob() {
  local hex size
  hex=$(sha256sum "$1" | cut -d' ' -f1) size=$(stat -c %s "$1")
  mv "$1" "$scratch/layout/blobs/sha256/$hex"
  printf '"digest":"sha256:%s","size":%s' "$hex" "$size"
}

# archive ARCHITECTURE: an OCI archive of an image, as builders write it.
archive() {
  local layers='' diff_ids='' config manifest type=application/vnd.oci.image
  mkdir -p "$scratch/layout/blobs/sha256"
  for _ in 1 2 3; do
    head -c "$((mebibytes << 20))" /dev/urandom >"$scratch/content"
    tar -cf "$scratch/layer" -C "$scratch" content
    diff_ids+="${diff_ids:+,}\"sha256:$(sha256sum "$scratch/layer" | cut -d' ' -f1)\""
    gzip -n -1 "$scratch/layer"
    layers+="${layers:+,}{\"mediaType\":\"$type.layer.v1.tar+gzip\",$(blob "$scratch/layer.gz")}"
  done
  printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$1" "$diff_ids" \
    >"$scratch/config"
  config=$(blob "$scratch/config")
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},"layers":[%s]}' \
    "$type" "$type" "$config" "$layers" >"$scratch/manifest"
  manifest=$(blob "$scratch/manifest")
  printf '{"imageLayoutVersion":"1.0.0"}' >"$scratch/layout/oci-layout"
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json",%s}]}' "$type" "$manifest" \
    >"$scratch/layout/index.json"
  tar -cf "$scratch/app-$1.tar" -C "$scratch/layout" oci-layout index.json blobs
  rm -r "$scratch/layout"
}
section "Writing ${#architectures[@]} archives of 3 layers of $mebibytes MiB"
for architecture in "${architectures[@]}"; do archive "$architecture"; done

ours() { # REPOSITORY
  "$binary" create --quiet "$1:1" "oci-archive:$scratch/app-{arch}.tar" --platforms "$(printf 'linux/%s,' "${architectures[@]}")"
}

theirs() { # REPOSITORY
  local podman=(podman --root "$scratch/podman" --runroot "$scratch/podman-run" --storage-driver vfs)
  for architecture in "${architectures[@]}"; do
    skopeo --insecure-policy copy --dest-tls-verify=false "oci-archive:$scratch/app-$architecture.tar" "docker://$1:$architecture"
  done
  "${podman[@]}" manifest create "$1:list"
  for architecture in "${architectures[@]}"; do
    "${podman[@]}" manifest add --tls-verify=false "$1:list" "docker://$1:$architecture"
  done
  "${podman[@]}" manifest push --tls-verify=false --all "$1:list" "docker://$1:1"
}

on_the_wire() { awk '$1 == "lo:" { print $2 }' /proc/net/dev; }

# once FUNCTION: a line of seconds, KiB of memory, bytes.
once() {
  local before
  rm -rf "${scratch:?}/home" "$scratch"/podman* "$scratch"/registry-*/
  mkdir "$scratch/home"
  scratch_registry >/dev/null 2>&1
  before=$(on_the_wire)
  HOME=$scratch/home /usr/bin/time --format '%e %M' --output "$scratch/time" \
    bash -euo pipefail -c "$(declare -f "$1"); architectures=(${architectures[*]}); $1 127.0.0.1:$port/acme/app" \
    >"$scratch/$1.log" 2>&1 || { cat "$scratch/$1.log" >&2 && return 1; }
  echo "$(<"$scratch/time") $(($(on_the_wire) - before))" >>"$scratch/$1.figures"
  curl -sSf -H 'Accept: application/vnd.oci.image.index.v1+json' "http://127.0.0.1:$port/v2/acme/app/manifests/1" |
    grep -o '"architecture"' | wc -l | grep -qx "${#architectures[@]}"
}

# row NAME FUNCTION: the median of each column.
row() {
  local column figures=()
  for column in 1 2 3; do
    figures+=("$(cut -d ' ' -f "$column" "$scratch/$2.figures" | sort -n | sed -n "$(((runs + 1) / 2))p")")
  done
  awk -v name="$1" -v seconds="${figures[0]}" -v memory="${figures[1]}" -v bytes="${figures[2]}" 'BEGIN {
    printf "  %-32s %6.1f s   %5.0f MiB of memory   %6.1f MiB on the wire\n", name, seconds, memory / 1024, bytes / 1048576 }'
}

section "Medians of $runs"
for ((run = 1; run <= runs; run++)); do
  once ours
  once theirs
done
row manifest-action ours
row 'skopeo copy, podman manifest' theirs
