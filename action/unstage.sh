#!/bin/sh
# Removes what stage.sh made; FOLDER is empty when that was nothing.
set -eu

if [ -n "${FOLDER:-}" ]; then
  rm -rf -- "$FOLDER"
fi
