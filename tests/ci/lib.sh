# shellcheck shell=bash
# What every script in this folder shares; sourced, from the root of the project.
set -euo pipefail

CACHE=$PWD/target/tools
OWNER=$(sed -n 's#^repository = "https://github.com/\([^/]*\)/.*#\1#p' Cargo.toml)
export OWNER IMAGE=ghcr.io/${OWNER,,}/manifest-action
# shellcheck disable=SC2034 # read by those that source this
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
PATH=$CACHE/bin:$CACHE/venv/bin:$CACHE/node/node_modules/.bin:$PATH

# shellcheck source=tests/setup.sh
. tests/setup.sh

# check WHAT COMMAND…: one line when it holds; when not, what it printed, and the end.
check() {
  local what=$1 log=$TMP/check.log
  shift
  if "$@" >"$log" 2>&1; then
    echo "ok - $what"
  else
    echo "not ok - $what (exit $?: $*)"
    tail -n 100 "$log"
    # What the command before had to say, where a check looks at that.
    [[ ! -f $TMP/log ]] || { section "The last run's log" && tail -n 100 "$TMP/log"; }
    exit 1
  fi
}

# gives STATUS COMMAND…: whether the command ends with just that status.
gives() {
  local want=$1 got=0
  shift
  "$@" || got=$?
  [[ $got == "$want" ]] || { echo "exit $got, not $want" && return 1; }
}

# lacks FILE TEXT: whether a readable file is without that text.
lacks() { [[ -r $1 ]] && ! grep -qF -- "$2" "$1"; }

# eventually SECONDS COMMAND…: looks until it holds or time is up.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "not within time: $*" >&2 && return 1; }
    sleep 0.1
  done
}

# build TAG DOCKERFILE CONTEXT [OPTION…]: quiet unless it fails.
build() {
  local tag=$1 file=$2 context=$3
  shift 3
  docker build --network host --tag "$tag" --file "$file" "$@" "$context" >"$TMP/build.log" 2>&1 ||
    { tail -n 60 "$TMP/build.log" && return 1; }
}

# push_app REPOSITORY:TAG ARCH: a tiny image for that architecture, built and pushed as a CI job does it.
push_app() {
  docker build --quiet --platform "linux/$2" --tag "$1" tests/ci/app >/dev/null
  docker push --quiet "$1" >/dev/null
}

# write_recipes FOLDER: what is to paste below each heading of docs/recipes.md, as a workflow that is named by the heading. Of one
# that begins with its jobs, `build` has done its work: the images of its run are there. Pipelines of GitLab go to FOLDER/gitlab.
write_recipes() {
  mkdir -p "$1/gitlab"
  awk -v folder="$1" '
    /^## / { title = tolower(substr($0, 4)); gsub(/[^a-z]+/, "-", title) }
    /^```$/ { file = "" }
    file { print > file }
    /^```yaml$/ { start = 1; next }
    start && /^# \.gitlab-ci\.yml$/ { file = folder "/gitlab/" title ".yml" }
    start && /^# Replace / { file = folder "/" title ".yml" }
    start && /^jobs:$/ {
      file = folder "/" title ".yml"
      print "on: push\njobs:\n  build: {runs-on: ubuntu-24.04, steps: [{run: \"true\"}]}" > file
    }
    { start = 0 }
  ' docs/recipes.md
}

# runnable_app FOLDER: a Dockerfile there, of an image that says something when it is run by an engine of this machine.
runnable_app() {
  cp /bin/busybox "$1"
  printf 'FROM scratch\nCOPY busybox /\nENTRYPOINT ["/busybox", "echo", "the application runs"]\n' >"$1/Dockerfile"
}

# A second registry with the same login, in place of Docker Hub: $OTHER. The script's end stops it.
start_other_registry() {
  # Scripts that run beside this one would write the same file of logins.
  cp -r "$DOCKER_CONFIG" "$TMP/docker-config"
  export DOCKER_CONFIG=$TMP/docker-config
  sed "s#rootdirectory: [^}]*}#rootdirectory: $TMP/other}#" "$(dirname "$TMP")/registry.yml" >"$TMP/other.yml"
  docker-registry serve "$TMP/other.yml" >"$TMP/other.log" 2>&1 &
  OTHER_PID=$!
  trap stop_other_registry EXIT
  eventually 30 grep -q 'listening on' "$TMP/other.log"
  OTHER=$(sed -n 's/.*listening on \(127.0.0.1:[0-9]*\).*/\1/p' "$TMP/other.log")
  export OTHER
  docker login --username "$USERNAME" --password-stdin "$OTHER" <<<"$PASSWORD" >/dev/null 2>&1
}
stop_other_registry() {
  [[ -z ${OTHER_PID:-} ]] || kill "$OTHER_PID"
  OTHER_PID=''
}

# manifest REFERENCE: as another client reads it.
manifest() { skopeo inspect --raw --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" "docker://$1"; }

# holds REFERENCE: the platforms of an index.
holds() { manifest "$1" | jq -r '[.manifests[].platform | .os + "/" + .architecture] | join(",")'; }

# digests_in REFERENCE: the digests of its entries in hex, one a line.
digests_in() { manifest "$1" | jq -r '.manifests[].digest | ltrimstr("sha256:")'; }
