#!/usr/bin/env bash
# The image by itself: what is in it, how it dies, what it costs. Run by run.sh.
. tests/ci/lib.sh

field() { docker image inspect --format "{{$1}}" "$IMAGE"; }
check "unpacked it is under 12 MiB ($(($(field .Size) / 1024)) KiB)" test "$(field .Size)" -lt $((12 * 1024 * 1024))
# Read by `wc`: busybox has it, whatever else it lacks.
program() { docker run --rm --network none --entrypoint wc "$IMAGE" -c /usr/local/bin/manifest-action | cut -d ' ' -f 1; }
check "the program is under 8 MiB ($(($(program) / 1024)) KiB)" test "$(program)" -lt $((8 * 1024 * 1024))
docker run --rm --network none --entrypoint cat "$IMAGE" /usr/local/bin/manifest-action >"$TMP/program"
# Of the Dockerfile's first stage, or of this machine where BINARY was given.
for path in /root/ /compiling/ /usr/local/cargo/ /usr/local/rustup/ "$HOME/" "$PWD/"; do
  check "the program does not tell that it was built in $path" lacks "$TMP/program" "$path"
done
check "it sets no user" test -z "$(field .Config.User)"
check "its entrypoint is an absolute path in exec form" \
  test "$(field 'json .Config.Entrypoint')" = '["/usr/local/bin/manifest-action"]'
check "its label names the version" \
  test "$(field 'index .Config.Labels "org.opencontainers.image.version"')" = "$VERSION"
for shell in /bin/sh /busybox/sh; do
  check "$shell starts, finds the program on PATH, certificates and the usual small tools" \
    docker run --rm --network none --entrypoint "$shell" "$IMAGE" -c \
    'set -eu; command -v manifest-action; grep -q BEGIN /etc/ssl/certs/ca-certificates.crt
     mkdir -p /tmp/a; echo b | tar -c -f /tmp/a.tar /tmp/a; cat /dev/null'
done
check "it says its version" grep -F "$VERSION" <(docker run --rm --network none "$IMAGE" --version)

waits() { docker logs "$1" 2>&1 | grep -i wait; }
# stops_by SIGNAL STATUS: the program as PID 1, while it waits for an image that never comes.
stops_by() {
  local id start status
  id=$(docker run --detach --network host --env "MANIFEST_ACTION_TAGS=$REGISTRY/wait/app:1" \
    --env "MANIFEST_ACTION_SOURCES=$REGISTRY/wait/app:never" \
    --env MANIFEST_ACTION_USERNAME="$USERNAME" --env MANIFEST_ACTION_PASSWORD="$PASSWORD" "$IMAGE")
  eventually 20 waits "$id" || { docker logs "$id" && return 1; }
  start=$(date +%s%3N)
  docker kill --signal "$1" "$id" >/dev/null
  status=$(docker wait "$id")
  echo "exit $status after $(($(date +%s%3N) - start)) ms"
  docker logs "$id"
  [[ $status == "$2" ]] && (($(date +%s%3N) - start < 2000))
}
check "as PID 1, waiting, it ends by SIGTERM with 143 within 2 s" stops_by TERM 143
check "as PID 1, waiting, it ends by SIGINT with 130 within 2 s" stops_by INT 130

# The cost of the step: a finished list, all there, nothing to write.
push_app "$REGISTRY/cost/app:amd64" amd64
push_app "$REGISTRY/cost/app:arm64" arm64
step() {
  docker run --rm --network host --env "MANIFEST_ACTION_TAGS=$REGISTRY/cost/app:1" \
    --env "MANIFEST_ACTION_SOURCES=$REGISTRY/cost/app:{arch}" --env MANIFEST_ACTION_PLATFORMS=linux/amd64,linux/arm64 \
    --env MANIFEST_ACTION_USERNAME="$USERNAME" --env MANIFEST_ACTION_PASSWORD="$PASSWORD" "$IMAGE" >"$TMP/step.log"
}
overhead() { docker run --rm --network host --entrypoint /bin/sh "$IMAGE" -c :; }
# median COMMAND: milliseconds, of five runs.
median() {
  local start
  for _ in 1 2 3 4 5; do
    start=$(date +%s%3N)
    "$@" || return
    echo $(($(date +%s%3N) - start))
  done | sort -n | sed -n 3p
}
check "it composes the list that is measured" step
all=$(median step) engine=$(median overhead)
echo "The step takes $all ms, $((all - engine)) ms over the engine's own $engine ms"
