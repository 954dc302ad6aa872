# Run once in a new data directory, by the image's entry point, against a server that listens on its socket only. It makes MyDB's
# own accounts and nothing of the scientist's, so that it is the same for every instance. The image sources this file: the
# subshell keeps its settings from leaking.
(
  set -eu

  # psql reads the passwords from their files, so that they are in no process list. The first lines keep the statements that hold
  # them out of the server's log, whatever happens.
  psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = 'panic';
set pg_stat_statements.track = 'none';
\set probe_password `cat /run/mydb/probe_password`
\set replication_password `cat /run/mydb/replication_password`
begin;
create role mydb_probe login nosuperuser nocreatedb nocreaterole password :'probe_password';
create role mydb_replication login replication nosuperuser nocreatedb nocreaterole password :'replication_password';
-- Scientists may visit this database (many tools go through it to make another), but not leave anything in it.
revoke create on schema public from public;
revoke temporary on database postgres from public;
commit;
SQL

  # In the data directory, because a mounted file could not change without a restart. In one step, because the server must not
  # find half a file.
  cat >"$PGDATA/pg_hba.conf.new" <<'HBA'
# Written by MyDB. Nobody gets in without a password, and nothing crosses the network without TLS.
# TYPE   DATABASE     USER              ADDRESS  METHOD
local    all          all                        scram-sha-256
hostssl  replication  mydb_replication  all      scram-sha-256
hostssl  all          all               all      scram-sha-256
HBA
  mv "$PGDATA/pg_hba.conf.new" "$PGDATA/pg_hba.conf"

  # The marker says that all of this is done, and must not be lost in a power failure: without it, the next start would begin
  # again from nothing.
  date -u +%Y-%m-%dT%H:%M:%SZ >"$PGDATA/mydb-initialised"
  initdb --sync-only --pgdata="$PGDATA" >/dev/null
)
