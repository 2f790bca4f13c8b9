#!/usr/bin/env bash
# The pipelines of tests/ci/pipelines: see pipelines.py. Run by run.sh.
. tests/ci/lib.sh

start_other_registry
python tests/ci/pipelines.py
