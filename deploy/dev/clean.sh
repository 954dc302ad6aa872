#!/usr/bin/env bash
# Removes what dev mode made on the engine, found by its label and by nothing else, then the images that images.sh built, then
# the state folder. Lists everything and asks first; YES=1 answers yes.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

label=dev.mydb.dev=true
image_label=dev.mydb.dev-image=true
state_dir=${MYDB_STATE_DIR:-$repo_dir/.mydb}
# The order matters: what uses goes before what is used.
kinds=(service container config secret network volume)

main() {
  if engine_answers; then
    clean_engine
    clean_images
  else
    say "No Docker engine answers, so there is nothing of MyDB on it to remove."
  fi
  clean_state
}

confirmed() {
  local answer
  [[ ${YES:-} != 1 ]] || return 0
  read -r -p "$1 [y/N] " answer || true
  [[ $answer == [yY]* ]]
}

# labelled KIND prints "id name" for each object of that kind which dev mode made.
labelled() {
  local format='{{.ID}} {{.Name}}' all=()
  case $1 in
    container) format='{{.ID}} {{.Names}}' all=(--all) ;;
    volume) format='{{.Name}} {{.Name}}' ;;
  esac
  # An engine outside a Swarm has no services, and says so with an error.
  docker "$1" ls "${all[@]}" --filter "label=$label" --format "$format" 2>/dev/null || true
}

clean_engine() {
  local kind found list=''
  for kind in "${kinds[@]}"; do
    found=$(labelled "$kind" | awk -v kind="$kind" '{print "  " kind " " $2}')
    list+=${found:+$found$'\n'}
  done
  if [[ -z $list ]]; then
    say "Dev mode has left nothing on the engine."
    return
  fi
  say "Made by dev mode (label $label), databases and their data included:"
  printf '%s' "$list" >&2
  confirmed "Remove all of this for good?" || die "Nothing was removed."
  for kind in "${kinds[@]}"; do remove_all "$kind"; done
}

# The containers of a removed service take a moment to go and hold its volumes and networks until then, hence the retries.
remove_all() {
  local kind=$1 deadline=$((SECONDS + 60)) ids force=()
  if [[ $kind == container ]]; then force=(--force --volumes); fi
  while mapfile -t ids < <(labelled "$kind" | cut -d' ' -f1) && ((${#ids[@]})); do
    docker "$kind" rm "${force[@]}" "${ids[@]}" >/dev/null 2>"$error" || true
    ((SECONDS < deadline)) || { cat "$error" >&2; die "Some of kind $kind could not be removed; the engine's reason is above."; }
    sleep 0.3
  done
}

clean_images() {
  local ids
  mapfile -t ids < <(docker image ls --quiet --filter "label=$image_label" | sort -u)
  ((${#ids[@]})) || return 0
  say "Images that were built for dev mode:"
  docker image ls --filter "label=$image_label" --format '{{.Repository}}:{{.Tag}} {{.Size}}' | sed 's/^/  image /' >&2
  confirmed "Remove them? They take half a minute each to build again." || return 0
  docker image rm --force "${ids[@]}" >/dev/null || say "Some images stay, for the reason above."
}

clean_state() {
  [[ -d $state_dir ]] || return 0
  local path
  path=$(realpath "$state_dir")
  # A mistaken MYDB_STATE_DIR must not cost more than MyDB's own files.
  case $repo_dir/:$HOME/ in
    *"$path"/*) die "The state folder is $path, which holds more than MyDB's state. It was not removed." ;;
  esac
  say "The state of dev mode is in $path: accounts, keys and backups."
  confirmed "Remove it for good?" || return 0
  rm -rf "$path"
}

error=$(mktemp)
trap 'rm -f "$error"' EXIT
main
