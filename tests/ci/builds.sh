#!/usr/bin/env bash
# The two ways to build the image: from source, and with a program that is there already. Run by run.sh.
. tests/ci/lib.sh

# The same build that run.sh tests with, unless it was given a program: then this one compiles.
check "docker build . compiles the program" build manifest-action-test/source Dockerfile .
check "… which runs, and asks for its inputs" gives 2 docker run --rm --network none manifest-action-test/source

mkdir "$TMP/given"
container=$(docker create manifest-action-test/source)
docker cp "$container:/usr/local/bin/manifest-action" "$TMP/given/program" 2>/dev/null
docker rm "$container" >/dev/null
check "docker build --build-arg BINARY=… takes a program that is there" \
  build manifest-action-test/given Dockerfile "$TMP/given" --build-arg BINARY=program
check "… as it is" cmp "$TMP/given/program" \
  <(docker run --rm --network none --entrypoint cat manifest-action-test/given /usr/local/bin/manifest-action)
