#!/usr/bin/env bash
# The main use case from end to end, on this machine: a real registry, two per-architecture images, one of which arrives
# five seconds late, the step that waits for it, the outputs of the step, and the index as another client sees it.
# Set SUMMARY to a file name to keep the job summary. Installs what it needs with apt: docker-registry, skopeo, jq. Needs
# Rust. Cleans up after itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_packages docker-registry skopeo jq
section 'Building manifest-action'
cargo build --locked --quiet
binary=$(built_binary debug)

scratch_registry
image="127.0.0.1:$port/acme/app"
echo "  $image"

# Pushes a tiny image from an OCI layout with skopeo; a build job would use docker build --push.
push_image() { # ARCHITECTURE TAG
  local layout=$scratch/$1 blobs=$scratch/$1/blobs/sha256 files=$scratch/files-$1
  mkdir -p "$blobs" "$files"
  echo "hello from $1" >"$files/hello"
  store() { # FILE -> digest and size of the blob made from it
    local digest; digest=$(sha256sum "$1" | cut -d' ' -f1)
    printf '"digest":"sha256:%s","size":%s' "$digest" "$(stat -c %s "$1")"
    mv "$1" "$blobs/$digest"
  }
  tar --sort=name --mtime=@0 --owner=0 --group=0 -C "$files" -cf "$scratch/layer" .
  local diff_id; diff_id=$(sha256sum "$scratch/layer" | cut -d' ' -f1)
  gzip -n "$scratch/layer"
  local layer config manifest
  layer=$(store "$scratch/layer.gz")
  echo "{\"architecture\":\"$1\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$diff_id\"]}}" >"$scratch/config"
  config=$(store "$scratch/config")
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",%s}]}' \
    "$config" "$layer" >"$scratch/manifest"
  manifest=$(store "$scratch/manifest")
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  echo "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",$manifest}]}" >"$layout/index.json"
  skopeo --insecure-policy copy --quiet --dest-tls-verify=false "oci:$layout" "docker://$image:$2"
}

section 'The amd64 job pushes its image; the arm64 job takes 5 seconds longer'
push_image amd64 1.0-amd64
(sleep 5 && push_image arm64 1.0-arm64) &
late_job=$!

section 'The step'
touch "$scratch/outputs"
env -i PATH="$PATH" HOME="$scratch" GITHUB_OUTPUT="$scratch/outputs" GITHUB_STEP_SUMMARY="${SUMMARY:-$scratch/summary.md}" \
  INPUT_TAGS="$image:1.0,$image:latest" \
  INPUT_SOURCES="$image:1.0-{arch}" \
  INPUT_PLATFORMS="linux/amd64,linux/arm64" \
  INPUT_WAIT=1m \
  "$binary"
wait "$late_job"

section 'What it passes to later steps (GITHUB_OUTPUT)'
# A record is NAME<<DELIMITER, the value, DELIMITER, on lines of their own.
awk -F'<<' 'd == "" {n = $1; d = $2; next} $0 == d {d = ""; next} {printf "  %-11s %s\n", n, $0; n = ""}' "$scratch/outputs"

section 'The index as skopeo sees it'
skopeo --insecure-policy inspect --raw --tls-verify=false "docker://$image:latest" | jq .
for architecture in amd64 arm64; do
  skopeo --insecure-policy inspect --override-arch "$architecture" --tls-verify=false "docker://$image:latest" |
    jq -r '"  a client on \(.Os)/\(.Architecture) gets layer \(.Layers[0])"'
done
