#!/usr/bin/env bash
# The README's two GitLab pipelines, the component and the plain job, run by gitlab-ci-local: the job logs in with the
# project's own registry variables, the next one reads MANIFEST_DIGEST. And the pipeline of docs/recipes.md. Run by run.sh.
. tests/ci/lib.sh

# pipeline NAME FILE: a project with that file as its .gitlab-ci.yml, and with the component.
pipeline() {
  project=$TMP/$1
  repository=$REGISTRY/gitlab/$1
  mkdir -p "$project/templates"
  cp templates/manifest.yml "$project/templates"
  # The published component is this project's own, here.
  sed "s#$OWNER/manifest-action/manifest@1#acme/app/manifest@\$CI_COMMIT_SHA#; s#docker.io/acme/app#$repository#
    s#- buildah build#- test -z \"\$MANIFEST_ACTION_PASSWORD\" \&\& buildah build#" "$2" >"$project/.gitlab-ci.yml"
  runnable_app "$project"
  # A job of the README's that needs an image, as every job of these tests does.
  printf 'default:\n  image: manifest-action-test/runner\n' >>"$project/.gitlab-ci.yml"
  git -C "$project" init --quiet --initial-branch main
  git -C "$project" remote add origin git@gitlab.example.com:acme/app.git
  git -C "$project" add .
  git -C "$project" -c user.name=tester -c user.email=tester@example.com commit --quiet --message "chore: $1"
  sha=$(git -C "$project" rev-parse HEAD)
}
# gitlab-ci-local says GITLAB_CI=false, to be told apart; GitLab says true.
run_pipeline() {
  (cd "$project" && gitlab-ci-local --home "$TMP/home" --network host --pull-policy if-not-present \
    --variable GITLAB_CI=true --variable "CI_REGISTRY=$REGISTRY" --variable "CI_REGISTRY_IMAGE=$repository" \
    --variable "CI_REGISTRY_USER=$USERNAME" --variable "CI_REGISTRY_PASSWORD=$PASSWORD" "$@") >"$TMP/log" 2>&1 ||
    { cat "$TMP/log" && return 1; }
}

for name in gitlab-component gitlab; do
  pipeline "$name" "examples/ci/$name.yml"
  push_app "$repository:$sha-amd64" amd64
  push_app "$repository:$sha-arm64" arm64
  check "$name: the pipeline runs" run_pipeline
  digest=$(sha256sum < <(skopeo inspect --raw --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" "docker://$repository:main"))
  check "$name: its tag holds both platforms" test "$(holds "$repository:main")" = linux/amd64,linux/arm64
  check "$name: the next job reads MANIFEST_IMAGE and MANIFEST_DIGEST" \
    grep -q "deploy $repository@sha256:${digest%% *}, which is sha256:${digest%% *}" "$TMP/log"
done

check "gitlab: a failing step fails the pipeline" gives 1 run_pipeline --variable MANIFEST_ACTION_WAIT=soon
check "gitlab: … and is explained" grep -q 'manifest >.*wait' "$TMP/log"

# The variables that a project has for its environment `registry`; protected, so a merge request does not get them.
protected() {
  printf '%s: {values: {registry: %s}}\n' MANIFEST_ACTION_USERNAME "$USERNAME" MANIFEST_ACTION_PASSWORD "$PASSWORD" \
    >"$project/.gitlab-ci-local-variables.yml"
}
name=builds-without-a-login
write_recipes "$TMP/recipes"
pipeline $name "$TMP/recipes/gitlab/$name.yml"
# buildah wants a privilege; GitLab's own runners give all of them. The registry is not the project's own.
mkdir "$TMP/bin"
cat >"$TMP/bin/docker" <<SH
#!/bin/sh
[ "\$1" != create ] || { shift && set -- create --cap-add SYS_ADMIN "\$@"; }
exec $CACHE/bin/docker "\$@"
SH
chmod +x "$TMP/bin/docker"
run_recipe() { PATH=$TMP/bin:$PATH run_pipeline --variable CI_REGISTRY=registry.gitlab.invalid "$@"; }
check "$name: the pipeline of a merge request runs, without the login" \
  run_recipe --variable CI_PIPELINE_SOURCE=merge_request_event --variable CI_MERGE_REQUEST_IID=7
check "$name: … and says what would be published" grep -qE "would.*$repository:mr-7" "$TMP/log"
check "$name: … nothing was sent" test ! -e "$(dirname "$TMP")/registry/docker/registry/v2/repositories/gitlab/$name"
protected
check "$name: the pipeline of a tag runs; the builds do not have the login" run_recipe --variable CI_COMMIT_TAG=v1.4.0
check "$name: … its tag holds both platforms" test "$(holds "$repository:v1.4.0")" = linux/amd64,linux/arm64
check "$name: … an engine runs this machine's image of it" \
  grep -qx 'the application runs' <(docker run --rm --network none "$repository:v1.4.0" 2>/dev/null)
