# shellcheck shell=bash disable=SC2034 # the variables are used by the scripts that source this
# What every script in deploy/dev shares: how it speaks, which engine it means, how it installs a package. Sourced, never run.

# Messages go to standard error, so that a script's standard output stays free for what a caller wants to read.
say() { printf 'mydb: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(cd "$dev_dir/../.." && pwd)
local_socket=/var/run/docker.sock

# bin/mydb reads MYDB_DOCKER_HOST, DOCKER_HOST, then the local socket, and knows nothing of the client's contexts: the
# scripts must talk to the same engine as the program does.
if [[ -n ${MYDB_DOCKER_HOST:-} ]]; then export DOCKER_HOST=$MYDB_DOCKER_HOST; fi
if [[ -z ${DOCKER_HOST:-} ]]; then export DOCKER_CONTEXT=default; else unset DOCKER_CONTEXT; fi

# engine_answers succeeds when the engine that MyDB would use answers within five seconds.
engine_answers() {
  command -v docker >/dev/null || return 1
  timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

image_exists() { docker image inspect "$1" >/dev/null 2>&1; }

seconds_since() { echo $(($(date +%s) - $1)); }

# apt_install PACKAGE... installs what is not installed yet. The package lists of a fresh machine are empty or old, so they
# are fetched first; a list that cannot be fetched is only reported, since the packages may still be found.
apt_install() {
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "The packages ${missing[*]} are needed, and this machine has no apt-get to install them with. Please install them by hand."
  ((EUID == 0)) || die "The packages ${missing[*]} are needed. Please install them (apt-get install ${missing[*]}) or run this as root."
  say "Installing ${missing[*]} with apt-get ..."
  local log
  log=$(mktemp)
  timeout 300 apt-get update >"$log" 2>&1 || say "apt-get update failed; trying with the package lists at hand."
  if ! DEBIAN_FRONTEND=noninteractive timeout 1200 apt-get install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    die "apt-get could not install ${missing[*]}; its last lines are above, all of them in $log."
  fi
  rm -f "$log"
}
