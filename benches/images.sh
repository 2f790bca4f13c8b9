# shellcheck shell=bash
# Images for benchmarks, pushed with curl to the repository at $api (http://HOST:PORT/v2/REPOSITORY). Sourced, not run.

docker_type=application/vnd.docker

# Stores a file as a blob; its digest and size, as a descriptor has them.
put_blob() { # FILE
  local digest location
  digest=sha256:$(sha256sum "$1" | cut -d' ' -f1)
  # shellcheck disable=SC2154 # set by the caller
  location=$(curl -sSf -X POST -D - -o "$scratch/answer" "$api/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=$digest" >/dev/null
  printf '"digest":"%s","size":%s' "$digest" "$(stat -c %s "$1")"
}

# An image of layers that are stored already; the label makes its config another one.
put_image() { # TAG ARCHITECTURE LABEL DIFF_ID LAYER…
  local tag=$1 config layers='' layer
  printf '{"architecture":"%s","os":"linux","config":{"Labels":{"benchmark":"%s"}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$2" "$3" "$4" >"$scratch/config"
  config=$(put_blob "$scratch/config")
  shift 4
  for layer; do
    layers+="${layers:+,}{\"mediaType\":\"$docker_type.image.rootfs.diff.tar.gzip\",$layer}"
  done
  printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.v2+json","config":{"mediaType":"%s.container.image.v1+json",%s},"layers":[%s]}' \
    "$docker_type" "$docker_type" "$config" "$layers" >"$scratch/manifest"
  curl -sSf -X PUT -H "Content-Type: $docker_type.distribution.manifest.v2+json" --data-binary "@$scratch/manifest" \
    "$api/manifests/$tag" >/dev/null
}
