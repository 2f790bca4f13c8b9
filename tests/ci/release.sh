#!/usr/bin/env bash
# The release, played from scratch clones: this machine's image, a stand-in for the other architecture, a registry and a
# repository to push to. What GitHub keeps of a release is a folder here. Run by run.sh.
. tests/ci/lib.sh

# This project as it is now, committed: $TMP/project.
mkdir "$TMP/project"
git ls-files -z --cached --others --exclude-standard | rsync --archive --from0 --files-from=- --ignore-missing-args . "$TMP/project"
version=1.4.0
(cd "$TMP/project" && release/tree.py set $version-dev)
git -C "$TMP/project" init --quiet --initial-branch main
git -C "$TMP/project" add .
as_tester=(-c user.name=tester -c user.email=tester@example.com)
GIT_COMMITTER_DATE='2026-01-02T23:30:00-05:00' git -C "$TMP/project" "${as_tester[@]}" commit --quiet --message "chore: start"

# Who owns it.
renamed() { (cd "$TMP/renamed" && release/rename.sh "$1"); }
cp -r "$TMP/project" "$TMP/renamed"
check "the project gets another owner by one command" renamed New-Org
named() { (cd "$TMP/renamed" && git grep -niE "(^|[^[:alnum:]._-])$OWNER/manifest-action|^author: $OWNER\$"); }
check "… nothing names the old one" gives 1 named
check "… versions and owners agree" sh -c "cd '$TMP/renamed' && release/tree.py check"
check "… names of images have no capitals" grep -q 'docker://ghcr.io/new-org/manifest' "$TMP/renamed/action.yml"
check "… examples are as right as before" sh -c "cd '$TMP/renamed' && OWNER=New-Org python tests/ci/pasted.py"
check "… and back" renamed "$OWNER"
check "… every file is as it was" git -C "$TMP/renamed" diff --exit-code
for wrong in '' 'a b' a/b -a a- a_b "$(printf 'a%.0s' {1..40})"; do
  check "no owner is named '$wrong'" gives 2 renamed "$wrong"
done
check "… and nothing changes" git -C "$TMP/renamed" diff --exit-code

# GitHub's client, as far as the release calls it; it fails once for the word in $TMP/fails.
mkdir "$TMP/bin"
cat >"$TMP/bin/gh" <<'SH'
#!/bin/sh
set -eu
[ "$1" = release ]
verb=$2 tag=$3 at=$RELEASES/$3
shift 3
if [ "$(cat "$FAILS" 2>/dev/null)" = "$verb" ]; then rm "$FAILS" && exit 1; fi
case "$verb $*" in
'view --json isDraft --jq .isDraft') [ -d "$at" ] && cat "$at/.draft" ;;
'create --draft --verify-tag --title '*) mkdir "$at" && echo true >"$at/.draft" && echo "$*" >"$at/.made" ;;
'upload --clobber '*) shift && cp "$@" "$at" ;;
'edit --draft=false --latest='*) echo false >"$at/.draft" ;;
*) echo "gh $verb $*?" && exit 64 ;;
esac
SH
chmod +x "$TMP/bin/gh"
export FAILS=$TMP/fails

# What the builds of all systems leave.
container=$(docker create "$IMAGE")
docker cp "$container:/usr/local/bin/manifest-action" "$TMP/program" 2>/dev/null
docker rm "$container" >/dev/null
builds() { # NAME
  mkdir -p "$TMP/$1/dist" "$TMP/$1/releases"
  cp "$TMP/program" "$TMP/$1/dist/manifest-action-$version-linux-amd64"
  local other
  for other in linux-arm64 darwin-arm64 windows-amd64.exe; do
    printf 'a stand-in for %s\n' "$other" >"$TMP/$1/dist/manifest-action-$version-$other"
  done
  # The tags of base images, which no registry has here.
  cp "$TMP/project/Dockerfile" "$TMP/$1/dist"
  git clone --quiet --bare "$TMP/project" "$TMP/$1/origin.git"
}
# play NAME JOB…: each job in a fresh clone; a job is steps with `+` between them, a step may say what for: image:amd64.
play() {
  local name=$1 job step
  shift
  for job in "$@"; do
    rm -rf "$TMP/$name/clone"
    git clone --quiet "$TMP/$name/origin.git" "$TMP/$name/clone"
    for step in ${job//+/ }; do
      (cd "$TMP/$name/clone" && PATH=$TMP/bin:$PATH RELEASES=$TMP/$name/releases IMAGE=$REGISTRY/release/$name \
        release/release.sh "${step%:*}" ../dist "${step#*:}") || return
    done
  done
}
# The other architecture's image, which no engine here can build from Debian's.
stand_in() {
  local context=$TMP/$1/arm64
  mkdir -p "$context"
  cp "$TMP/$1/dist/manifest-action-$version-linux-arm64" "$context/manifest-action"
  # shellcheck disable=SC2016 # Dockerfile's variables
  printf 'FROM scratch\nARG VERSION\nARG REVISION\n%s\n%s\n%s\n' 'COPY manifest-action /usr/local/bin/manifest-action' \
    'LABEL org.opencontainers.image.version=$VERSION' 'LABEL org.opencontainers.image.revision=$REVISION' >"$context/Dockerfile"
  docker build --quiet --platform linux/arm64 --build-arg VERSION="$version" \
    --build-arg REVISION="$(git -C "$TMP/project" rev-parse HEAD)" --tag manifest-action-test/arm64 "$context" >/dev/null
  docker save --output "$TMP/$1/dist/image-arm64.tar" manifest-action-test/arm64
}
commit_of() { git -C "$TMP/$1/origin.git" rev-parse --verify --quiet "refs/tags/$2"; }
shown() { git -C "$TMP/first/origin.git" show "$1:$2"; }

builds first
check "this machine's image is built of the program" play first image:amd64
stand_in first
check "what it is made of is listed" play first sbom
check "… crates and Debian's packages" jq -e '[.packages[].name] | contains(["manifest-action", "reqwest", "debian/ca-certificates"])
  and (contains(["insta"]) | not)' "$TMP/first/dist/sbom.spdx.json"
check "the index is composed by our own program" play first compose
digest=$(<"$TMP/first/dist/digest") first=$REGISTRY/release/first
check "… under the version's tag" test "sha256:$(manifest "$first:$version" | sha256sum | cut -d ' ' -f 1)" = "$digest"
check "… of both architectures" test "$(holds "$first:$version")" = linux/amd64,linux/arm64
check "… and no other" test "$(skopeo list-tags --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" "docker://$first" |
  jq -c .Tags)" = "[\"$version\"]"
check "it is pinned, and a draft made" play first pin+draft
check "… the branch is as it was" test "$(git -C "$TMP/first/origin.git" rev-parse main)" = "$(git -C "$TMP/project" rev-parse main)"
for file in action.yml templates/manifest.yml; do
  check "… $file names the image by tag and digest" \
    grep -q "ghcr.io/.*/manifest-action:$version@$digest\$" <(shown "v$version" $file)
done
check "… the changelog has its section, with the commit's day" grep -qx "## $version - 2026-01-03" <(shown "v$version" CHANGELOG.md)
check "… the sums are those of the programs" sh -c "cd '$TMP/first/dist' && sha256sum --check SHA256SUMS"
check "… and in the tree" cmp <(shown "v$version" native/SHA256SUMS) "$TMP/first/dist/SHA256SUMS"
check "… the draft has programs, sums and what they are made of" test "$(find "$TMP/first/releases/v$version" -name '[!.]*' -type f | wc -l)" = 6
check "… its notes are the changelog's, and how to check it" sh -c "head -1 '$TMP/first/dist/notes.md' | grep -q '^### ' &&
  grep -q 'gh attestation verify .*oci://$first@$digest' '$TMP/first/dist/notes.md'"
check "… v1 is not there yet" gives 1 commit_of first "v${version%%.*}"
check "it is published" play first publish
check "… the release is no draft" test "$(<"$TMP/first/releases/v$version/.draft")" = false
check "… v${version%%.*} is the release" test "$(commit_of first "v${version%%.*}")" = "$(commit_of first "v$version")"
for tag in "${version%.*}" "${version%%.*}" latest; do
  check "… the image's tag $tag too" test "sha256:$(manifest "$first:$tag" | sha256sum | cut -d ' ' -f 1)" = "$digest"
done
changed=$(git -C "$TMP/first/origin.git" diff --name-only main "v$version" | xargs)
check "… nothing else was changed" test "$changed" = \
  "CHANGELOG.md Cargo.lock Cargo.toml action.yml native/SHA256SUMS templates/manifest.yml"

check "published once more, all of it" play first compose pin+draft publish
check "… nothing has moved" test "$(commit_of first "v$version") $(<"$TMP/first/dist/digest")" = "$(commit_of first "v${version%%.*}") $digest"

# What `uses:` downloads.
git -C "$TMP/first/clone" archive --prefix downloaded/ "v$version" | tar --extract --directory "$TMP"
check "what is downloaded is small ($(du -sk "$TMP/downloaded" | cut -f 1) KiB)" test "$(du -sk "$TMP/downloaded" | cut -f 1)" -lt 300
check "… it has both actions, whole" diff <(cd "$TMP/downloaded" && find . -type f | sort) \
  <(cd "$TMP/project" && find ./action ./native ./action.yml ./LICENSE ./README.md -type f | sort)

# From the same commit once more, to where nothing is yet; each step but the first fails once half way.
builds second
check "the second play builds the image" play second image:amd64
stand_in second
play second sbom compose
check "… its index has the same digest" test "$(<"$TMP/second/dist/digest")" = "$digest"
echo create >"$FAILS"
check "a draft that cannot be made" gives 1 play second pin+draft
check "… its tag is there" commit_of second "v$version"
check "… it is made in the next run" play second pin+draft
check "… of the same commit" test "$(commit_of second "v$version")" = "$(commit_of first "v$version")"
echo upload >"$FAILS"
check "files that cannot be uploaded" gives 1 play second pin+draft
check "… are in the next run" play second pin+draft
echo edit >"$FAILS"
check "a draft that cannot be published" gives 1 play second publish
check "… moves nothing" gives 1 commit_of second "v${version%%.*}"
check "… it is in the next run" play second publish
check "… v${version%%.*} is the release" test "$(commit_of second "v${version%%.*}")" = "$(commit_of first "v$version")"

# What is published stays as it is.
echo other >"$TMP/second/dist/manifest-action-$version-linux-arm64"
stand_in second
check "another image under a published version is refused" gives 5 play second compose
check "… the tag has not moved" test "sha256:$(manifest "$REGISTRY/release/second:$version" | sha256sum | cut -d ' ' -f 1)" = "$digest"
git -C "$TMP/project" "${as_tester[@]}" commit --quiet --allow-empty --message "fix: later"
git -C "$TMP/second/origin.git" fetch --quiet "$TMP/project" main:main
check "so is another commit under its tag" gives 1 play second pin+draft
check "… which has not moved" test "$(commit_of second "v$version")" = "$(commit_of first "v$version")"

# A patch of an older version.
git -C "$TMP/first/origin.git" fetch --quiet "$TMP/project" main:later
for tag in v0.9.0 v99.0.0 "v${version%.*}.99" "v${version%%.*}"; do
  git -C "$TMP/first/origin.git" tag --force "$tag" later >/dev/null
done
check "an older version is published" play first publish
check "… and v${version%%.*} stays where it is" test "$(commit_of first "v${version%%.*}")" = "$(git -C "$TMP/first/origin.git" rev-parse later)"

# Trees that must not be released.
released() { rm -rf "$TMP/tree" && git clone --quiet --branch "v$version" "$TMP/second/origin.git" "$TMP/tree" 2>/dev/null; }
told() { # TEXT SCRIPT: the script changes the tree, and the text is what is said of it
  local text=$1
  released
  (cd "$TMP/tree" && eval "$2")
  (cd "$TMP/tree" && ! release/tree.py check >"$TMP/told" 2>&1) && grep -F "$text" "$TMP/told"
}
released
check "a released tree agrees with itself" sh -c "cd '$TMP/tree' && release/tree.py check"
check "… without action.yml's digest it does not" told 'must name its image by one digest' 'sed -i s/@sha256:.*// action.yml'
check "… nor without the component's" told 'must name its image by one digest' 'sed -i s/@sha256:.*// templates/manifest.yml'
check "… nor with two digests" told 'must name its image by one digest' 'sed -i s/@sha256:...../@sha256:00000/ action.yml'
check "… nor without a program's sum" told 'needs a line for each of linux-amd64' 'sed -i /linux-arm64/d native/SHA256SUMS'
check "… nor with sums of another version" told 'needs a line for each of' 'sed -i s/-linux/-0-linux/ native/SHA256SUMS'
check "… nor without its section" told 'CHANGELOG.md: the first section is' 'sed -i "s/^## [0-9].*/## Unreleased/" CHANGELOG.md'
check "… nor with another version in a file" told 'Cargo.lock: the version is 0.0.1' \
  'sed -i "/^name = .manifest-action/{n;s/= .*/= \"0.0.1\"/}" Cargo.lock'
check "… nor with another owner" told 'action.yml: the image is not one of' 'sed -i s#ghcr.io/[^/]*/#ghcr.io/else/# action.yml'
check "… nor under another tag" told 'the tag v9.9.9 is on' 'git tag v9.9.9'
check "a tag on a tree that is not released is told" told 'the tag v9.9.9 is on' 'git checkout --quiet HEAD^ && git tag v9.9.9'
check "a digest there too" told 'is not released, and its image is named by a digest' 'git checkout --quiet HEAD^ -- Cargo.toml Cargo.lock'
released
check "the next version begins where nothing is pinned" sh -c "cd '$TMP/tree' && release/tree.py set 99.1.0-dev &&
  git ${as_tester[*]} commit --quiet --all --message 'chore: 99.1.0-dev' && release/tree.py check"
