#!/bin/sh
# Stands in front of the MongoDB image's own entry point and is the same for every instance. It puts the instance's secret where
# only the server's user can read it, and decides whether the data directory may be initialised.
set -eu

own=/run/mydb
secret=/run/secrets/mydb
data=$MYDB_DATA
marker=$data/mydb-initialised

refuse() {
  printf 'mydb: refusing to initialise: %s\n' "$*" >&2
  exit 78
}

# The secret is one file of lines "name base64". The names are listed here: a line must not write anywhere else. The server takes
# its key file only if nobody else can read it.
unpack_secret() {
  umask 077
  while read -r name value; do
    case $name in
      admin_password | probe_password | backup_password | keyfile | tls.crt | tls.pem)
        rm -f "$own/$name"
        printf '%s' "$value" | base64 -d >"$own/$name"
        chmod 0400 "$own/$name" ;;
      *) printf 'mydb: ignoring unknown secret %s\n' "$name" >&2 ;;
    esac
  done <"$secret"
  chown -R mongodb "$own"
  umask 022
}

# Container engines silently make a missing volume, so an empty data directory is either a new server or a lost one. Only up to
# the moment that was set at creation is it a new one. Before that moment, whatever lies there without the marker is what an
# interrupted initialisation left: nobody was given this server yet, and the image would take it for a finished one.
guard_data() {
  if [ -e "$data/WiredTiger" ] && [ -e "$marker" ]; then return; fi
  if [ -e "$marker" ]; then
    refuse "data directory $data was initialised once, but has no file WiredTiger: files are missing. Restore it from a backup."
  fi
  if [ "$(date +%s)" -gt "$MYDB_INIT_UNTIL" ]; then
    if [ -e "$data/WiredTiger" ]; then
      refuse "data directory $data is half-initialised and the time for a first start is over. Nothing was touched; create the instance again, or restore it from a backup."
    fi
    refuse "data directory is empty ($data) and the time for a first start is over: the volume that held the data is missing. Nothing was touched; put the volume back, or restore it from a backup."
  fi
  mkdir -p "$data"
  find "$data" -mindepth 1 -delete
}

unpack_secret
guard_data
exec docker-entrypoint.sh "$@"
