#!/bin/sh
# Stands in front of the PostgreSQL image's own entry point and is the same for every instance. It puts the instance's secret
# where only the server's user can read it, and decides whether the data directory may be initialised.
set -eu

own=/run/mydb
secret=/run/secrets/mydb
marker=$PGDATA/mydb-initialised

refuse() {
  printf 'mydb: refusing to initialise: %s\n' "$*" >&2
  exit 78
}

# The secret is one file of lines "name base64". The names are listed here: a line must not write anywhere else.
unpack_secret() {
  umask 077
  while read -r name value; do
    case $name in
      admin_password | probe_password | replication_password | tls.crt | tls.key)
        printf '%s' "$value" | base64 -d >"$own/$name" ;;
      *) printf 'mydb: ignoring unknown secret %s\n' "$name" >&2 ;;
    esac
  done <"$secret"
  chown -R postgres "$own"
  umask 022
}

# Container engines silently make a missing volume, so an empty data directory is either a new server or a lost one. Only up to
# the moment that was set at creation is it a new one. Before that moment, whatever lies there without the marker is what an
# interrupted initialisation left: nobody was given this server yet, and the image would take it for a finished one.
guard_data() {
  if [ -s "$PGDATA/PG_VERSION" ] && [ -e "$marker" ]; then return; fi
  if [ -e "$marker" ]; then
    refuse "data directory $PGDATA was initialised once, but has no PG_VERSION: files are missing. Restore it from a backup."
  fi
  if [ "$(date +%s)" -gt "$MYDB_INIT_UNTIL" ]; then
    if [ -s "$PGDATA/PG_VERSION" ]; then
      refuse "data directory $PGDATA is half-initialised and the time for a first start is over. Nothing was touched; create the instance again, or restore it from a backup."
    fi
    refuse "data directory is empty ($PGDATA) and the time for a first start is over: the volume that held the data is missing. Nothing was touched; put the volume back, or restore it from a backup."
  fi
  mkdir -p "$PGDATA"
  find "$PGDATA" -mindepth 1 -delete
}

# Servers that were initialised by an earlier version let people in without TLS, too.
require_tls() {
  hba=$PGDATA/pg_hba.conf
  if [ -e "$hba" ] && grep -q '^# Written by MyDB' "$hba" && grep -q '^host ' "$hba"; then
    sed 's/^host    /hostssl /' "$hba" >"$hba.new"
    chown postgres "$hba.new"
    mv "$hba.new" "$hba"
  fi
}

unpack_secret
guard_data
require_tls
exec docker-entrypoint.sh "$@"
