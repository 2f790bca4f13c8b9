#!/usr/bin/env bash
# Archives as engines really write them: `docker save` of before Docker 25 and of later, with both ways to store images, and
# BuildKit's own output, with provenance. Run by run.sh.
. tests/ci/lib.sh

mkdir "$TMP/app" "$TMP/files"
runnable_app "$TMP/app"
both=linux/amd64,linux/arm64
attested=linux/amd64,unknown/unknown,linux/arm64,unknown/unknown

# publish REFERENCE SOURCE…: the program in its image, which sees the files only; its log in $TMP/log, what it prints in $TMP/printed.
publish() {
  docker run --rm --network host --volume "$TMP/files:/files:ro" --workdir /files --volume "$DOCKER_CONFIG:/login:ro" \
    --env DOCKER_CONFIG=/login "$IMAGE:1" create "$@" >"$TMP/printed" 2>"$TMP/log" || { cat "$TMP/log" && return 1; }
}
reads_all() {
  skopeo copy --quiet --all --src-tls-verify=false --authfile "$DOCKER_CONFIG/config.json" "docker://$1" "dir:$TMP/$2"
}
runs() { docker run --rm --network none --pull always "$1" 2>/dev/null | grep -x 'the application runs'; }
holds_member() { tar --list --file "$1" | grep -qx "$2"; }
lacks_member() { [[ -s $1 ]] && ! holds_member "$1" "$2"; }

# arrived NAME HOLDS SOURCE…: the list holds that, other clients read it, and the same files give the same bytes again.
arrived() {
  local reference=$REGISTRY/archives/$1:1 digest
  check "… $1: the list holds $2" test "$(holds "$reference")" = "$2"
  check "… $1: skopeo reads all of it" reads_all "$reference" "$1"
  check "… $1: an engine runs this machine's image" runs "$reference"
  digest=$(<"$TMP/printed")
  shift 2
  check "… the same files give the same digest" publish "$reference" "$@"
  check "… $digest" test "$(<"$TMP/printed")" = "$digest"
}

# saved NAME CLIENT…: what that engine saves of an image for each platform, in files of their own and in one.
saved() {
  local name=$1 arch
  shift
  for arch in amd64 arm64; do
    "$@" build --quiet --platform "linux/$arch" --tag "acme/app:$arch" "$TMP/app" >/dev/null
    "$@" save --output "$TMP/files/$name-$arch.tar" "acme/app:$arch"
  done
  "$@" save --output "$TMP/files/$name-all.tar" acme/app:amd64 acme/app:arm64
  # The client writes for root alone.
  chmod a+r "$TMP/files/$name"-*.tar
}
# saved_arrive NAME [HOLDS]: published from each; the list holds both platforms, or those.
saved_arrive() {
  local from=("docker-archive:$1-{arch}.tar" --platforms "$both")
  check "$1: docker save of two images is published" publish "$REGISTRY/archives/$1:1" "${from[@]}"
  arrived "$1" "${2:-$both}" "${from[@]}"
  check "$1: … chosen by name from one file, they are the same" publish "$REGISTRY/archives/$1:all" \
    "docker-archive:$1-all.tar:acme/app:amd64" "docker-archive:$1-all.tar:acme/app:arm64" --platforms "$both"
  check "… byte for byte" test "$(digests_in "$REGISTRY/archives/$1:all")" = "$(digests_in "$REGISTRY/archives/$1:1")"
}

saved "of-before-25" docker
check "the engine of these tests writes the old form" lacks_member "$TMP/files/of-before-25-amd64.tar" index.json
saved_arrive of-before-25

# newer_engine STORE: Debian 13's, in a container; $ENGINE_ID. Its images are stored as layers, or by containerd.
newer_engine() {
  local folder=$TMP/$1 containerd=false
  [[ $1 == layers ]] || containerd=true
  mkdir "$folder"
  echo "{\"features\": {\"containerd-snapshotter\": $containerd}}" >"$folder/daemon.json"
  ENGINE_ID=$(docker run --detach --network host --volume "$TMP:$TMP" --volume "$folder:/var/lib/docker" \
    --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    manifest-action-test/engine dockerd --config-file "$folder/daemon.json" --host "unix://$folder.sock" \
    --pidfile /run/newer.pid --bridge none --iptables=false --ip6tables=false)
  newer=(docker exec --env "DOCKER_HOST=unix://$folder.sock" "$ENGINE_ID" docker)
  eventually 60 "${newer[@]}" version || { docker logs "$ENGINE_ID" && return 1; }
}
end_newer_engine() { docker rm --force --volumes "$ENGINE_ID" >/dev/null; }

for store in layers containerd; do
  newer_engine $store
  saved "of-today-$store" "${newer[@]}"
  check "a newer engine that stores $store writes both forms" holds_member "$TMP/files/of-today-$store-amd64.tar" index.json
  # What containerd stores is what BuildKit made, which is with provenance.
  case $store in
    layers) saved_arrive of-today-layers; end_newer_engine ;;
    containerd) saved_arrive of-today-containerd "$attested" ;;
  esac
done

# What containerd stores, BuildKit writes in any form.
for arch in amd64 arm64; do
  for type in oci docker; do
    provenance=false
    [[ $type == docker ]] || provenance=mode=max
    "${newer[@]}" buildx build --quiet --provenance "$provenance" --platform "linux/$arch" \
      --output "type=$type,dest=$TMP/files/buildkit-$type-$arch.tar" "$TMP/app" >/dev/null
  done
done
"${newer[@]}" buildx build --quiet --provenance mode=max --platform $both --output "type=oci,dest=$TMP/files/buildkit-one.tar" \
  "$TMP/app" >/dev/null
end_newer_engine
chmod a+r "$TMP"/files/buildkit-*.tar

from=('oci-archive:buildkit-oci-{arch}.tar' --platforms "$both")
check "BuildKit's type=oci is published" publish "$REGISTRY/archives/buildkit-oci:1" "${from[@]}"
arrived buildkit-oci "$attested" "${from[@]}"
check "… each provenance refers to its image" test \
  "$(manifest "$REGISTRY/archives/buildkit-oci:1" | jq -r '[.manifests[] | .annotations["vnd.docker.reference.digest"] // empty]
    | join(" ")')" = "$(manifest "$REGISTRY/archives/buildkit-oci:1" | jq -r '[.manifests[] | select(.platform.os == "linux") | .digest]
    | join(" ")')"
from=('docker-archive:buildkit-docker-{arch}.tar' --platforms "$both")
check "BuildKit's type=docker is published" publish "$REGISTRY/archives/buildkit-docker:1" "${from[@]}"
arrived buildkit-docker "$both" "${from[@]}"
check "BuildKit's type=oci of both platforms in one file is published" publish "$REGISTRY/archives/buildkit-one:1" \
  oci-archive:buildkit-one.tar --platforms "$both"
arrived buildkit-one "linux/amd64,linux/arm64,unknown/unknown,unknown/unknown" oci-archive:buildkit-one.tar --platforms "$both"
