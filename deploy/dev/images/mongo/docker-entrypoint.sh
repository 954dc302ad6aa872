#!/usr/bin/env bash
# Entry point of mydb-dev/mongo. It keeps the contract of the official image (variables and their _FILE forms, the folder
# /docker-entrypoint-initdb.d, the data path, the arguments of mongod), so that MyDB's recipes run unchanged on either; but the
# server that it runs is FerretDB. Everything but the server itself ("docker run IMAGE bash") is just run.
set -euo pipefail

fail() { printf 'entrypoint: %s\n' "$*" >&2; exit 1; }
note() { printf 'entrypoint: %s\n' "$*"; }

main() {
  if [[ ${1:-} == -* ]]; then set -- mongod "$@"; fi
  if [[ ${1:-} != mongod ]]; then exec "$@"; fi
  shift
  read_arguments "$@"
  if ((EUID == 0)); then
    mkdir -p "$data"
    find "$data" \! -user mongodb -exec chown mongodb '{}' +
    # exec all the way: the server must be process 1 to hear the signal that stops the container.
    exec setpriv --reuid=mongodb --regid=mongodb --init-groups -- "${BASH_SOURCE[0]}" mongod "$@"
  fi
  setting MONGO_INITDB_ROOT_USERNAME
  setting MONGO_INITDB_ROOT_PASSWORD
  if [[ -e $data/WiredTiger ]]; then
    note "the data directory is initialised already; starting the server"
  elif [[ -n $MONGO_INITDB_ROOT_USERNAME && -n $MONGO_INITDB_ROOT_PASSWORD ]]; then
    initialise
  else
    fail "this stand-in always asks for passwords: set MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD, or their _FILE forms"
  fi
  unset MONGO_INITDB_ROOT_USERNAME MONGO_INITDB_ROOT_PASSWORD
  serve
}

# read_arguments takes what FerretDB has a counterpart for. The other arguments of MyDB's recipes are about what it does not have.
read_arguments() {
  data=/data/db port=27017 host=0.0.0.0 set_name='' tls=disabled certificate='' log=info
  local name value
  while (($#)); do
    name=${1%%=*} value=
    case $name in
      --bind_ip_all | --auth | --quiet | --tlsAllowConnectionsWithoutCertificates) ;;
      --*) if [[ $1 == *=* ]]; then value=${1#*=}; else value=${2-}; shift; fi ;;
      *) fail "what is \"$1\"?" ;;
    esac
    shift || fail "$name needs a value"
    case $name in
      --dbpath) data=$value ;;
      --port) port=$value ;;
      --bind_ip) host=${value%%,*} ;;
      --replSet) set_name=$value ;;
      --tlsMode) tls=$value ;;
      --tlsCertificateKeyFile) certificate=$value ;;
      --quiet) log=warn ;;
      --bind_ip_all | --auth | --keyFile | --tlsCAFile | --tlsDisabledProtocols | --tlsAllowConnectionsWithoutCertificates | \
        --maxConns | --oplogSize | --wiredTigerCacheSizeGB | --setParameter) ;;
      *) fail "the stand-in for mongod does not know the argument $name" ;;
    esac
  done
}

# setting NAME exports NAME, read from the file that NAME_FILE names if that is set.
setting() {
  local name=$1 file_name=$1_FILE
  local value=${!name:-} file=${!file_name:-}
  [[ -z $value || -z $file ]] || fail "both $name and $file_name are set; only one may be"
  if [[ -n $file ]]; then
    [[ -r $file ]] || fail "$file_name names $file, which cannot be read"
    value=$(<"$file")
  fi
  export "$name=$value"
  unset "$file_name"
}

ferretdb_arguments() {
  arguments=(
    --handler=sqlite "--sqlite-url=file:$data/" "--state-dir=$data" --debug-addr=- --telemetry=disable "--log-level=$log"
    --test-enable-new-auth
  )
}

# initialise makes the root account and runs the init files, on a server that listens on the loopback interface only.
initialise() {
  local arguments pid deadline=$((SECONDS + 60))
  # A folder of init scripts that cannot be read should fail now, not after the data directory looks initialised.
  ls /docker-entrypoint-initdb.d/ >/dev/null
  # By this file the official image knows a data directory that is initialised, or was about to be.
  echo "This is FerretDB's data, not WiredTiger's." >"$data/WiredTiger"
  ferretdb_arguments
  # Through the environment of this one process: an argument would be seen by everybody.
  FERRETDB_SETUP_DATABASE=admin FERRETDB_SETUP_USERNAME=$MONGO_INITDB_ROOT_USERNAME FERRETDB_SETUP_PASSWORD=$MONGO_INITDB_ROOT_PASSWORD \
    ferretdb "${arguments[@]}" --listen-addr=127.0.0.1:27017 &
  pid=$!
  until (: </dev/tcp/127.0.0.1/27017) 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || fail "the server for the initialisation has ended"
    ((SECONDS < deadline)) || fail "the server for the initialisation did not start within a minute"
    sleep 0.05
  done
  run_init_files /docker-entrypoint-initdb.d/*
  kill "$pid"
  wait "$pid" || fail "the server for the initialisation ended with code $?"
  note "initialised; starting the server"
}

run_init_files() {
  local file database=${MONGO_INITDB_DATABASE:-test}
  for file; do
    [[ -e $file ]] || continue # the pattern itself, when the folder is empty
    note "running $file"
    case $file in
      *.sh)
        # By contract, in this shell.
        # shellcheck disable=SC1090 # the file is the user's
        source "$file"
        ;;
      *.js) initshell "$database" "$file" ;;
      *) note "ignoring $file: neither .sh nor .js" ;;
    esac
  done
}

serve() {
  local arguments
  ferretdb_arguments
  if [[ -n $set_name ]]; then arguments+=("--repl-set-name=$set_name"); fi
  case $tls in
    disabled) arguments+=("--listen-addr=$host:$port") ;;
    requireTLS)
      arguments+=(--listen-addr= "--listen-tls=$host:$port" "--listen-tls-cert-file=$certificate" "--listen-tls-key-file=$certificate") ;;
    *) fail "the stand-in for mongod has TLS for all or for nobody: set --tlsMode to requireTLS or disabled" ;;
  esac
  exec ferretdb "${arguments[@]}"
}

main "$@"
