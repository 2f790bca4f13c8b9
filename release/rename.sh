#!/usr/bin/env bash
# Moves the project to another owner. `repository` in Cargo.toml is what says who owns it; what people paste has to spell the
# name out, so it is written again in every file.
#
# usage: release/rename.sh OWNER     a user or an organisation on GitHub, such as acme
set -euo pipefail
cd "$(dirname "$0")/.."
new=${1:-}
[[ $# == 1 && ${#new} -le 39 && $new =~ ^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$ ]] || {
  echo "usage: release/rename.sh OWNER     letters, digits and single hyphens, at most 39, such as acme" >&2
  exit 2
}
old=$(sed -n 's#^repository = "https://github.com/\([^/]*\)/manifest-action"$#\1#p' Cargo.toml)
[[ -n $old ]] || { echo 'release/rename.sh: Cargo.toml has no line repository = "https://github.com/OWNER/manifest-action"' >&2 && exit 1; }

# Names of images have no capitals, also where the owner's has.
git grep -zlI --untracked -e "$old/manifest-action" -e "ghcr\.io/${old,,}/manifest-action" -e "^author: $old\$" |
  xargs -0 sed -i -E "
    s#ghcr\.io/${old,,}/manifest-action#ghcr.io/${new,,}/manifest-action#g
    s#(^|[^[:alnum:]._-])$old/manifest-action#\1$new/manifest-action#g
    s#ghcr\.io/$new/manifest-action#ghcr.io/${new,,}/manifest-action#g
    s#^author: $old\$#author: $new#"
echo "The project is https://github.com/$new/manifest-action, its image ghcr.io/${new,,}/manifest-action."
