#!/usr/bin/env bash
# action/stage.sh and action/unstage.sh in every shell that a job may have, with credential helpers of our own: which are
# asked, for which registries, and what is handed over. Run by run.sh.
. tests/ci/lib.sh

stage=$PWD/action/stage.sh
cd "$TMP"
mkdir -p bin home/.docker work

# helper NAME TEXT: a program that notes what it was asked, and its environment, and goes on with the text.
helper() {
  printf '%s\n' '#!/bin/sh' "echo \"$1 \$* \$(cat)\" >>'$TMP/asked'" "env >>'$TMP/environment'" "$2" >"bin/docker-credential-$1"
  chmod +x "bin/docker-credential-$1"
}
answer='{"ServerURL":"","Username":"u","Secret":"canary\\n\"\u0041"}'
helper good "printf '%s' '$answer'; echo canary >&2"
helper other "printf '%s' '$answer'"
helper none 'echo "credentials not found in native keychain"; exit 1'
helper failing 'echo canary; echo canary >&2; exit 3'
helper flood 'while :; do echo canary-canary-canary; done'
helper hanging "sleep 3600 & echo \$\$ \$! >'$TMP/pids'; wait"

# Bad names lead to a program that is there, or would run something.
cp bin/docker-credential-good evil
mkdir bin/docker-credential-
cat >home/.docker/config.json <<'JSON'
{
  "auths": {"a.example": {"auth": "canary\\n::set-output name=x::y"}, "x": {"credsStore": "other"}},
  "HttpHeaders": {"credHelpers": {"a.example": "other"}, "x": ["credsStore", {"credsStore": "other"}]},
  "credHelpers": {
    "a.example": "good", "B.example:5000": "good", "https:\/\/index.docker.io\/v1\/": "good", "[::1]:5000": "good",
    "c.example": "none", "d.example": "failing", "e.example": "flood", "f.example": "missing", "localhost": "good",
    "g.example": "../../evil", "h.example": "x;touch $0", "i.example": "a b", "j.example": "$(touch x)", "k.example": "",
    "l.example": "x\\n::set-output name=x::y",
    "unasked.example": "other", "a.example.evil.test": "other"
  }
}
JSON
cat >work/indexes.yaml <<'YAML'
indexes:
  - tags: [f.example/x:1, "f.example/x:2"]
    platforms: linux/amd64,linux/arm/v7
    sources: |
      # unasked.example/x:1
      linux/arm64=d.example/x:{arch}
YAML

# staged IN [NAME=VALUE…]: the script in one of the shells; its log in $TMP/log, what it handed over in $folder.
staged() {
  local shell=$1 path=$TMP/bin:/usr/bin:/bin
  shift
  case $shell in
  busybox) path=$TMP/bin:$TMP/busybox ;;
  # As on a machine that has neither.
  bare) path=$TMP/bin:$TMP/bare ;;
  esac
  : >output && rm -rf asked environment pids
  # shellcheck disable=SC2086 # a program and its argument
  (cd work && env -i "PATH=$path" "HOME=$TMP/home" "GITHUB_OUTPUT=$TMP/output" "$@" ${shells[$shell]} -e "$stage") >log 2>&1
  folder=$(sed -n 's/^folder=//p' output)
}
# The questions were just these, in any order; without arguments, none.
asked_only() { diff <(sort asked 2>/dev/null) <((($# == 0)) || printf '%s\n' "$@" | sort); }
# handed TEXT: whether a helper's answer begins with that line, and has the rest.
handed() { grep -lqxF -- "$1" "$folder"/manifest-action-helpers/*; }
answers() { find "$folder/manifest-action-helpers" -type f | wc -l; }
over() { local pid && for pid in $(<pids); do ! kill -0 "$pid" || grep -q '^State:.Z' "/proc/$pid/status" || return 1; done 2>/dev/null; }

# What was handed over of files in $TMP/outside.
handed_files() { (cd "$folder/manifest-action-files$TMP/outside" && find . -mindepth 1 | sort | xargs -d '\n' printf '%s;'); }
# not_handed WHY: whether no file was, and the program is told why.
not_handed() { test ! -e "$folder/manifest-action-files" && test "$(<"$folder/manifest-action-files.txt")" = "$1"; }

mkdir busybox bare
for applet in $(busybox --list); do ln -s "$(command -v busybox)" "busybox/$applet"; done
for tool in awk cat env head mkdir mktemp readlink rm sed sh sleep sort touch tr wc; do ln -s "$(command -v $tool)" "bare/$tool"; done
declare -A shells=([dash]=/bin/dash [bash]=/bin/bash [busybox]="$(command -v busybox) sh" [bare]=/bin/dash)
for shell in dash bash busybox bare; do
  check "$shell: helpers of the registries in the inputs are asked" staged "$shell" \
    TAGS=$'a.example/acme/app:1\nacme/app:1' DIGESTS='{"linux/arm64": "c.example/x@sha256:00", "x": "sha256:00"}' \
    REFERENCES=$'# unasked.example/x:1\nlinux/amd64=B.EXAMPLE:5000/x:{arch}, [::1]:5000/x\nlinux/arm64=a.example/x@sha256:00\nlocalhost/x\nk.example/x\noci:unasked.example/x\nunasked.example\n/' \
    SPEC=indexes.yaml DOCKER_METADATA_OUTPUT_TAGS=unasked.example/x:1
  check "$shell: … each once, and no others" asked_only "good get a.example" "good get b.example:5000" "good get [::1]:5000" \
    "good get localhost" "good get https://index.docker.io/v1/" "none get c.example" "failing get d.example"
  check "$shell: … their answers are handed over" handed "good https://index.docker.io/v1/ 0"
  check "$shell: … as they are" handed "$answer"
  check "$shell: … one that has no login" handed "none c.example 1"
  check "$shell: … one that fails" handed "failing d.example 3"
  check "$shell: … one that is not there" handed "missing f.example missing"
  check "$shell: … and no more" test "$(answers)" = 8
  check "$shell: … for this user alone" test -z "$(find "$folder" -type f ! -perm 600 -o -type d ! -perm 700)"
  check "$shell: … the auth file is a copy" cmp home/.docker/config.json "$folder/config.json"
  check "$shell: … nothing else is there" test "$(find "$folder" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" = \
    "config.json manifest-action-helpers"
  check "$shell: … nothing of what they print is in the log" lacks log canary
  check "$shell: … nor a command" gives 1 grep -q '^::' log
  check "$shell: … what came of each is" grep -qxF "docker-credential-failing for d.example: exit status 3." log
  check "$shell: … all of it goes" env FOLDER="$folder" sh "${stage%/*}/unstage.sh"
  check "$shell: … whole" test ! -e "$folder"

  check "$shell: names that are not plain" staged "$shell" REFERENCES=$'g.example/x\nh.example/x\ni.example/x\nj.example/x'
  check "$shell: … are not run" asked_only
  check "$shell: … nor is a shell" test ! -e work/x
  rm -rf "$folder"

  # Job variables of a runner that sets inputs for scripts too.
  check "$shell: inputs in the environment" staged "$shell" TAGS=a.example/x:1 INPUT_PASSWORD=canary INPUT_DOCKER-CONFIG=canary \
    PLUGIN_PASSWORD=canary MANIFEST_ACTION_TOKEN=canary AWS_PROFILE=ci
  check "$shell: … are not in that of a helper" lacks environment canary
  check "$shell: … all others are" grep -qx AWS_PROFILE=ci environment
  rm -rf "$folder"

  check "$shell: a helper that prints without end" staged "$shell" TAGS=e.example/x:1
  check "$shell: … is cut off" test "$(wc -c <"$folder/manifest-action-helpers/1")" -lt 66000
  rm -rf "$folder"

  sed 's/"good"/"hanging"/g' home/.docker/config.json >hanging.json
  # The variable may be the file itself.
  check "$shell: a helper that hangs" staged "$shell" HELPER_SECONDS=1 DOCKER_CONFIG="$TMP/hanging.json" \
    TAGS=$'a.example/x:1\nb.example:5000/x:1\nc.example/x:1'
  check "$shell: … is told" grep -qxF "docker-credential-hanging for a.example: no answer within 1 s." log
  check "$shell: … is handed over" handed "hanging a.example timeout"
  check "$shell: … and no other has to wait for it" asked_only "hanging get a.example" "none get c.example"
  [[ $shell == bare ]] || check "$shell: … nothing of it is left" eventually 10 over
  rm -rf "$folder"
  # Where there is no setsid, what it has started outlives it.
  [[ $shell != bare ]] || kill "$(cut -d ' ' -f 2 pids)"

  check "$shell: the tags of docker/metadata-action" staged "$shell" DOCKER_METADATA_OUTPUT_TAGS=a.example/x:1
  check "$shell: … are the default" asked_only "good get a.example"
  rm -rf "$folder"
  check "$shell: a spec that is text" staged "$shell" SPEC=$'indexes:\n- tags: a.example/x:1'
  check "$shell: … counts" asked_only "good get a.example"
  rm -rf "$folder"

  printf '%s' '{"credsStore": "none", "credHelpers": {"a.example": "good", "c.example": ""}}' >store.json
  check "$shell: the helper of all registries" staged "$shell" "DOCKER_CONFIG=$TMP/store.json" \
    TAGS=$'a.example/x:1\nb.example/x:1\nc.example/x:1'
  check "$shell: … is asked where there is no other" asked_only "good get a.example" "none get b.example"
  rm -rf "$folder"

  printf 'canary {"credHelpers": ["a.example": {"credsStore": "good' >torn.json
  check "$shell: a file that is torn" staged "$shell" "DOCKER_CONFIG=$TMP/torn.json" TAGS=a.example/x:1
  check "$shell: … is handed over for the program to judge" cmp torn.json "$folder/config.json"
  check "$shell: … and asks nobody" asked_only
  rm -rf "$folder"

  # Files where a container does not see them.
  rm -rf outside && mkdir -p "outside/di gests/nested" outside/meta outside/login
  for name in a b; do printf '%s' "$name" >"outside/di gests/$name" && printf '{}' >"outside/meta/$name.json"; done
  touch outside/{ca.pem,spec.yaml,login/config.json,login/other}
  ln -s ca.pem outside/named && ln -s a.json outside/meta/c.json
  check "$shell: files that inputs name" staged "$shell" HOME=/nowhere SPEC="$TMP/outside/spec.yaml" CA_FILE="$TMP/outside/named" \
    AUTH_FILE="$TMP/outside/login/" DIGESTS="
    $TMP/outside/di gests/, $TMP/outside/meta/?.json
    # $TMP/outside/login/other
    relative/x, linux/arm64=sha256:00, /, /no/such, $TMP/outside/../home, $TMP/none/*"
  check "$shell: … are handed over" test "$(handed_files)" = \
    "./di gests;./di gests/a;./di gests/b;./di gests/nested;./login;./login/config.json;./meta;./meta/a.json;./meta/b.json;./meta/c.json;./named;./spec.yaml;"
  check "$shell: … as they are" cmp "outside/di gests/b" "$folder/manifest-action-files$TMP/outside/di gests/b"
  check "$shell: … and nothing else" test "$(find "$folder" -type f | wc -l)" = 8
  check "$shell: … for this user alone" test -z "$(find "$folder" -type f ! -perm 600 -o -type d ! -perm 700 -o -type l)"
  check "$shell: … which is told" grep -qxF "Files that inputs name by absolute paths are handed to the container: 8." log
  check "$shell: … all of it goes" env FOLDER="$folder" sh "${stage%/*}/unstage.sh"
  check "$shell: … whole" test ! -e "$folder"
  check "$shell: inputs without such paths" staged "$shell" HOME=/nowhere DIGESTS='{"a": "a.example/x@sha256:00"}' CA_FILE=a/b \
    SPEC=$'indexes:\n- digests: /x' AUTH_FILE='{"auths": {"https://a.example": {}}}'
  check "$shell: … make no folder" test -z "$folder"
  check "$shell: an auth file that is text" staged "$shell" TAGS=a.example/x:1 AUTH_FILE='{"auths": {"a": {"auth": "canary"}}}'
  check "$shell: … is not in the environment of a helper" lacks environment canary
  rm -rf "$folder"
  # One that is left out may be an architecture that is lost.
  ln -s /etc/passwd outside/meta/link
  check "$shell: a link that leads elsewhere" staged "$shell" DIGESTS="$TMP/outside/di gests"$'\n'"$TMP/outside/meta"
  check "$shell: … is not followed, nor is the rest handed over" \
    not_handed "$TMP/outside/meta/link is a link that leads out of its folder"
  check "$shell: … the login is all the same" cmp home/.docker/config.json "$folder/config.json"
  check "$shell: … which is told" grep -qxF "Files that inputs name by absolute paths are not handed to the container." log
  rm -rf "$folder" outside/meta/link && mkfifo outside/meta/pipe
  check "$shell: a pipe" staged "$shell" HOME=/nowhere DIGESTS="$TMP/outside/meta/*"
  check "$shell: … is not read" not_handed "$TMP/outside/meta/pipe is not a file that can be read"
  rm -rf "$folder" outside/meta/pipe && touch outside/meta/$'x\n::set-output name=x::y' outside/meta/'##[error]x'
  ln -s /etc/passwd outside/meta/$'y\n::set-output name=x::y'
  check "$shell: names that a runner would obey" staged "$shell" HOME=/nowhere DIGESTS="$TMP/outside/meta"
  check "$shell: … are not in the log" gives 1 grep -qE '^::|##' log
  rm -rf "$folder" outside/meta/*set-output* && truncate -s 17M outside/meta/large
  check "$shell: files that are large" staged "$shell" HOME=/nowhere DIGESTS="$TMP/outside/meta"
  check "$shell: … are not handed over" not_handed "there are more than 1000 files, or more than 16 MiB"
  rm -rf "$folder" outside/meta/large && (cd outside/meta && seq 1000 | xargs touch)
  check "$shell: too many files" staged "$shell" HOME=/nowhere DIGESTS="$TMP/outside/meta"
  check "$shell: … are not handed over" not_handed "there are more than 1000 files, or more than 16 MiB"
  rm -rf "$folder"
  check "$shell: a pattern of any depth" staged "$shell" HOME=/nowhere DIGESTS="$TMP/outside/**/a.json"
  check "$shell: … is not handed over" not_handed "$TMP/outside/**/a.json is a pattern that takes in folders of any depth"
  rm -rf "$folder"

  check "$shell: a folder with backslashes" staged "$shell" 'DOCKER_CONFIG=/no\n::x' TAGS=a.example/x:1
  check "$shell: … is told as it is" grep -qF 'No Docker login at /no\n::x/config.json' log
done
