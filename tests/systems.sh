#!/usr/bin/env bash
# Tries the program on systems that this machine is not, as far as that can be done: builds it for Windows and runs its unit tests and
# the main job there, with Wine; runs the unit tests on arm64, with QEMU; checks that it compiles for macOS. Not a part of run.sh: it
# takes a quarter of an hour, and a Debian of its own, of which the compiler has the sources of its library.
#
#   tests/systems.sh [windows|arm64|macos]…     all of them by default; as root
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
debian=$PWD/target/systems/debian

install_debian() {
  section "Installing Debian unstable with compilers into target/systems"
  need_packages debootstrap ca-certificates
  mkdir -p "$debian"
  [[ -e $debian/etc/debian_version ]] || debootstrap --variant=minbase --include=ca-certificates sid "$debian"
  # Mirrors may lag behind.
  echo 'Acquire::Check-Valid-Until "false";' >"$debian/etc/apt/apt.conf.d/99mirror"
  # The machine's own, with what it trusts besides.
  cp -L /etc/ssl/certs/ca-certificates.crt "$debian/etc/ssl/certs/ca-certificates.crt"
  cp -L /etc/resolv.conf /etc/hosts "$debian/etc/"
  inside 'dpkg --add-architecture arm64 && apt-get update -qq && apt-get install -qq -y --no-install-recommends \
    rustc cargo rust-src gcc libc6-dev gcc-mingw-w64-x86-64-posix wine64 \
    gcc-aarch64-linux-gnu libc6-dev:arm64 libstd-rust-dev:arm64 qemu-user' >/dev/null
  touch "$debian/installed"
}

# inside COMMAND [VARIABLE=VALUE]…: with the sources at /src. What is mounted ends with the shell.
inside() {
  local command=$1
  shift
  mkdir -p "$debian/src" "$debian/build"
  # shellcheck disable=SC2016 # that shell expands it
  unshare --mount bash -c 'mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount --bind . "$1/src"; shift
    exec chroot "$@"' - "$debian" "$debian" env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt CARGO_TARGET_DIR=/build RUSTC_BOOTSTRAP=1 WINEDEBUG=-all "$@" \
    sh -c "cd /src && $command"
}

# Debian has no library for Windows or macOS: cargo builds it from its sources.
library=("-Zbuild-std=std,panic_unwind" --target)

windows() {
  local target=x86_64-pc-windows-gnu
  section "Windows: unit tests"
  # Wine does not remove the name of a file that is open.
  inside "cargo test --locked --lib ${library[*]} $target -- --skip too_few_bytes_are_not_kept" \
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=wine64
  section "Windows: from archives on a drive into a registry, and back"
  inside "cargo build --locked ${library[*]} $target"
  need_packages docker-registry skopeo python3
  scratch_registry
  rm -rf "$debian/work"
  mkdir "$debian/work"
  PYTHONPATH=benches python3 -c 'import sys; from images import Image, Layer
for arch in ("amd64", "arm64"): Image(f"linux/{arch}", arch, [Layer(arch, 1000)]).archive(f"{sys.argv[1]}/{arch}.tar")' "$debian/work"
  local program="wine64 /build/$target/debug/manifest-action.exe" image=127.0.0.1:$port/app:1
  inside "$program" GITHUB_ACTIONS=true "GITHUB_OUTPUT=Z:\\work\\outputs" "INPUT_TAGS=$image" \
    'INPUT_SOURCES=oci-archive:Z:\work\{arch}.tar' INPUT_PLATFORMS=linux/amd64,linux/arm64
  grep -A1 '^digest<<' "$debian/work/outputs"
  inside "$program copy $image 'oci-archive:Z:\\work\\back.tar:1'"
  cmp <(skopeo inspect --raw --tls-verify=false "docker://$image") <(skopeo inspect --raw "oci-archive:$debian/work/back.tar:1")
}

arm64() {
  section "arm64 Linux: unit tests"
  # An emulated machine is slower than what those hold the program to.
  inside "cargo test --locked --lib --target aarch64-unknown-linux-gnu -- --skip in_time" \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
}

macos() {
  section "macOS: it compiles"
  # Only Apple has a compiler of C for it, whose objects a check does not need.
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in -o) : >"$2" ;; *.a) : >"$1" ;; esac; shift; done\n' >"$debian/usr/local/bin/none"
  chmod +x "$debian/usr/local/bin/none"
  for target in aarch64-apple-darwin x86_64-apple-darwin; do
    inside "cargo check --locked ${library[*]} $target && cargo check --locked --lib --profile test ${library[*]} $target" \
      "CC_${target//-/_}=/usr/local/bin/none" "AR_${target//-/_}=/usr/local/bin/none" SDKROOT=/usr
  done
}

[[ -e $debian/installed ]] || install_debian
[[ $# -gt 0 ]] || set -- windows arm64 macos
for system in "$@"; do
  case $system in
  windows | arm64 | macos) "$system" ;;
  *) echo "there is no $system here: windows, arm64, macos" >&2 && exit 2 ;;
  esac
done
echo "tried: $*"
