#!/usr/bin/env bash
# Entry point of mydb-dev/mariadb. It keeps the contract of the official image (variables with their MYSQL_ names and _FILE forms,
# the folder /docker-entrypoint-initdb.d, the data path, the upgrade of system tables), so that MyDB's recipes run unchanged on
# either. Everything but the server itself ("docker run IMAGE bash") is just run.
# shellcheck disable=SC2119,SC2120 # docker_process_sql gets arguments from sourced scripts alone
set -euo pipefail

fail() { printf 'entrypoint: %s\n' "$*" >&2; exit 1; }
note() { printf 'entrypoint: %s\n' "$*"; }

main() {
  if [[ ${1:-} == -* ]]; then set -- mariadbd "$@"; fi
  if [[ ${1:-} != mariadbd && ${1:-} != mysqld ]] || only_asks "$@"; then exec "$@"; fi
  data=$(configured datadir "$@")
  socket=$(configured socket "$@")
  data=${data%/}
  if ((EUID == 0)); then
    own_folders
    # exec all the way: the server must be process 1 to hear the signal that stops the container.
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "${BASH_SOURCE[0]}" "$@"
  fi
  if [[ ! -d $data/mysql ]]; then
    initialise "$@"
  elif [[ ${MARIADB_AUTO_UPGRADE:-0} != 0 ]] && is_older; then
    upgrade "$@"
  fi
  unset MARIADB_ROOT_PASSWORD MARIADB_PASSWORD MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
  exec "$@"
}

only_asks() {
  local argument
  for argument in "$@"; do
    case $argument in -\? | --help | --print-defaults | -V | --version) return 0 ;; esac
  done
  return 1
}

# configured NAME COMMAND... prints the value that the server would use. Asking it also checks the configuration.
configured() {
  local name=$1 all
  shift
  all=$("$@" --verbose --help 2>/dev/null) || fail "the server refuses its configuration: $("$@" --verbose --help 2>&1 >/dev/null | tail -n 3)"
  awk -v name="$name" '/^[^ \t]/ && $1 == name { sub(/^[^ \t]+[ \t]+/, ""); print; exit }' <<<"$all"
}

own_folders() {
  mkdir -p "$data" "${socket%/*}"
  find "$data" \! -user mysql -exec chown mysql: '{}' +
  find "${socket%/*}" -maxdepth 0 \! -user mysql -exec chown mysql: '{}' +
}

initialise() {
  read_settings
  [[ -n $MARIADB_ROOT_PASSWORD || -n $MARIADB_ROOT_PASSWORD_HASH || -n ${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-} || -n ${MARIADB_RANDOM_ROOT_PASSWORD:-} ]] ||
    fail "refusing to start without a password for root: set MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_FILE or MARIADB_ROOT_PASSWORD_HASH (or, where everybody who reaches the port may do anything, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1)"
  # A folder of init scripts that cannot be read should fail now, not after the data directory looks initialised.
  ls /docker-entrypoint-initdb.d/ >/dev/null
  mariadb-install-db --datadir="$data" --rpm --auth-root-authentication-method=normal "${@:2}" \
    --cross-bootstrap --skip-test-db --skip-log-bin --expire-logs-days=0 >/dev/null
  serve_locally "$@" --expire-logs-days=0
  set_up
  run_init_files /docker-entrypoint-initdb.d/*
  if [[ -n $MARIADB_ROOT_PASSWORD_HASH ]]; then
    as_root <<<"set sql_log_bin = 0; set password for root@localhost = $(literal "$MARIADB_ROOT_PASSWORD_HASH");"
  fi
  stop_local
  note "initialised; starting the server"
}

read_settings() {
  local name
  for name in ROOT_PASSWORD ROOT_PASSWORD_HASH ROOT_HOST DATABASE USER PASSWORD PASSWORD_HASH; do
    setting "MYSQL_$name" ''
    setting "MARIADB_$name" "$(printenv "MYSQL_$name")"
    if [[ -n $(printenv "MARIADB_$name") ]]; then export "MYSQL_$name=$(printenv "MARIADB_$name")"; fi
  done
  if [[ -n ${MARIADB_RANDOM_ROOT_PASSWORD:-} ]]; then
    MARIADB_ROOT_PASSWORD=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    note "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
  fi
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

# The server for the init scripts: with the arguments of the real one, but on the socket only, so that nobody takes a
# half-initialised server for a ready one.
serve_locally() {
  "$@" --skip-networking --socket="$socket" --skip-slave-start &
  server=$!
  local deadline=$((SECONDS + 300))
  until [[ -S $socket ]] && mariadb-admin --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || fail "the server for the init scripts ended; its log is above"
    ((SECONDS < deadline)) || fail "the server for the init scripts did not come up"
    sleep 0.05
  done
}

stop_local() {
  kill "$server"
  wait "$server"
}

# The official image lets sourced scripts call this function by this name.
docker_process_sql() {
  if [[ ${1:-} == --dont-use-mysql-root-password ]]; then
    shift
    MYSQL_PWD='' as_root "$@"
  else
    MYSQL_PWD=$MARIADB_ROOT_PASSWORD as_root ${MARIADB_DATABASE:+--database="$MARIADB_DATABASE"} "$@"
  fi
}

as_root() { mariadb --protocol=socket --socket="$socket" --user=root --skip-ssl "$@"; }

# literal TEXT prints it as an SQL string.
literal() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

set_up() {
  if [[ -z ${MARIADB_INITDB_SKIP_TZINFO:-${MYSQL_INITDB_SKIP_TZINFO:-}} ]]; then
    mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2>/dev/null | as_root --database=mysql
  fi
  {
    echo "set sql_log_bin = 0;"
    create_root
    echo "set sql_log_bin = 1;"
    create_user
  } | as_root --binary-mode
}

create_root() {
  local host=${MARIADB_ROOT_HOST:-%} how
  how="by $(literal "$MARIADB_ROOT_PASSWORD")"
  if [[ -n $MARIADB_ROOT_PASSWORD_HASH ]]; then how="by password $(literal "$MARIADB_ROOT_PASSWORD_HASH")"; fi
  echo "execute immediate concat('drop user if exists root@''127.0.0.1'', root@''::1'', root@''', @@hostname, '''');"
  if [[ -z $MARIADB_ROOT_PASSWORD_HASH ]]; then echo "set password for root@localhost = password($(literal "$MARIADB_ROOT_PASSWORD"));"; fi
  [[ $host != localhost ]] || return 0
  echo "create user root@$(literal "$host") identified $how;"
  echo "grant all on *.* to root@$(literal "$host") with grant option;"
}

create_user() {
  local how
  if [[ -n $MARIADB_DATABASE ]]; then echo "create database if not exists \`$MARIADB_DATABASE\`;"; fi
  [[ -n $MARIADB_USER && -n $MARIADB_PASSWORD$MARIADB_PASSWORD_HASH ]] || return 0
  how="by $(literal "$MARIADB_PASSWORD")"
  if [[ -n $MARIADB_PASSWORD_HASH ]]; then how="by password $(literal "$MARIADB_PASSWORD_HASH")"; fi
  echo "create user $(literal "$MARIADB_USER")@'%' identified $how;"
  if [[ -n $MARIADB_DATABASE ]]; then echo "grant all on \`${MARIADB_DATABASE//_/\\_}\`.* to $(literal "$MARIADB_USER")@'%';"; fi
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
      *.sql) docker_process_sql <"$file" ;;
      *.sql.gz) gunzip --stdout "$file" | docker_process_sql ;;
      *) note "ignoring $file: neither .sh, .sql nor .sql.gz" ;;
    esac
  done
}

# is_older tells whether the system tables are of an earlier version than the server.
is_older() {
  local file written=
  for file in "$data/mariadb_upgrade_info" "$data/mysql_upgrade_info"; do
    if [[ -z $written && -s $file ]]; then written=$(cut -d. -f1,2 "$file" | tr -d '\0'); fi
  done
  [[ $written != "$MARIADB_MAJOR" ]]
}

upgrade() {
  note "the data is of an earlier version; upgrading the system tables"
  serve_locally "$@" --skip-grant-tables
  mariadb-upgrade --upgrade-system-tables --socket="$socket"
  stop_local
}

main "$@"
