# shellcheck shell=bash
# What the two commands of the README share: installing what they need, and saying so. Sourced, not run.

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

# The path of our program after a build with the given profile (debug, release).
built_binary() {
  printf '%s/%s/%s/manifest-action' "${CARGO_TARGET_DIR:-target}" "$(rustc -vV | sed -n 's/^host: //p')" "$1"
}
