#!/usr/bin/env bash
# release/pin.py, on the registry of these tests: digests behind tags, and nothing else changed. Run by run.sh.
. tests/ci/lib.sh

container=$(docker create "$IMAGE")
docker cp "$container:/usr/local/bin/manifest-action" "$TMP/program" 2>/dev/null
docker rm "$container" >/dev/null
pin() { release/pin.py --program "$TMP/program" "$@"; }
# What its tag has now, by another client.
digest() { echo "sha256:$(manifest "$1" | sha256sum | cut -d ' ' -f 1)"; }

repository=$REGISTRY/pin/base
push_app "$repository:1" amd64
push_app "$repository:2" arm64
docker tag "$repository:1" "$repository:latest" && docker push --quiet "$repository:latest" >/dev/null
one=$(digest "$repository:1") two=$(digest "$repository:2") latest=$(digest "$repository:latest")
old=sha256:$(printf %064d 0)

# What BEFORE the digest is known and AFTER; a file of each kind, with what only looks like an image.
# shellcheck disable=SC1003,SC2016 # a backslash at a line's end; Dockerfile's variables
dockerfile() { # ONE TWO LATEST
  printf '%s\n' '# FROM scratch, not FROM '"$repository:1"'; syntax stays.' \
    'ARG GIVEN' "FROM --platform=\$BUILDPLATFORM $repository:1$1 AS one # not a comment" "from  $repository$3 as Two" \
    'FROM scratch AS given' 'FROM ${GIVEN:-one} AS binary' \
    'FROM \' "    $repository:2$2 \\" '    AS three' \
    "COPY --from=one --chown=0:0 /a /b" "COPY --chmod=0755 --from=$repository:2$2 /a /b" 'COPY --from=0 /a /b' \
    "RUN --mount=type=cache,target=/x \\" "    --mount=type=bind,from=$repository:1$1,target=/y \\" '    # a comment' \
    "    echo \\" "    FROM $repository:1" 'RUN <<END' "FROM $repository:1" 'END' "FROM $REGISTRY/pin/gone@$old"
  printf 'FROM two' # and no line end
}
workflow() { # ONE TWO LATEST
  printf '%s\r\n' "image: $repository:1$1 # the \"image: $repository:1\" of this" 'jobs:' '  a:' "    container: '$repository:2$2'" \
    '    services:' '      x:' "        image: \"$repository$3\"" '  b:' '    image:' "      name: $repository:1$1" '    name: x:1' \
    '    steps:' "      - uses: docker://$repository:2$2" '      - uses: actions/checkout@v6' '      - run: |' \
    "          image: $repository:1" '        image: Dockerfile' "      - image: $repository:2$2" "# image: $repository:1"
}
dockerfile '' '' '' >"$TMP/Dockerfile"
workflow "@$old" '' '' >"$TMP/workflow.yml"
chmod 0640 "$TMP/workflow.yml"
dockerfile "@$one" "@$two" ":latest@$latest" >"$TMP/Dockerfile.pinned"
workflow "@$one" "@$two" ":latest@$latest" >"$TMP/workflow.pinned"
both=("$TMP/Dockerfile" "$TMP/workflow.yml")
pinned() { diff "$TMP/Dockerfile.pinned" "$TMP/Dockerfile" && diff "$TMP/workflow.pinned" "$TMP/workflow.yml"; }

check "images of a Dockerfile and a workflow are pinned" pin "${both[@]}"
check "… to what skopeo reads; old digests are brought up to date, all else stays" pinned
check "… modes too" test "$(stat -c %a "$TMP/workflow.yml")" = 640
touch --date @0 "${both[@]}"
check "pinned once more" pin "${both[@]}"
check "… nothing is written" test "$(stat -c %Y "${both[@]}" | xargs)" = '0 0'

# refused TEXT FILE: no file is changed, and the log has this text.
refused() {
  local text=$1 status=0
  dockerfile '' '' '' >"$TMP/Dockerfile"
  pin "$TMP/Dockerfile" "$2" >"$TMP/refused" 2>&1 || status=$?
  cat "$TMP/refused"
  [[ $status == 1 ]] && grep -qF "$text" "$TMP/refused" && dockerfile '' '' '' | cmp - "$TMP/Dockerfile"
}
printf 'FROM scratch\nFROM %s:never\n' "$repository" >"$TMP/missing"
check "a tag that does not exist is refused by name and line" refused "missing:2: cannot pin $repository:never: " "$TMP/missing"
# shellcheck disable=SC2016
printf 'FROM rust:${VERSION}\n' >"$TMP/variable"
# shellcheck disable=SC2016
check "so is an image that a variable names" refused 'variable:1: cannot pin rust:${VERSION}: it is named by a variable' "$TMP/variable"
printf 'a:\n  image: {name: rust:1}\n' >"$TMP/flow.yml"
check "so is an image that cannot be read" refused "flow.yml: line 2: cannot read the image" "$TMP/flow.yml"

# The files that a release pins: each image in them can be pinned, by whatever digest its registry has.
# shellcheck disable=SC2016
printf '#!/bin/sh\nprintf \x27{"digest": "%%s"}\x27 "%s"\n' "$one" >"$TMP/any"
chmod +x "$TMP/any"
mkdir "$TMP/own"
cp Dockerfile tests/ci/images/*.Dockerfile .github/workflows/*.yml "$TMP/own"
check "our own Dockerfiles and workflows are read" \
  release/pin.py --program "$TMP/any" "$TMP"/own/*
