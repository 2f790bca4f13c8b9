#!/usr/bin/env bash
# Builds the program that is shipped: static, stripped, and without a path of the machine that builds it, so that equal
# sources and tools give equal bytes in any folder. The Dockerfile, the benchmarks and the tests of the image use it.
#
# usage: release/build.sh [FILE]     the program is copied to FILE, or stays in target/; the last line says where it is
set -euo pipefail
to=${1:-}
[[ -z $to || $to == /* ]] || to=$PWD/$to
cd "$(dirname "$0")/.."
root=$PWD
# They would take the place of what .cargo/config.toml says, and the program would not be static.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS

target=${CARGO_TARGET_DIR:-target} cargo=${CARGO_HOME:-$HOME/.cargo}
[[ $target == /* ]] || target=$root/$target
# What paths in the program can begin with, and what stands there instead. Of two that fit rustc takes the later one.
real=("$HOME" "$(rustc --print sysroot)" "$cargo" "$root" "$target")
shown=(/home /rust /cargo . /target)
# Sources of crates lie in a folder that is named after the registry, or after its mirror.
cargo fetch --locked --quiet >&2
for folder in "$cargo"/registry/src/*/; do
  real+=("${folder%/}") shown+=(/crates)
done
flags=''
for at in "${!real[@]}"; do
  flags+="${flags:+,}'--remap-path-prefix=${real[at]}=${shown[at]}'"
done
host=$(rustc -vV | sed -n 's/^host: //p')
# With frame pointers the tables for unwinding are a quarter smaller, and the program 3 %.
flags+=",'-Cforce-frame-pointers=yes'"
# Rust's own linker there knows these: relocations packed, which glibc unpacks since 2.36; equal functions once; ends of
# strings shared.
[[ $host != x86_64-unknown-linux-gnu ]] ||
  flags+=",'-Clink-arg=-Wl,-z,pack-relative-relocs','-Clink-arg=-Wl,--icf=all','-Clink-arg=-Wl,-O2'"
# Flags of a target are added to those of .cargo/config.toml.
CARGO_TARGET_DIR=$target cargo build --locked --quiet --release --bin manifest-action --config "target.$host.rustflags=[$flags]" >&2

program=$target/$host/release/manifest-action
[[ $host != *windows* ]] || program+=.exe
for path in "${real[@]}"; do
  # A home folder of / is in everything.
  [[ $path == / ]] || ! grep -qaF -- "$path/" "$program" || {
    echo "release/build.sh: $program holds paths below $path:" >&2
    grep -aoE -- "$path/[[:graph:]]{0,80}" "$program" | sort -u | head -n 5 >&2
    exit 1
  }
done
if [[ -n $to ]]; then
  mkdir -p "$(dirname "$to")"
  cp "$program" "$to"
  program=$to
fi
echo "$program"
