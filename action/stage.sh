#!/bin/sh
# Copies the job's Docker login to where the action's container sees it.
#
# A container step has neither the machine's home nor its temp folder. What it shares with a script step on every runner,
# GitHub's of any age, under its Kubernetes hooks, and act, of which Gitea's and Forgejo's are made, is the folder of
# $GITHUB_OUTPUT: both must be able to write there. On a runner where it is not so, the program says what is missing.
# POSIX sh, because a job's own container (docker:cli, alpine) may have no bash. No JSON tool, for the same reason:
# the whole file is copied, and the program says which helper it cannot call when it needs one.
set -eu

login=${DOCKER_CONFIG:-$HOME/.docker}/config.json
if ! [ -f "$login" ]; then
  echo "No Docker login at $login: only logins given by inputs or variables are used."
  exit 0
fi

folder=$(mktemp -d "${GITHUB_OUTPUT%/*}/manifest-action-XXXXXXXX") # mode 0700
# Said before the copy is made, so that the clean-up knows the folder whatever happens here.
echo "folder=$folder" >>"$GITHUB_OUTPUT"
case $folder in
"${RUNNER_TEMP:-/nowhere}"/*) echo "in-temp=${folder#"$RUNNER_TEMP"/}" >>"$GITHUB_OUTPUT" ;;
esac
(umask 077 && cat "$login" >"$folder/config.json")
echo "The Docker login of $login is handed to the container."

# Names only: what a helper keeps is not in this file.
helpers=$(tr -d '\r\n' <"$login" |
  grep -oE '"(credsStore|credHelpers)"[[:space:]]*:[[:space:]]*("[^"]*"|\{[^}]*\})' || true)
if [ -n "$helpers" ]; then
  echo "Logins kept by credential helpers cannot follow into a container: $(echo "$helpers" | tr -s '[:space:]' ' ')"
  echo "For their registries give the inputs username and password, or credentials."
fi
