#!/usr/bin/env bash
# The README's two GitLab pipelines, the component and the plain job, run by gitlab-ci-local: the job logs in with the
# project's own registry variables, the next one reads MANIFEST_DIGEST. Run by run.sh.
. tests/ci/lib.sh

# pipeline NAME: a project with that example as its .gitlab-ci.yml, and with the component.
pipeline() {
  project=$TMP/$1
  mkdir -p "$project/templates"
  cp templates/manifest.yml "$project/templates"
  # The published component is this project's own, here.
  # shellcheck disable=SC2016 # GitLab's variable
  sed 's#org/manifest-action/manifest@1#acme/app/manifest@$CI_COMMIT_SHA#' "examples/ci/$1.yml" >"$project/.gitlab-ci.yml"
  # A job of the README's that needs an image, as every job of these tests does.
  printf 'default:\n  image: manifest-action-test/runner\n' >>"$project/.gitlab-ci.yml"
  git -C "$project" init --quiet --initial-branch main
  git -C "$project" remote add origin git@gitlab.example.com:acme/app.git
  git -C "$project" add .
  git -C "$project" -c user.name=tester -c user.email=tester@example.com commit --quiet --message "chore: $1"
  sha=$(git -C "$project" rev-parse HEAD)
  repository=$REGISTRY/gitlab/$1
}
# gitlab-ci-local says GITLAB_CI=false, to be told apart; GitLab says true.
run_pipeline() {
  (cd "$project" && gitlab-ci-local --home "$TMP/home" --network host --pull-policy if-not-present \
    --variable GITLAB_CI=true --variable "CI_REGISTRY=$REGISTRY" --variable "CI_REGISTRY_IMAGE=$repository" \
    --variable "CI_REGISTRY_USER=$USERNAME" --variable "CI_REGISTRY_PASSWORD=$PASSWORD" "$@") >"$TMP/log" 2>&1 ||
    { cat "$TMP/log" && return 1; }
}

for name in gitlab-component gitlab; do
  pipeline "$name"
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
