#!/usr/bin/env bash
# `docker build .` compiles the program from source. Unoptimised here, to save time: releases differ in flags only.
# Run by run.sh.
. tests/ci/lib.sh

check "docker build . compiles from source" build manifest-action-test/source Dockerfile . --build-arg PROFILE=dev
check "… and what it compiled runs" gives 2 docker run --rm --network none manifest-action-test/source
