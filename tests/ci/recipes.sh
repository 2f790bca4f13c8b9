#!/usr/bin/env bash
# Every job of docs/recipes.md, run by act. Run by run.sh.
. tests/ci/lib.sh
. tests/ci/workflow.sh

start_other_registry

write_recipes "$project/.github/workflows"
recipes=("$project"/.github/workflows/*.yml)
check "the page has twelve recipes with jobs" test "${#recipes[@]}" = 12
for recipe in "${recipes[@]}"; do
  sed -i "s#ghcr.io/acme/#$REGISTRY/$(basename "$recipe" .yml)/#g; s#registry: ghcr.io#registry: $REGISTRY#
    s#docker.io/acme/#$OTHER/acme/#g; s#registry: docker.io#registry: $OTHER#; s#acme-bot#$USERNAME#
    s#docker run #docker run --network host #; s#trivy image --exit-code 1 --input app#test -s app/index.json#" "$recipe"
done
runnable_app "$project"
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

# summary_of_dry_run: as GitHub shows it, of the archives that a pull request left; the digest goes to $told.
summary_of_dry_run() {
  mkdir -p "$TMP/work/app/app/images"
  cp "$TMP"/artifacts/image-*/*.tar "$TMP/work/app/app/images"
  HOME=$TMP/home python tests/ci/github_runner.py "$TMP/work" "tags=$REGISTRY/$name/app:pr-7" dry-run=true \
    'sources=oci-archive:images/app-{arch}.tar' platforms=$both || return
  told=$(jq -r .outputs.digest "$TMP/work/result.json")
  jq -r .summary "$TMP/work/result.json"
  jq -e --arg digest "$told" '.exit == 0 and (.summary | contains($digest))' "$TMP/work/result.json"
}

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

name=builds-without-a-login
rm -r "$TMP/artifacts" && mkdir "$TMP/artifacts"
echo '{"number": 7, "pull_request": {"number": 7, "head": {"ref": "feature"}, "base": {"ref": "main"}}}' >"$TMP/pull.json"
pull_request() { EVENT=pull_request workflow "$name.yml" --eventpath "$TMP/pull.json"; }
repositories() { curl --silent --fail --user "$USERNAME:$PASSWORD" "http://$REGISTRY/v2/_catalog?n=1000" | jq -r '.repositories[]'; }
check "builds without a login: on a pull request, without any secret, the jobs run" pull_request
check "… both builds wrote archives" test "$(cd "$TMP/artifacts" && ls ./*/*)" = \
  $'./image-amd64/app-amd64.tar\n./image-arm64/app-arm64.tar'
check "… no job had a login" lacks "$TMP/log" 'is handed to the container'
check "… the log says what would be published" grep -qE "would.*$REGISTRY/$name/app:pr-7" "$TMP/log"
repositories >"$TMP/repositories"
check "… the registry has no such repository" lacks "$TMP/repositories" "$name/app"
check "… not even an upload was begun" test ! -e "$(dirname "$TMP")/registry/docker/registry/v2/repositories/$name"
check "… the summary of GitHub's runner, in the same folder, says so too" summary_of_dry_run
rm -r "$TMP/artifacts" && mkdir "$TMP/artifacts"
check "… on a tag the jobs run" tagged $name
check "… its tag holds both platforms" test "$(holds "$REGISTRY/$name/app:v1.4.0")" = $both
check "… with the digest that the dry run told" test "$(digest_of "$REGISTRY/$name/app:v1.4.0")" = "$told"
check "… another client reads all of it" skopeo copy --quiet --all --src-tls-verify=false \
  --authfile "$DOCKER_CONFIG/config.json" "docker://$REGISTRY/$name/app:v1.4.0" "dir:$TMP/read-back"
check "… an engine runs this machine's image of it" \
  grep -qx 'the application runs' <(docker run --rm --network none "$REGISTRY/$name/app:v1.4.0" 2>/dev/null)

name=over-an-air-gap
rm -r "$TMP/artifacts" && mkdir "$TMP/artifacts"
images $name app 1
docker run --rm --network host --volume "$DOCKER_CONFIG:/login:ro" --env DOCKER_CONFIG=/login "$IMAGE:1" create --quiet \
  "$REGISTRY/$name/app:v1.4.0" "$REGISTRY/$name/app:1-amd64" "$REGISTRY/$name/app:1-arm64" >/dev/null
check "air gap: the job runs" tagged $name
find "$TMP/artifacts" -name app.tar -exec cp {} "$TMP/app.tar" \;
check "… the other side publishes the archive" docker run --rm --network host --volume "$TMP:/in:ro" \
  --volume "$DOCKER_CONFIG:/login:ro" --env DOCKER_CONFIG=/login "$IMAGE:1" copy oci-archive:/in/app.tar "$OTHER/acme/gap:v1.4.0"
check "… under the same digest" test "$(digest_of "$OTHER/acme/gap:v1.4.0")" = "$(digest_of "$REGISTRY/$name/app:v1.4.0")"

name=scan-before-publishing
images $name staging 1
docker run --rm --network host --volume "$DOCKER_CONFIG:/login:ro" --env DOCKER_CONFIG=/login "$IMAGE:1" create --quiet \
  "$REGISTRY/$name/staging:v1.4.0" "$REGISTRY/$name/staging:1-amd64" "$REGISTRY/$name/staging:1-arm64" >/dev/null
check "scan: the job runs" tagged $name
check "… what was scanned is published" test "$(digest_of "$REGISTRY/$name/app:v1.4.0")" = \
  "$(digest_of "$REGISTRY/$name/staging:v1.4.0")"

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
