#!/usr/bin/env bash
# Runs the released program of this machine's system; native/action.yml calls it. SHA256SUMS beside it says which program that is,
# and is part of the commit that `uses:` names: nothing else is run, wherever it was downloaded from or kept.
#
# In the environment: RUNNER_OS, RUNNER_ARCH, RUNNER_TOOL_CACHE, RUNNER_TEMP; MANIFEST_DOWNLOADS, the address of a folder that
# has the programs, in place of the release's page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
page=https://github.com/org/manifest-action/releases/download

# fail STATUS TEXT: the statuses are the program's own.
fail() {
  echo "::error title=manifest-action::$2"
  exit "$1"
}

case ${RUNNER_OS:-}-${RUNNER_ARCH:-} in
Linux-X64) system=linux-amd64 ;;
Linux-ARM64) system=linux-arm64 ;;
macOS-X64) system=darwin-amd64 ;;
macOS-ARM64) system=darwin-arm64 ;;
Windows-X64) system=windows-amd64.exe ;;
*) fail 2 "there is no program for ${RUNNER_OS:-an unknown system} on ${RUNNER_ARCH:-an unknown architecture}: run this step on another runner, or build the program from source" ;;
esac

grep -q '^[0-9a-f]' "$here/SHA256SUMS" || fail 2 "this commit is not a release: use a tag, such as native@v1, or the commit of one"
# CR: Git on Windows may have added it.
read -r want name < <(tr -d '\r' <"$here/SHA256SUMS" | grep -E "^[0-9a-f]{64}  manifest-action-[^ ]*-$system\$") ||
  fail 2 "this release has no program for $RUNNER_OS on $RUNNER_ARCH: use another version, or build it from source"
version=${name#manifest-action-} version=${version%"-$system"}

# A file whose name has backslashes is named in a way of its own; stdin has none.
sum() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi <"$1" | cut -c 1-64; }
download() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
  else
    wget --quiet --tries 3 --output-document "$2" "$1"
  fi
}

# Kept for later jobs where the machine has a place for tools.
for folder in "${RUNNER_TOOL_CACHE:-}" "${RUNNER_TEMP:-}" "${TMPDIR:-/tmp}"; do
  [[ -n $folder ]] || continue
  folder=$folder/manifest-action/$version/$system
  ! mkdir -p "$folder" 2>/dev/null || [[ ! -w $folder ]] || break
done
program=$folder/manifest-action
[[ $system != *.exe ]] || program+=.exe

if [[ ! -f $program || $(sum "$program") != "$want" ]]; then
  address=${MANIFEST_DOWNLOADS:-$page/v$version}/$name
  new=$(mktemp "$folder/new-XXXXXXXX")
  trap 'rm -f "$new"' EXIT
  download "$address" "$new" || fail 7 "cannot download $address"
  got=$(sum "$new")
  [[ $got == "$want" ]] || fail 5 "$address has SHA-256 $got, not $want as SHA256SUMS says: it is not run"
  chmod 0755 "$new"
  # Jobs that run side by side find all of it, or nothing.
  mv -f "$new" "$program"
fi
exec "$program"
