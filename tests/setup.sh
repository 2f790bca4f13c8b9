# shellcheck shell=bash
# What scripts share: installing what they need, and saying so; a registry to try things with. Sourced, not run.

section() { printf '\n== %s\n' "$1"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Debian packages that are not there yet.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  section "Installing ${missing[*]} with apt"
  as_root apt-get update -qq
  # Services that a package would start are nothing that we asked for.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The path of our program after a build with the given profile (debug). What is shipped comes from release/build.sh.
built_binary() {
  printf '%s/%s/%s/manifest-action' "${CARGO_TARGET_DIR:-target}" "$(rustc -vV | sed -n 's/^host: //p')" "$1"
}

# A registry of Debian's on a free port: $scratch, a folder for it and for the caller, and $port. The script's end stops it
# and removes the folder. A second call starts another one.
registry_processes=()
scratch_registry() {
  if [ ${#registry_processes[@]} -eq 0 ]; then
    scratch=$(mktemp -d)
    trap 'kill "${registry_processes[@]}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
  fi
  section 'Starting a registry'
  local own=$scratch/registry-${#registry_processes[@]}
  cat >"$own.yml" <<YAML
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $own}}
http: {addr: "127.0.0.1:0"}
YAML
  docker-registry serve "$own.yml" >"$own.log" 2>&1 &
  registry_processes+=($!)
  # shellcheck disable=SC2034 # read by those that source this
  until port=$(grep -oP 'listening on 127\.0\.0\.1:\K[0-9]+' "$own.log"); do
    kill -0 "$!" 2>/dev/null || { cat "$own.log" && exit 1; }
  done
}
