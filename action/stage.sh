#!/bin/sh
# Hands to the action's container what it does not see: the job's Docker login (a copy of the auth file, and what its
# credential helpers say), and copies of the files that inputs name by absolute paths, such as those in /tmp/digests.
#
# A container step has neither the machine's home nor its temp folder nor its programs. What it shares with a script step
# on every runner (GitHub's, old and new, and with Kubernetes hooks; act, which Gitea's and Forgejo's are based on) is the
# folder of $GITHUB_OUTPUT, because both must be able to write there. On a runner that does not share it, the program says
# what is missing. POSIX sh, because a job's own container (docker:cli, alpine) may have no bash; no JSON tool, for the
# same reason: names are found by awk, and answers are handed over as they are, for the program to read.
#
# In the environment: TAGS, REFERENCES, DIGESTS and SPEC, the inputs that name registries; DIGESTS, SPEC, CA_FILE and
# AUTH_FILE, those that name files.
set -eu
umask 077
export LC_ALL=C

# A helper may take so long, and print so much.
seconds=${HELPER_SECONDS:-30}
bytes=65536

say() { printf '%s\n' "$1"; }

# The text of the inputs without comments, a word a line: a placeholder is a letter of a name, and what stands before `=`
# a word of its own.
words() {
  sed -e '/^[[:space:]]*#/d' -e 's/{[a-z]*}/x/g' -e 's/\\[nrt]/ /g' -e 's/\\\//\//g' | tr '[:space:],"'\''={}' '\n'
}

# The registries that the words name; ONLY_DIGESTS: without a registry, only what has a digest counts as Docker Hub's.
registries() {
  awk -v only_digests="$1" '
    BEGIN {
      label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
      host = "^(" label "([.]" label ")*|[[][0-9a-f:.]+[]])(:[0-9]+)?$"
      part = "[a-z0-9]+([._-]+[a-z0-9]+)*"
      digest = "@sha(256|512):[0-9a-f]+$"
      name = "^" part "(/" part ")*(:[a-z0-9_][a-z0-9._-]*)?(" digest ")?$"
      systems = "^(aix|android|darwin|dragonfly|freebsd|illumos|ios|js|linux|netbsd|openbsd|plan9|solaris|wasip1|windows)/"
    }
    {
      word = tolower($0)
      if (word !~ /^[[][0-9a-f:.]+[]](:[0-9]+)?[\/]/) sub(/^[[]+/, "", word)
      sub(/[]]+$/, "", word)
      slash = index(word, "/")
      first = slash ? substr(word, 1, slash - 1) : ""
      if (first ~ host && first ~ /[.:]|^localhost$/) {
        sub(/^(index|registry-1)[.]docker[.]io$/, "docker.io", first)
        print first
      } else if (word ~ name && (word ~ digest || (!only_digests && word ~ /[\/:]/)) &&
        word !~ /^(sha256|sha512|oci|oci-archive|docker-archive):/ && (word !~ systems || word ~ /[:@]/)) {
        print "docker.io"
      }
    }'
}

# All registries that the inputs name, each once.
needed() {
  {
    {
      printf '%s\n' "${TAGS:-${DOCKER_METADATA_OUTPUT_TAGS:-}}" "${REFERENCES:-}"
      # As in the program: the file's text, or its name.
      case ${SPEC:-} in
      *'
'* | '{'* | indexes:*) printf '%s\n' "$SPEC" ;;
      *) if [ -f "${SPEC:-}" ]; then head -c 1048576 "$SPEC"; fi ;;
      esac
    } | words | registries 0
    printf '%s\n' "${DIGESTS:-}" | words | registries 1
  } | sort -u
}

# REGISTRY NAME, a line for each helper of the auth file that a registry on stdin has: its own, then that of all. Only
# plain names: what else there is the program tells, and does not run.
questions() {
  awk '
    function registry(key) {
      key = tolower(key)
      sub(/^https?:\/\//, "", key)
      sub(/\/+$/, "", key)
      sub(/\/v[12]$/, "", key)
      sub(/^(index|registry-1)[.]docker[.]io$/, "docker.io", key)
      return key
    }
    function ask(host, name) {
      if (name ~ /^[A-Za-z0-9_.-]+$/ && name !~ /[.][.]/) print host, name
    }
    FILENAME == "-" { hosts[++count] = $0; next }
    { text = text $0 "\n" }
    END {
      size = length(text)
      for (at = 1; at <= size; at++) {
        c = substr(text, at, 1)
        if (c == "{" || c == "[") {
          depth++
          is_object[depth] = c == "{"
          is_key = is_object[depth]
        } else if (c == "}" || c == "]") {
          depth--
        } else if (c == ",") {
          is_key = is_object[depth]
        } else if (c == "\"") {
          string = ""
          for (at++; at <= size && (c = substr(text, at, 1)) != "\""; at++) {
            if (c == "\\") c = substr(text, ++at, 1)
            string = string c
          }
          if (is_key) {
            key[depth] = string
            is_key = 0
          } else if (depth == 1 && key[1] == "credsStore") {
            store = string
          } else if (depth == 2 && key[1] == "credHelpers") {
            own[registry(key[2])] = string
          }
        }
      }
      for (n = 1; n <= count; n++) {
        host = hosts[n]
        if (host in own) ask(host, own[host])
        # An empty name takes the common one away.
        if (!(host in own) || (own[host] != "" && own[host] != store)) ask(host, store)
      }
    }' - "$login"
}

# COMMAND…: for so long at most, then it is killed with all that it has started; its exit status is then 137.
if command -v setsid >/dev/null; then group=- alone=setsid; else group='' alone=''; fi
limited() { in_background "$@" 3<&0; } # A command in the background has no stdin of its own.
in_background() {
  $alone "$@" <&3 3<&- &
  command=$!
  (
    sleep "$seconds" &
    nap=$!
    trap 'kill "$nap"' TERM
    wait "$nap" && kill -s KILL -- "$group$command"
  ) </dev/null >/dev/null 2>&1 3<&- &
  watch=$!
  status=0
  wait "$command" || status=$?
  kill "$watch" 2>/dev/null || true
  return "$status"
}

# PROGRAM SERVER: what it prints in the file answer, its exit status in the file status.
ask() {
  printf '%s' "$2" >"$folder/question"
  program=$1
  # Passwords are among the variables of inputs, where a runner has set them here.
  set -f
  set -- "$program" get
  for name in $(env | sed -n -e 's/^\(INPUT_[^=]*\)=.*/\1/p' -e 's/^\(PLUGIN_[^=]*\)=.*/\1/p' \
    -e 's/^\(MANIFEST_ACTION_[^=]*\)=.*/\1/p'); do
    set -- -u "$name" "$@"
  done
  set +f
  {
    status=0
    limited env "$@" <"$folder/question" || status=$?
    printf '%s' "$status" >"$folder/status"
  } 2>/dev/null | limited head -c "$((bytes + 1))" >"$folder/answer" 2>/dev/null || true
}

# Asks the helpers of the registries that the inputs name. Each answer is a file: a line `NAME SERVER ENDED`, then what the
# helper printed; the program reads them from the folder of its auth file.
ask_helpers() {
  answers=$folder/manifest-action-helpers
  mkdir "$answers"
  needed >"$folder/registries"
  questions <"$folder/registries" >"$folder/questions"
  number=0 silent=' ' answered=''
  while read -r host helper; do
    # The registry's own helper comes first.
    [ "$host" != "$answered" ] || continue
    number=$((number + 1))
    server=$host
    [ "$host" != docker.io ] || server=https://index.docker.io/v1/
    path=$(command -v "docker-credential-$helper" || true)
    : >"$folder/answer"
    case $path in
    /*)
      case $silent in
      *" $helper "*) ended=timeout ;; # It would only take as long again.
      *)
        ask "$path" "$server" </dev/null
        ended=$(cat "$folder/status")
        [ "$ended" != 137 ] || ended=timeout
        ;;
      esac
      ;;
    *) ended=missing ;;
    esac
    case $ended in
    0) told='it gave an answer' answered=$host ;;
    missing) told='not found on PATH' ;;
    141) told='it printed too much' ;; # SIGPIPE
    timeout) told="no answer within $seconds s" silent="$silent$helper " ;;
    *) told="exit status $ended" ;;
    esac
    {
      printf '%s\n' "$helper $server $ended"
      [ "$ended" = timeout ] || cat "$folder/answer"
    } >"$answers/$number"
    say "docker-credential-$helper for $host: $told."
  done <"$folder/questions"
  rm -f "$folder/registries" "$folder/questions" "$folder/question" "$folder/status" "$folder/answer"
}

# The folder that the container sees, made once.
folder=
make_folder() {
  [ -z "$folder" ] || return 0
  folder=$(mktemp -d "${GITHUB_OUTPUT%/*}/manifest-action-XXXXXXXX") || return 1 # mode 0700
  # Written before anything is copied, so that the clean-up step knows the folder whatever happens next.
  say "folder=$folder" >>"$GITHUB_OUTPUT"
  case $folder in
  "${RUNNER_TEMP:-/nowhere}"/*) say "in-temp=${folder#"$RUNNER_TEMP"/}" >>"$GITHUB_OUTPUT" ;;
  esac
}

# Files that inputs name: so many at most, and so many bytes all together.
most_files=1000 most_bytes=16777216
too_many="there are more than $most_files files, or more than $((most_bytes >> 20)) MiB"

# FOLDER: the same folder, among the copies.
make_place() {
  make_folder || return 1
  files=$folder/manifest-action-files
  mkdir -p "$files$1"
}

# FILE: a copy below its own path. Fails, with the reason in $why, where there can be none.
copy() {
  if ! [ -f "$1" ] || ! [ -r "$1" ]; then
    why="$1 is not a file that can be read"
    return 1
  fi
  if ! make_place "${1%/*}" || ! head -c "$((most_bytes - size + 1))" "$1" >"$files$1"; then
    why="$1 cannot be copied"
    return 1
  fi
  number=$((number + 1)) size=$((size + $(wc -c <"$files$1")))
  if [ "$number" -gt "$most_files" ] || [ "$size" -gt "$most_bytes" ]; then
    why=$too_many
    return 1
  fi
}

# FILE…: the same for what is in a folder, or matches a pattern. A link may lead to another place in its folder, as
# Kubernetes makes them, and nowhere else. Of a folder only the name is copied: that it is one, the program tells.
copy_found() {
  if [ "$#" -gt "$most_files" ]; then
    why=$too_many
    return 1
  fi
  for file in "$@"; do
    [ -e "$file" ] || [ -L "$file" ] || continue # a pattern that nothing matches
    if [ -L "$file" ]; then
      inside=$(cd -P "${file%/*}/" && pwd -P)
      case $(readlink -f "$file" 2>/dev/null) in
      "${inside%/}"/*) ;;
      *)
        why="$file is a link that leads out of its folder"
        return 1
        ;;
      esac
    fi
    if [ -d "$file" ]; then
      make_place "$file" || return 1
    else
      copy "$file" || return 1
    fi
  done
}

# What a line of digests names: a folder, a file or a pattern of files.
copy_named() {
  case $1 in
  */../* | */..) return 0 ;; # The program looks for no such path among the copies.
  *'**'*)
    why="$1 is a pattern that takes in folders of any depth"
    return 1
    ;;
  esac
  if [ -f "$1" ]; then
    copy "$1"
  elif ! [ -d "$1" ]; then
    IFS='' # The line is one word, whatever is in it.
    # shellcheck disable=SC2086 # and may be a pattern
    set -- $1
    unset IFS
    copy_found "$@"
  elif [ -r "$1" ] && [ -x "$1" ]; then
    make_place "$1" || return 1
    copy_found "${1%/}"/*
  else
    why="$1 cannot be read"
    return 1
  fi
}

# Copies all, or none: a digest that is left out may be an architecture that is lost.
copy_all() {
  # Of a folder the auth file in it.
  [ ! -d "${AUTH_FILE:-}" ] || AUTH_FILE=${AUTH_FILE%/}/config.json
  for file in "${SPEC:-}" "${CA_FILE:-}" "${AUTH_FILE:-}"; do
    case $file in
    */../*) ;;
    /*) if [ -f "$file" ]; then copy "$file" || return 1; fi ;;
    esac
  done
  while IFS= read -r path; do
    case $path in
    /*) copy_named "$path" || return 1 ;;
    esac
  done <<END
$(printf '%s\n' "${DIGESTS:-}" | tr ',' '\n' | sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^\/*$/d')
END
}

# What came of it. Names of files are the program's to tell: they may contain what a runner obeys.
hand_over_files() {
  number=0 size=0 why=''
  if ! copy_all; then
    make_folder
    files=$folder/manifest-action-files
    rm -rf "$files"
    say "$why" >"$files.txt"
    say "Files that inputs name by absolute paths are not handed to the container."
  elif [ "$number" -gt 0 ]; then
    say "Files that inputs name by absolute paths are handed to the container: $number."
  fi
}

hand_over_files
# May be the text of an auth file, which no helper needs.
unset AUTH_FILE

# Some set the variable to the file itself.
login=${DOCKER_CONFIG:-$HOME/.docker}
[ -f "$login" ] || login=$login/config.json
if [ -f "$login" ]; then
  make_folder
  cat "$login" >"$folder/config.json"
  say "The Docker login in $login is handed to the container."
  ask_helpers
else
  say "No Docker login at $login: only logins from inputs or variables are used."
fi
