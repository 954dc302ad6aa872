#!/usr/bin/env bash
# Makes sure that the images of the database engines exist on the engine.
#   images.sh [NAME:TAG...]    e.g. images.sh postgres:17 mariadb:11.8; default: the catalogue of bin/mydb
# An official image that is there is used as it is, and is pulled where a registry answers. Where none does, the image is built
# from Debian packages as mydb-dev/NAME:TAG with the recipe in images/NAME, if there is one for that version.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

registry=    # yes or no once we know
unavailable=() # what could be had neither way
# A no is remembered for ten minutes: where packets are dropped, it takes the whole wait to find out.
no_registry=$repo_dir/bin/.no-registry
work_dir=$(mktemp -d)
trap 'rm -rf "$work_dir"' EXIT

main() {
  engine_answers || die "No Docker engine answers. Run deploy/dev/engine.sh up first."
  local image available=0 wanted=("$@")
  (($#)) || mapfile -t wanted < <(catalogue)
  for image in "${wanted[@]}"; do
    if ensure "$image"; then available=$((available + 1)); fi
  done
  ((${#unavailable[@]} == 0)) || say "Not available here: ${unavailable[*]}. No registry answers, and there is no recipe that builds them from Debian packages."
  ((available)) || die "None of the images ${wanted[*]} is available: no registry answers, and none of them could be built."
}

catalogue() {
  local images
  images=$("$repo_dir/bin/mydb" catalogue --images 2>/dev/null) && [[ -n $images ]] || images=$'postgres:17\npostgres:15\nmariadb:11.8'
  printf '%s\n' "$images"
}

ensure() {
  local image=$1
  image_exists "$image" && return
  pull "$image" && return
  build "$image"
}

# pull fetches an image, unless an earlier try of this run has shown that no registry answers. The engine is asked rather than
# the network from here, because it may have a mirror or a proxy that this shell knows nothing of; it prints "Pulling from" as
# soon as the registry has answered, so a short wait is enough to know, however large the image.
pull() {
  if [[ -z $registry && -n $(find "$no_registry" -mmin -10 2>/dev/null) ]]; then registry=no; fi
  [[ $registry != no ]] || return 1
  local image=$1 log=$work_dir/pull.log deadline=$((SECONDS + ${MYDB_REGISTRY_WAIT:-10})) pid
  : >"$log"
  timeout 1800 docker pull "$image" >>"$log" 2>&1 &
  pid=$!
  if [[ -z $registry ]]; then
    until grep -q 'Pulling from' "$log" || ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); do sleep 0.1; done
    if ! grep -q 'Pulling from' "$log"; then
      kill "$pid" 2>/dev/null || true
      wait "$pid" || true
      refused_by_registry "$log" && { say "The registry has no $image."; return 1; }
      registry=no
      mkdir -p "${no_registry%/*}" && touch "$no_registry"
      return 1
    fi
    registry=yes
  fi
  say "Pulling $image ..."
  wait "$pid" && return
  tail -n 1 "$log" >&2
  return 1
}

# A registry that says no to one image has answered, and may have the next one.
refused_by_registry() { grep -qiE 'not found|manifest unknown|access denied|unauthorized|toomanyrequests' "$1" && ! grep -qi 'lookup' "$1"; }

# build makes mydb-dev/NAME:TAG. The label dev.mydb.content says from which recipe, so that an edited recipe is built anew and
# an unchanged one is not.
build() {
  local image=$1 name=${1%%:*} tag=${1#*:} recipe suite content target started log previous='' built=''
  recipe=$dev_dir/images/$name/build.sh
  target=mydb-dev/$image
  if [[ ! -x $recipe ]] || ! suite=$("$recipe" suite "$tag"); then
    unavailable+=("$image")
    return 1
  fi
  content=$(content_of "$name" "$suite")
  read -r previous built < <(docker image inspect --format '{{.Id}} {{index .Config.Labels "dev.mydb.content"}}' "$target" 2>/dev/null) || true
  [[ $built != "$content" ]] || return 0
  started=$(date +%s)
  apt_install mmdebstrap debian-archive-keyring
  say "No registry answers: building $target from the packages of Debian $suite ..."
  log=$work_dir/build.log
  mkdir -p "$work_dir/context"
  if ! "$recipe" rootfs "$tag" "$suite" "$work_dir/context/rootfs.tar" >"$log" 2>&1 || ! assemble "$recipe" "$tag" "$content" "$target" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    say "Building $target failed; the end of its log is above."
    return 1
  fi
  rm -r "$work_dir/context"
  # The build before an edit of the recipe has lost its name by now.
  [[ -z $previous ]] || docker image rm "$previous" >/dev/null 2>&1 || true
  say "Built $target in $(seconds_since "$started") s, $(docker image inspect --format '{{.Size}}' "$target" | numfmt --to=si)B."
}

content_of() {
  local name=$1 suite=$2
  { find "$dev_dir/images/$name" -type f -print0 | sort -z | xargs -0 cat; echo "$suite"; } | sha256sum | cut -d' ' -f1
}

assemble() {
  local recipe=$1 tag=$2 content=$3 target=$4
  "$recipe" dockerfile "$tag" >"$work_dir/context/Dockerfile"
  docker build --label dev.mydb.dev-image=true --label "dev.mydb.content=$content" --tag "$target" "$work_dir/context"
}

main "$@"
