# shellcheck shell=bash
# A Docker engine, a registry and base images of our own; sourced by run.sh, which ends with stop_engine.
# The engine keeps its images between runs in $CACHE/engine; its sockets and the registry's data are this run's.

# Free of any daemon, proxy or login of the machine's.
export DOCKER_HOST=unix://$TMP/docker.sock DOCKER_CONFIG=$TMP/docker-config DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain
USERNAME=tester PASSWORD=correct-horse
export USERNAME PASSWORD

start_engine() {
  exec 9>"$CACHE/engine.lock"
  flock --nonblock 9 || { section "Waiting for another run to end" && flock 9; }
  mkdir -p "$CACHE/engine" "$DOCKER_CONFIG"
  # Containers use the host's network: neither bridge nor firewall rules are needed, so none are made.
  dockerd --host "$DOCKER_HOST" --data-root "$CACHE/engine" --exec-root "$TMP/exec" --pidfile "$TMP/docker.pid" \
    --bridge none --iptables=false --ip6tables=false >"$TMP/dockerd.log" 2>&1 &
  ENGINE=$!
  eventually 60 docker version || { tail -n 50 "$TMP/dockerd.log" && return 1; }
}

# Debian's registry on a free port, with a login.
start_registry() {
  htpasswd -nbB "$USERNAME" "$PASSWORD" >"$TMP/htpasswd"
  cat >"$TMP/registry.yml" <<-YAML
		version: 0.1
		log: {accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $TMP/registry}, delete: {enabled: true}}
		auth: {htpasswd: {realm: tests, path: $TMP/htpasswd}}
		http: {addr: "127.0.0.1:0"}
	YAML
  docker-registry serve "$TMP/registry.yml" >"$TMP/registry.log" 2>&1 &
  REGISTRY_PID=$!
  eventually 30 grep -q 'listening on' "$TMP/registry.log"
  REGISTRY=$(sed -n 's/.*listening on \(127.0.0.1:[0-9]*\).*/\1/p' "$TMP/registry.log")
  export REGISTRY
  docker login --username "$USERNAME" --password-stdin "$REGISTRY" <<<"$PASSWORD" >/dev/null 2>&1
}

# Stops what was started, and only that; containers and volumes that a failed test left behind go first.
stop_engine() {
  if [[ -n ${ENGINE:-} ]]; then
    docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
    docker volume prune --force >/dev/null
    kill "$ENGINE"
    wait "$ENGINE" || true
    umount "$TMP"/exec/netns/* 2>/dev/null || true # of containers on the host's network; the engine forgets it
  fi
  [[ -z ${REGISTRY_PID:-} ]] || kill "$REGISTRY_PID"
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# make_image TAG WHAT NAME CONTEXT: of tests/ci/images/NAME.Dockerfile, unless it is there and made by just that file.
make_image() {
  local file=tests/ci/images/$3.Dockerfile by
  by=$(sha256sum <"$file" | cut -d ' ' -f 1)
  [[ $(docker image inspect --format '{{index .Config.Labels "made-by"}}' "$1" 2>/dev/null) != "$by" ]] || return 0
  section "Making $2"
  build "$1" "$file" "$4" --label "made-by=$by"
}

# No image can be pulled where these tests run, so the names of base images are given to images made here.
base_images() {
  local rust sysroot
  if ! have_image debian:bookworm-slim; then
    section "Making debian:bookworm-slim (debootstrap, about a minute)"
    debootstrap --variant=minbase bookworm "$TMP/debian" >"$TMP/debootstrap.log" ||
      { tail -n 30 "$TMP/debootstrap.log" && return 1; }
    # What this machine trusts, so that cargo can fetch from inside.
    mkdir -p "$TMP/debian/usr/local/share/ca-certificates"
    cp -r /usr/local/share/ca-certificates/. "$TMP/debian/usr/local/share/ca-certificates/"
    tar --directory "$TMP/debian" --create . | docker import - debian:bookworm-slim >/dev/null
    rm -rf "$TMP/debian"
  fi
  rust=$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' Dockerfile)
  if ! have_image "$rust"; then
    section "Making $rust (this machine's toolchain on debian:bookworm-slim)"
    sysroot=$(rustc --print sysroot)
    build "$rust" tests/ci/images/rust.Dockerfile "$sysroot"
  fi
  make_image manifest-action-test/runner "the image that act and gitlab-ci-local run jobs in" runner /usr/bin
  docker tag manifest-action-test/runner firecow/gitlab-ci-local-util:latest
  make_image quay.io/buildah/stable "quay.io/buildah/stable (Debian's buildah)" buildah tests/ci/app
  make_image manifest-action-test/engine "the image of a newer Docker engine (Debian 13's)" engine tests/ci/app
}
