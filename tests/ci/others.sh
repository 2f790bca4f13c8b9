#!/usr/bin/env bash
# Woodpecker, Drone, Tekton, Azure, CircleCI, Jenkins and Buildkite: see others.py. Run by run.sh.
. tests/ci/lib.sh

commit=0123456789abcdef0123456789abcdef01234567
for arch in amd64 arm64; do
  for system in woodpecker tekton azure circleci jenkinsfile buildkite; do
    push_app "$REGISTRY/$system/app:$commit-$arch" "$arch"
  done
  push_app "$REGISTRY/drone/app:$commit-linux-$arch" "$arch"
done
python tests/ci/others.py
