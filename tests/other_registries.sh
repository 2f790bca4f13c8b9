#!/usr/bin/env bash
# Installs the registries that tests/it/other_registries runs besides Debian's, at fixed versions, into
# target/tools/registries: ferro-oci-server from crates.io (a minute to compile), Pulp with its container plugin from PyPI,
# and from Debian PostgreSQL, where Pulp keeps its data. Done within two minutes; once done, within seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
FERRO=ferro-oci-server@1.0.0
folder=$PWD/target/tools/registries
need_packages postgresql python3-venv
section "Installing $FERRO and Pulp into target/tools/registries"
mkdir -p "$folder"
# Not optimised: it compiles in half the time, and the tests hardly make it work.
CARGO_TARGET_DIR=$folder/build cargo install --locked --quiet --debug --root "$folder/cargo" "$FERRO" &
[[ -x $folder/venv/bin/pip ]] || python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r tests/pulp.txt
wait "$!"
rm -rf "$folder/build"
