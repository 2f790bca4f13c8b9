#!/bin/sh
# Copies the job's Docker login to a place that the action's container can read.
#
# A container step has neither the machine's home nor its temp folder. What it shares with a script step on every runner
# (GitHub's, old and new, and with Kubernetes hooks; act, which Gitea's and Forgejo's are based on) is the folder of
# $GITHUB_OUTPUT, because both must be able to write there. On a runner that does not share it, the program says what is
# missing. POSIX sh, because a job's own container (docker:cli, alpine) may have no bash. No JSON tool, for the same
# reason: the whole file is copied, and the program names the credential helper it would need.
set -eu

login=${DOCKER_CONFIG:-$HOME/.docker}/config.json
if ! [ -f "$login" ]; then
  echo "No Docker login at $login: only logins from inputs or variables are used."
  exit 0
fi

folder=$(mktemp -d "${GITHUB_OUTPUT%/*}/manifest-action-XXXXXXXX") # mode 0700
# Written before the copy is made, so that the clean-up step knows the folder whatever happens next.
echo "folder=$folder" >>"$GITHUB_OUTPUT"
case $folder in
"${RUNNER_TEMP:-/nowhere}"/*) echo "in-temp=${folder#"$RUNNER_TEMP"/}" >>"$GITHUB_OUTPUT" ;;
esac
(umask 077 && cat "$login" >"$folder/config.json")
echo "The Docker login in $login is handed to the container."

# Names only: what a helper stores is not in this file.
helpers=$(tr -d '\r\n' <"$login" |
  grep -oE '"(credsStore|credHelpers)"[[:space:]]*:[[:space:]]*("[^"]*"|\{[^}]*\})' || true)
if [ -n "$helpers" ]; then
  echo "Logins stored in credential helpers cannot be used in a container: $(echo "$helpers" | tr -s '[:space:]' ' ')"
  echo "For these registries, give the inputs username and password, or credentials."
fi
