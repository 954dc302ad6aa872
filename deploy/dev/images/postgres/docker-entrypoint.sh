#!/usr/bin/env bash
# Entry point of mydb-dev/postgres. It keeps the contract of the official image (variables and their _FILE forms, the folder
# /docker-entrypoint-initdb.d, the data path), so that MyDB's recipes run unchanged on either. Everything but the server itself
# ("docker run IMAGE bash") is just run.
set -euo pipefail

fail() { printf 'entrypoint: %s\n' "$*" >&2; exit 1; }
note() { printf 'entrypoint: %s\n' "$*"; }

main() {
  if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi
  if [[ ${1:-} != postgres ]] || only_asks "$@"; then exec "$@"; fi
  if ((EUID == 0)); then
    own_folders
    # exec all the way: the server must be process 1 to hear the signal that stops the container.
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "${BASH_SOURCE[0]}" "$@"
  fi
  if [[ -s $PGDATA/PG_VERSION ]]; then
    note "the data directory is initialised already; starting the server"
  else
    initialise "$@"
  fi
  unset PGPASSWORD POSTGRES_PASSWORD
  exec "$@"
}

only_asks() {
  local argument
  for argument in "$@"; do
    case $argument in -\? | --help | --describe-config | -V | --version) return 0 ;; esac
  done
  return 1
}

own_folders() {
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA"
  chmod 3775 /var/run/postgresql
  find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
  find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
    mkdir -p "$POSTGRES_INITDB_WALDIR"
    chown -R postgres "$POSTGRES_INITDB_WALDIR"
    chmod 0700 "$POSTGRES_INITDB_WALDIR"
  fi
}

initialise() {
  read_settings
  [[ -n $POSTGRES_PASSWORD || $POSTGRES_HOST_AUTH_METHOD == trust ]] ||
    fail "refusing to start without a password for the superuser: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (or, where everybody who reaches the port may do anything, POSTGRES_HOST_AUTH_METHOD=trust)"
  # A folder of init scripts that cannot be read should fail now, not after the data directory looks initialised.
  ls /docker-entrypoint-initdb.d/ >/dev/null
  create_cluster
  allow_network_logins
  export PGPASSWORD=$POSTGRES_PASSWORD
  serve_locally "$@"
  create_database
  run_init_files /docker-entrypoint-initdb.d/*
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
  unset PGPASSWORD
  note "initialised; starting the server"
}

read_settings() {
  setting POSTGRES_PASSWORD ''
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS ''
  setting POSTGRES_HOST_AUTH_METHOD ''
}

# setting NAME DEFAULT exports NAME, read from the file that NAME_FILE names if that is set.
setting() {
  local name=$1 file_name=$1_FILE
  local value=${!name:-} file=${!file_name:-}
  [[ -z $value || -z $file ]] || fail "both $name and $file_name are set; only one may be"
  if [[ -n $file ]]; then
    [[ -r $file ]] || fail "$file_name names $file, which cannot be read"
    value=$(<"$file")
  fi
  export "$name=${value:-$2}"
  unset "$file_name"
}

create_cluster() {
  local arguments=()
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then arguments+=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
  # By contract the arguments are a piece of shell text ("--locale='de_DE.utf8' -k"), hence eval. The password goes through a
  # pipe: it is on no disk and in no process list.
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") "${arguments[@]}" '"$POSTGRES_INITDB_ARGS"
}

allow_network_logins() {
  local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}
  {
    echo
    if [[ $method == trust ]]; then echo "# POSTGRES_HOST_AUTH_METHOD=trust: anybody who reaches the port may log in as anybody."; fi
    echo "host all all all $method"
  } >>"$PGDATA/pg_hba.conf"
}

# The server for the init scripts: with the arguments of the real one, but on the socket only, so that nobody takes a
# half-initialised server for a ready one.
serve_locally() {
  shift # the word postgres, which pg_ctl adds itself
  local options
  options=$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")
  # NOTIFY_SOCKET: a supervisor must not be told that this one is ready.
  NOTIFY_SOCKET='' PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl --pgdata="$PGDATA" --options="$options" --wait start
}

create_database() {
  [[ $POSTGRES_DB != postgres ]] || return 0
  PGHOST='' PGHOSTADDR='' createdb --no-password --username "$POSTGRES_USER" --maintenance-db postgres -- "$POSTGRES_DB"
}

# The official image lets sourced scripts call this function by this name.
docker_process_sql() {
  PGHOST='' PGHOSTADDR='' psql --set=ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

run_init_files() {
  local file
  for file; do
    [[ -e $file ]] || continue # the pattern itself, when the folder is empty
    note "running $file"
    case $file in
      # By contract: a script that is executable runs by itself, another one in this shell.
      *.sh)
        if [[ -x $file ]]; then "$file"; else
          # shellcheck disable=SC1090 # the file is the user's
          source "$file"
        fi
        ;;
      *.sql) docker_process_sql --file "$file" ;;
      *.sql.gz) gunzip --stdout "$file" | docker_process_sql ;;
      *) note "ignoring $file: neither .sh, .sql nor .sql.gz" ;;
    esac
  done
}

main "$@"
