#!/bin/sh
# Removes what stage.sh made; FOLDER is empty if it made nothing.
set -eu

if [ -n "${FOLDER:-}" ]; then
  rm -rf -- "$FOLDER"
fi
