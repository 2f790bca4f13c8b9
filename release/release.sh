#!/usr/bin/env bash
# Releases the version of Cargo.toml, without its `-dev`, from the commit that is checked out. docs/releasing.md has the whole way.
#
# usage: release/release.sh STEP DIST [WHAT]     DIST, a folder, has what one step leaves to the next
#
#   program OS-ARCH  builds the program on a machine of that kind
#   bases            DIST/Dockerfile: ours, with each base image by the digest that its tag has now
#   image ARCH       builds the image of a program in DIST, on a machine of that kind: DIST/image-ARCH.tar
#   sbom             DIST/sbom.spdx.json: what programs and images are made of
#   compose          composes the images by our own program and publishes them as IMAGE:VERSION, and nothing else: DIST/digest
#   pin              makes the commit that is released, with its tag, here alone: the version, and what it runs by digest
#   draft            pushes that tag and makes a draft of the release
#   publish          publishes the draft; moves 1.4, 1 and latest of the image, then the tag v1
#
# Each step can be run again: from one commit and one DIST it makes the same commit and the same digests. What is published
# already and differs is refused. In the environment: IMAGE, if it is not the owner's on ghcr.io.
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
step=$1 what=${3:-}
dist=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/.."

# What travels between jobs of GitHub arrives without its modes.
for file in "$dist"/manifest-action-*; do
  [[ ! -f $file ]] || chmod +x "$file"
done

fail() { echo "release/release.sh: $1" >&2 && exit 1; }
version=$(release/tree.py check | tail -n 1)
version=${version%-dev} tag=v${version%-dev}
source=$(git rev-parse HEAD)
owner=$(sed -n 's#^repository = "https://github.com/\([^/]*\)/.*#\1#p' Cargo.toml)
image=${IMAGE:-ghcr.io/$(tr '[:upper:]' '[:lower:]' <<<"$owner")/manifest-action}
architectures=(amd64 arm64)

# program OS-ARCH: where it is.
program() { echo "$dist/manifest-action-$version-$1"; }
# The one that runs here.
ours() { if [[ $(uname -m) == x86_64 ]]; then program linux-amd64; else program linux-arm64; fi; }

# The sources with the version that is released, in a worktree of their own: $tree.
released_tree() {
  tree=$(mktemp -d)/tree
  trap 'git worktree remove --force "$tree"' EXIT
  git worktree add --quiet --detach "$tree" "$source"
  # Whatever is made from a commit has its time.
  (cd "$tree" && release/tree.py set "$version" "$(TZ=UTC git show --no-patch --date=format-local:%Y-%m-%d --format=%cd)")
}

build_program() {
  released_tree
  CARGO_TARGET_DIR=$PWD/target "$tree/release/build.sh" "$(program "$what")"
}

pin_bases() {
  cp Dockerfile "$dist/Dockerfile"
  release/pin.py --program "$(ours)" "$dist/Dockerfile"
}

build_image() {
  local context built name=manifest-action-release/$what
  context=$(mktemp -d)
  install -m 0755 "$(program "linux-$what")" "$context/manifest-action"
  # Attestations are made by the workflow, of the index; a builder's own would be lost in `docker save`.
  built=(env DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --network host --file "$dist/Dockerfile" "$context"
    --build-arg BINARY=manifest-action)
  "${built[@]}" --build-arg VERSION="$version" --build-arg REVISION="$source" --tag "$name"
  docker save --output "$dist/image-$what.tar" "$name"
  # Newer engines also write OCI's form, of layers as they are; those of Docker's form we compress, in one way.
  local member
  for member in index.json oci-layout; do
    ! tar --list --file "$dist/image-$what.tar" "$member" >/dev/null 2>&1 || tar --delete --file "$dist/image-$what.tar" "$member"
  done
  "${built[@]}" --target system --tag "$name-system"
  # shellcheck disable=SC2016 # fields of dpkg
  docker run --rm --network none "$name-system" \
    dpkg-query --show --showformat '${Package} ${Version}\n' busybox-static ca-certificates >"$dist/debian-$what.txt"
  rm -r "$context"
}

compose() {
  local sources=("${architectures[@]/#/docker-archive:$dist/image-}") published
  published=$("$(ours)" create "$image:$version" "${sources[@]/%/.tar}" --overwrite=false \
    --platforms "$(printf 'linux/%s,' "${architectures[@]}" | sed 's/,$//')" \
    --expect-labels "org.opencontainers.image.version=$version
org.opencontainers.image.revision=$source" \
    --annotations "org.opencontainers.image.version=$version
org.opencontainers.image.revision=$source
org.opencontainers.image.source=https://github.com/$owner/manifest-action
org.opencontainers.image.licenses=Apache-2.0")
  echo "${published#*@}" >"$dist/digest"
  echo "$published"
}

pin() {
  local commit known
  (cd "$dist" && sha256sum "manifest-action-$version"-*) >"$dist/SHA256SUMS"
  released_tree
  cp "$dist/Dockerfile" "$tree/Dockerfile"
  (cd "$tree" && release/tree.py pin "$(<"$dist/digest")" "$dist/SHA256SUMS" && release/tree.py check >/dev/null)
  git -C "$tree" add --all
  commit=$(git show --no-patch --format=%cI "$source")
  GIT_AUTHOR_DATE=$commit GIT_COMMITTER_DATE=$commit git -C "$tree" -c commit.gpgSign=false \
    -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
    commit --quiet --message "chore: release $version"
  commit=$(git -C "$tree" rev-parse HEAD)
  known=$(git rev-parse --quiet --verify "refs/tags/$tag" || true)
  [[ -z $known || $known == "$commit" ]] || fail "$tag is $known already, and would now be $commit: raise the version"
  git tag --force "$tag" "$commit" >/dev/null
  write_notes
  echo "$tag is $commit"
}

# The changelog's section of the version, and what it is to be recognised by.
write_notes() {
  {
    git show "$tag:CHANGELOG.md" | awk -v heading="## $version - " 'index($0, heading) == 1 { on = 1; next } /^## / { on = 0 } on'
    printf '%s\n\n' '### Image and programs'
    printf '    %s\n' "$image:$version@$(<"$dist/digest")" '' \
      "gh attestation verify --repo $owner/manifest-action oci://$image@$(<"$dist/digest")" \
      "gh attestation verify --repo $owner/manifest-action manifest-action-$version-linux-amd64"
  } | sed '/./,$!d' >"$dist/notes.md"
}

# remote_tag NAME: the commit that it is there.
remote_tag() { git ls-remote origin "refs/tags/$1" | cut -f 1; }

draft() {
  local here there state
  here=$(git rev-parse --verify "refs/tags/$tag")
  there=$(remote_tag "$tag")
  [[ -z $there || $there == "$here" ]] || fail "$tag is $there there, and $here here: raise the version"
  [[ -n $there ]] || git push --quiet origin "refs/tags/$tag"
  state=$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || true)
  [[ $state != false ]] || { echo "$tag is published already" && return; }
  if [[ $state != true ]]; then
    local kind=()
    [[ $version != *-* ]] || kind=(--prerelease)
    gh release create "$tag" --draft --verify-tag --title "$version" --notes-file "$dist/notes.md" "${kind[@]}"
  fi
  gh release upload "$tag" --clobber "$dist/manifest-action-$version"-* "$dist/SHA256SUMS" "$dist/sbom.spdx.json"
}

# newest PREFIX: the newest release whose tag begins with this.
newest() {
  git ls-remote --tags --refs origin | sed -n 's#.*refs/tags/\(v[0-9]*\.[0-9]*\.[0-9]*\)$#\1#p' | grep "^${1//./\\.}" | sort -V | tail -n 1
}

publish() {
  local commit minor=${version%.*} moved=() latest=false
  commit=$(remote_tag "$tag")
  [[ -n $commit ]] || fail "$tag is not there: first the step draft"
  # What moves with a patch of an older version is only what belongs to that version.
  if [[ $version != *-* ]]; then
    [[ $(newest "v$minor.") != "$tag" ]] || moved+=("$minor")
    [[ $(newest "v${minor%.*}.") != "$tag" ]] || moved+=("${minor%.*}")
    [[ $(newest v) != "$tag" ]] || moved+=(latest) latest=true
  fi
  gh release edit "$tag" --draft=false --latest=$latest
  ((${#moved[@]})) || return 0
  "$(ours)" copy "$image@$(<"$dist/digest")" "${moved[@]/#/$image:}"
  [[ " ${moved[*]} " != *" ${minor%.*} "* ]] || {
    git fetch --quiet origin "refs/tags/$tag"
    git push --quiet --force origin "$commit:refs/tags/v${minor%.*}"
  }
}

case $step in
program) build_program ;;
bases) pin_bases ;;
image) build_image ;;
sbom) release/sbom.py "$version" "$dist"/debian-*.txt >"$dist/sbom.spdx.json" ;;
compose | pin | draft | publish) "$step" ;;
*) fail "there is no step $step" ;;
esac
