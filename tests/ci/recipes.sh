#!/usr/bin/env bash
# Every job of docs/recipes.md, run by act. Run by run.sh.
. tests/ci/lib.sh
. tests/ci/workflow.sh

start_other_registry

write_recipes "$project/.github/workflows"
recipes=("$project"/.github/workflows/*.yml)
check "the page has nine recipes with jobs" test "${#recipes[@]}" = 9
for recipe in "${recipes[@]}"; do
  sed -i "s#ghcr.io/acme/#$REGISTRY/$(basename "$recipe" .yml)/#g; s#registry: ghcr.io#registry: $REGISTRY#
    s#docker.io/acme/#$OTHER/acme/#g; s#registry: docker.io#registry: $OTHER#; s#acme-bot#$USERNAME#
    s#docker run #docker run --network host #" "$recipe"
done
commit_project
sha=$(git -C "$project" rev-parse HEAD)

# images RECIPE REPOSITORY TAG: what `build` leaves there.
images() {
  for arch in amd64 arm64; do
    push_app "$REGISTRY/$1/$2:$3-$arch" "$arch"
  done
}
tagged() { workflow "$1.yml" --eventpath "$TMP/tagged.json" --env GITHUB_RUN_ID=1; }
digest_of() { manifest "$1" | sha256sum | sed 's/\(.*\)  -/sha256:\1/'; }
both=linux/amd64,linux/arm64

name=sign-and-attest-in-several-registries
images $name app 1
check "sign and attest: the job runs" tagged $name
digest=$(digest_of "$REGISTRY/$name/app:v1.4.0")
check "… both registries hold the list" test "$(digest_of "$OTHER/acme/app:latest")" = "$digest"
check "… each repository is signed once, by digest" test "$(xargs <"$TMP/artifacts/signed")" = \
  "$REGISTRY/$name/app@$digest $OTHER/acme/app@$digest"
check "… the attestation is of the first" test "$(<"$TMP/artifacts/attested")" = "$REGISTRY/$name/app@$digest"

name=promotion-from-staging
docker build --quiet --platform linux/arm64 --tag "$REGISTRY/$name/staging:v1.4.0" tests/ci/app >/dev/null
docker push --quiet "$REGISTRY/$name/staging:v1.4.0" >/dev/null
check "promotion: the job runs" tagged $name
check "… a single image keeps its digest" test "$(digest_of "$REGISTRY/$name/app:v1.4.0")" = \
  "$(digest_of "$REGISTRY/$name/staging:v1.4.0")"

name=goreleaser-beside-us
images $name app v1.4.0
check "goreleaser: the job runs" tagged $name
check "… its tag holds both platforms" test "$(holds "$REGISTRY/$name/app:latest")" = $both

name=six-images-of-one-repository
for image in api web cli worker cron docs; do images $name $image 1; done
check "six images: the job runs" tagged $name
for image in api web cli worker cron docs; do
  check "… $image holds both platforms" test "$(holds "$REGISTRY/$name/$image:latest")" = $both
done
check "… a later step reads a digest by name" grep -q "the API is $(digest_of "$REGISTRY/$name/api:v1.4.0")" "$TMP/log"

name=a-tag-for-each-architecture-beside-the-list
images $name app 1
check "a tag for each architecture: the job runs" tagged $name
for arch in amd64 arm64; do
  check "… v1.4.0-$arch is the image that was pushed" test "$(digest_of "$REGISTRY/$name/app:v1.4.0-$arch")" = \
    "$(digest_of "$REGISTRY/$name/app:1-$arch")"
done
check "… v1.4.0 holds both platforms" test "$(holds "$REGISTRY/$name/app:v1.4.0")" = $both

name=clean-up-staging-tags-without-breaking-the-list
images $name staging 1
check "clean up: the job runs" tagged $name
for arch in amd64 arm64; do
  check "… 1-$arch of staging is deleted" skopeo delete --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" \
    "docker://$REGISTRY/$name/staging:1-$arch"
done
check "… the list is whole" skopeo copy --quiet --all --src-tls-verify=false --authfile "$DOCKER_CONFIG/config.json" \
  "docker://$REGISTRY/$name/app:v1.4.0" "dir:$TMP/whole"

name=check-what-was-released
images $name app 1
for tag in v1.4.0 latest; do
  docker run --rm --network host --volume "$DOCKER_CONFIG:/login:ro" --env DOCKER_CONFIG=/login "$IMAGE:1" create --quiet \
    "$REGISTRY/$name/app:$tag" "$REGISTRY/$name/app:1-amd64" "$REGISTRY/$name/app:1-arm64" >/dev/null
done
check "check: the job runs" tagged $name
check "… and says that both tags are whole" test "$(grep -c 'whole: 2 platforms' "$TMP/log")" = 2
check "… an image is deleted" skopeo delete --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" \
  "docker://$REGISTRY/$name/app:1-arm64"
check "… then the job fails" gives 1 tagged $name
check "… and names what is gone" grep -qE 'linux/arm64 sha256:[0-9a-f]{64} is gone' "$TMP/log"

name=two-builders-in-two-workflows
push_app "$REGISTRY/$name/app:$sha-amd64" amd64
tagged $name &
waiting=$!
check "two workflows: the job waits for the other one" eventually 120 grep -q 'not found yet' "$TMP/log"
push_app "$REGISTRY/$name/app:$sha-arm64" arm64
check "… and ends when its image is there" wait "$waiting"
check "… its tag holds both platforms" test "$(holds "$REGISTRY/$name/app:v1.4.0")" = $both

name=a-mirror-that-may-fail
images $name app 1
check "a mirror: the job runs" tagged $name
check "… the mirror has the same digest" test "$(digest_of "$OTHER/acme/app:v1.4.0")" = \
  "$(digest_of "$REGISTRY/$name/app:v1.4.0")"
stop_other_registry
echo '{"ref": "refs/tags/v1.4.1"}' >"$TMP/tagged.json"
check "… when it is down the job succeeds" tagged $name
check "… the main registry has the release" test "$(holds "$REGISTRY/$name/app:v1.4.1")" = $both
check "… and a warning says what is missing" grep -q 'the mirror on Docker Hub does not have' "$TMP/log"
