# Run once in a new data directory, by the image's entry point, against a server that listens on its socket only. It makes MyDB's
# own accounts, removes all others and makes nothing of the scientist's, so that it is the same for every instance. The image sources this
# file: the subshell keeps its settings from leaking.
(
  set -euo pipefail

  # The statements reach the client through a pipe, so the passwords are in no process list; they are base64 of plain letters there,
  # and only their hashes in the statements that the server keeps.
  password() { printf "set @%s = convert(from_base64('%s') using utf8mb4);\n" "$1" "$(base64 -w0 <"/run/mydb/$1_password")"; }

  {
    # Nothing of this is for a copy of the server, which has accounts of its own.
    echo "set sql_log_bin = 0;"
    password admin
    password probe
    password replication
    cat <<'SQL'
execute immediate concat('create user mydb_admin@''%'' identified via mysql_native_password using ', quote(password(@admin)));
execute immediate concat('create user mydb_probe@''%'' identified via mysql_native_password using ', quote(password(@probe)));
execute immediate concat('create user mydb_replication@''%'' identified via mysql_native_password using ', quote(password(@replication)));
grant all privileges on *.* to mydb_admin@'%' with grant option;
grant select, show view, trigger, lock tables, event, reload, process, binlog monitor, replication slave on *.* to mydb_replication@'%';

-- Nobody else may come in: no root, no account without a name, no account of the image's own. mariadb.sys is locked, and owns the
-- server's own views.
select group_concat(quote(user), '@', quote(host)) into @others from mysql.global_priv
  where user not in ('mydb_admin', 'mydb_probe', 'mydb_replication', 'mariadb.sys', 'PUBLIC');
execute immediate if(@others is null, 'do 0', concat('drop user ', @others));
delete from mysql.db where user in ('', 'PUBLIC');
drop database if exists test;
flush privileges;
flush tables;
SQL
  } | docker_process_sql --database=mysql

  # The marker says that all of this is done, and must not be lost in a power failure: without it, the next start would begin
  # again from nothing.
  date -u +%Y-%m-%dT%H:%M:%SZ >"$MYDB_DATA/mydb-initialised"
  sync -f "$MYDB_DATA"
)
