#!/usr/bin/env bash
# action.yml, run as GitHub's runner runs it: its folders, mounts, variables and paths. Run by run.sh.
. tests/ci/lib.sh

repository=$REGISTRY/github/app
push_app "$repository:amd64" amd64
push_app "$repository:arm64" arm64

# A machine on which docker/login-action has run, one on which it has not, two that keep logins in helpers.
machine() { mkdir -p "$TMP/$1/.docker" && printf '%s' "${2-}" >"$TMP/$1/.docker/config.json"; }
login=$(jq -c .auths "$DOCKER_CONFIG/config.json")
machine with-login "{\"auths\": $login}"
machine with-helper "{\"auths\": {\"$REGISTRY\": {}}, \"credsStore\": \"desktop\",
  \"credHelpers\": {\"123.dkr.ecr.eu-central-1.amazonaws.com\": \"ecr-login\"}}"
machine with-test-helper "{\"auths\": {\"$REGISTRY\": {}}, \"credsStore\": \"desktop\", \"credHelpers\": {\"$REGISTRY\": \"test\"}}"
mkdir -p "$TMP/without-login" "$TMP/bin"
cat >"$TMP/bin/docker-credential-test" <<SH
#!/bin/sh
echo "\$(cat)" >>"$TMP/asked"
printf '%s' '{"ServerURL":"","Username":"$USERNAME","Secret":"$PASSWORD"}'
SH
chmod +x "$TMP/bin/docker-credential-test"

# act_on MACHINE [OPTION…] NAME=VALUE…: one run of the action; the log in $TMP/log, the rest in $TMP/work/result.json.
act_on() {
  local home=$TMP/$1
  shift
  rm -rf "$TMP/work"
  HOME=$home python tests/ci/github_runner.py "$TMP/work" "$@" >"$TMP/log" 2>&1 || { cat "$TMP/log" && return 1; }
  sed -i '/^::add-mask::/d' "$TMP/log" # the runner does not show these
}
result() { jq -r "$1" "$TMP/work/result.json"; }
# ended STATUS: with that status, and with nothing of the login left behind.
ended() { test "$(result .exit)" = "$1" && test "$(result '.left | length')" = 0; }
good=("sources=$repository:{arch}" "platforms=linux/amd64,linux/arm64")

check "a login on the machine reaches the container" act_on with-login "tags=$repository:1" "${good[@]}"
check "… the step succeeds and leaves nothing behind" ended 0
check "… the login itself is still there" test -s "$TMP/with-login/.docker/config.json"
check "… and is not in the log" lacks "$TMP/log" "$(jq -r '.[].auth' <<<"$login")"
check "… the output digest is the tag's" test "$(result .outputs.digest)" = \
  "$(skopeo inspect --raw --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" "docker://$repository:1" | sha256sum | sed 's/\(.*\)  -/sha256:\1/')"
check "… the tag holds both platforms" test "$(holds "$repository:1")" = linux/amd64,linux/arm64
for output in media-type size image images platforms digests manifest changed; do
  check "… the output $output is set: $(result ".outputs[\"$output\"]" | head -c 60)" test -n "$(result ".outputs[\"$output\"]")"
done
check "… the summary names the digest" grep -qF "$(result .outputs.digest)" <(result .summary)
check "an engine pulls by that digest" docker pull --quiet "$(result .outputs.image)"

check "on a runner of before 2.331 the login reaches it too" \
  act_on with-login --old "tags=$repository:old" "${good[@]}"
check "… it succeeds and leaves nothing behind" ended 0

check "in a container: job the login reaches it too" \
  act_on with-login --container manifest-action-test/runner "tags=$repository:2" "${good[@]}"
# Such a job's home is the runner's _github_home, where the login step of the same job has written.
check "… (no login was made in that job, so it is refused)" ended 6
mkdir -p "$TMP/job/_temp/_github_home" && cp -r "$TMP/with-login/.docker" "$TMP/job/_temp/_github_home/"
check "… made there" python tests/ci/github_runner.py --container manifest-action-test/runner "$TMP/job" "tags=$repository:2" "${good[@]}"
check "… it succeeds and leaves nothing behind" jq -e '.exit == 0 and .left == []' "$TMP/job/result.json"

# What is handed over is for the job's user alone, whatever the umask is.
mkdir "$TMP/commands"
check "a login is staged by the script" env --chdir / HOME="$TMP/with-login" GITHUB_OUTPUT="$TMP/commands/output" \
  sh -c "umask 000 && . '$PWD/action/stage.sh'"
staged=$(sed -n 's/^folder=//p' "$TMP/commands/output")
check "… with modes 700 and 600" test "$(stat -c %a "$staged" "$staged/config.json" | xargs)" = "700 600"
check "… and removed by the other" env FOLDER="$staged" sh action/unstage.sh
check "… whole" test ! -e "$staged"

check "without a login the inputs' is used" \
  act_on without-login "tags=$repository:3" "${good[@]}" "username=$USERNAME" "password=$PASSWORD"
check "… it succeeds and leaves nothing behind" ended 0
check "… and says that there was none" grep -q 'No Docker login at' "$TMP/log"
check "… the password is not in the log" lacks "$TMP/log" "$PASSWORD"

with_helpers() { PATH=$TMP/bin:$PATH act_on "$@"; }
check "a helper of the machine is asked for the container" with_helpers with-test-helper "tags=$repository:4" "${good[@]}"
check "… the step succeeds and leaves nothing behind" ended 0
check "… the helper was asked once" test "$(cat "$TMP/asked")" = "$REGISTRY"
check "… the login is told" grep -q "login .* from docker-credential-test of " "$TMP/log"
check "… its value is not" lacks "$TMP/log" "$PASSWORD"
check "… the tag holds both platforms" test "$(holds "$repository:4")" = linux/amd64,linux/arm64

check "a helper that the machine lacks" act_on with-helper "tags=$repository:missing" "${good[@]}"
check "… the step is denied and leaves nothing behind" ended 6
check "… the log names it" grep -q 'warning.*docker-credential-desktop of .* gave no login (not found on PATH)' "$TMP/log"
check "… no other helper was asked" lacks "$TMP/log" ecr-login
check "… and the way out" grep -q 'set .username. and .password.' "$TMP/log"
check "… no tag was made" gives 1 holds "$repository:missing"

check "bad inputs end the step" act_on with-login "tags=$repository:5" 'sources=::no reference' wait=soon
check "… with status 2, leaving nothing behind" ended 2
check "… no output is set" test "$(result '[.outputs[]] | join("")')" = ""
check "… sources is named" grep -q sources "$TMP/log"
check "… wait is named" grep -q wait "$TMP/log"

# Files that a container does not see, as Docker's workflow for several runners has them in /tmp.
mkdir -p "$TMP/outside/digests" "$TMP/outside/more"
for arch in amd64 arm64; do
  manifest "$repository:$arch" | sha256sum | { read -r hex _ && touch "$TMP/outside/digests/$hex"; }
done
for old in '' --old; do
  # shellcheck disable=SC2086 # no argument where it is empty
  check "digests in a folder outside the workspace${old:+, on an old runner}" \
    act_on with-login $old "tags=$repository:digests$old" "digests=$TMP/outside/digests" platforms=linux/amd64,linux/arm64
  check "… the step succeeds and leaves nothing behind" ended 0
  # In the order of the digests.
  check "… the tag holds both platforms" test "$(holds "$repository:digests$old" | tr , '\n' | sort | xargs)" = "linux/amd64 linux/arm64"
done
cp -r "$TMP/with-login/.docker" "$TMP/outside/login"
printf 'indexes:\n- tags: %s:7\n  sources: %s:{arch}\n' "$repository" "$repository" >"$TMP/outside/lists.yaml"
check "spec and docker-config there" act_on without-login "spec=$TMP/outside/lists.yaml" "docker-config=$TMP/outside/login" \
  platforms=linux/amd64,linux/arm64
check "… the step succeeds and leaves nothing behind" ended 0
check "… the tag holds both platforms" test "$(holds "$repository:7")" = linux/amd64,linux/arm64
ln -s /etc/passwd "$TMP/outside/more/link"
check "a folder that cannot be copied, and files that are not there" act_on with-login "tags=$repository:nowhere" \
  "digests=$TMP/outside/more" ca-file=/nowhere/ca.pem docker-config=/nowhere/login
check "… end the step, leaving nothing behind" ended 2
check "… each is told with what a container sees" test "$(grep -o ' here: a step in a container sees only the workspace' "$TMP/log" | wc -l)" = 3
check "… and why" grep -qF "copied no files there: $TMP/outside/more/link is a link" "$TMP/log"

check "the tags of docker/metadata-action are the default" \
  act_on with-login --set-env "DOCKER_METADATA_OUTPUT_TAGS=$repository:6" "${good[@]}"
check "… it succeeds" ended 0
