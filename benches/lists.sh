#!/usr/bin/env bash
# How long a list of four platforms takes: manifest-action with one file of lists, docker manifest and podman manifest one
# list after the other, all against the same registry on this machine. Prints only. LISTS (5) says how many.
# Installs what it needs with apt: docker-registry, docker-cli, podman, curl. Needs Rust. Cleans up after itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
# shellcheck source=benches/images.sh
. benches/images.sh
lists=${LISTS:-5}
architectures=(amd64 arm64 ppc64le s390x)
command -v docker >/dev/null || need_packages docker-cli
need_packages docker-registry podman curl
section 'Building manifest-action'
binary=$(release/build.sh)

scratch_registry
image="127.0.0.1:$port/acme/app"
api="http://127.0.0.1:$port/v2/acme/app"

echo "  $image: $lists lists of ${#architectures[@]} images"
tar -cf "$scratch/layer" -C "$scratch" registry-0.yml
diff_id=$(sha256sum "$scratch/layer" | cut -d' ' -f1)
gzip -n "$scratch/layer"
layer=$(put_blob "$scratch/layer.gz")
for ((at = 1; at <= lists; at++)); do
  for architecture in "${architectures[@]}"; do
    put_image "$at-$architecture" "$architecture" "list $at" "$diff_id" "$layer"
  done
done

mkdir "$scratch/docker"
echo "{}" >"$scratch/docker/config.json"
export HOME=$scratch DOCKER_CONFIG=$scratch/docker DOCKER_CLI_EXPERIMENTAL=enabled
sources() { local architecture; for architecture in "${architectures[@]}"; do echo "$image:$1-$architecture"; done; }

with_ours() {
  local at
  echo 'indexes:' >"$scratch/lists.yaml"
  for ((at = 1; at <= lists; at++)); do
    printf -- '- tags: %s:ours-%s\n  sources: "%s"\n' "$image" "$at" "$(sources "$at" | paste -sd,)" >>"$scratch/lists.yaml"
  done
  "$binary" create --spec "$scratch/lists.yaml"
}

with_docker() {
  local at from
  for ((at = 1; at <= lists; at++)); do
    mapfile -t from < <(sources "$at")
    docker manifest create --insecure "$image:docker-$at" "${from[@]}"
    docker manifest push --insecure "$image:docker-$at"
  done
}

with_podman() {
  local at source podman
  podman=(podman --root "$scratch/podman" --runroot "$scratch/podman-run" --storage-driver vfs)
  for ((at = 1; at <= lists; at++)); do
    "${podman[@]}" manifest create "list-$at"
    for source in $(sources "$at"); do
      "${podman[@]}" manifest add --tls-verify=false "list-$at" "docker://$source"
    done
    "${podman[@]}" manifest push --tls-verify=false --all "list-$at" "docker://$image:podman-$at"
  done
}

# A tool that cannot run here is said to be so: the others still count.
measure() { # NAME FUNCTION
  local start end
  start=$(date +%s%N)
  if ! "$2" >"$scratch/$2.log" 2>&1; then
    printf '  %-16s failed: %s\n' "$1" "$(tail -n 1 "$scratch/$2.log")"
    return
  fi
  end=$(date +%s%N)
  printf '  %-16s %6d ms a list\n' "$1" $(((end - start) / 1000000 / lists))
}

section "Wall time, $lists lists"
measure manifest-action with_ours
measure 'docker manifest' with_docker
measure 'podman manifest' with_podman
