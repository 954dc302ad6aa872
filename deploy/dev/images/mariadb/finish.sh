#!/bin/sh
# The last step of build.sh, on the finished root file system: what a container of the official image would find.
#   finish.sh ROOT
set -eu
root=$1
here=$(cd "$(dirname "$0")" && pwd)

install -m 0755 "$here/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
mkdir -p "$root/docker-entrypoint-initdb.d"

# Debian's server listens on loopback only and logs in its own way; the official image listens everywhere and leaves the rest
# to the arguments.
find "$root/etc/mysql" -mindepth 1 -delete
mkdir -p "$root/etc/mysql/conf.d" "$root/etc/mysql/mariadb.conf.d"
cat >"$root/etc/mysql/my.cnf" <<'END'
[client-server]
socket = /run/mysqld/mysqld.sock
!includedir /etc/mysql/mariadb.conf.d/
!includedir /etc/mysql/conf.d/
END
cat >"$root/etc/mysql/mariadb.conf.d/50-docker.cnf" <<'END'
[mariadbd]
datadir = /var/lib/mysql
host-cache-size = 0
skip-name-resolve
END

# A fresh volume takes over the owner and the mode of the folder that it covers. What the package has put there is a server's
# data, and would be the same in every container.
find "$root/var/lib/mysql" -mindepth 1 -delete
install -d -o 999 -g 999 -m 0755 "$root/var/lib/mysql"
install -d -o 999 -g 999 -m 1777 "$root/run/mysqld"

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/*.log "$root"/var/log/apt \
  "$root/usr/share/mysql/mysql-test" "$root/usr/bin/mariadb-embedded" "$root/usr/bin/mariadb-test-embedded"
