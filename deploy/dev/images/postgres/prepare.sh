#!/bin/sh
# The first step of build.sh, before PostgreSQL's packages are unpacked: what they must find.
#   prepare.sh ROOT
set -eu
root=$1

# The account gets its official number before a package can choose another: a volume made by one image then belongs to the
# right user in the other. Written by hand, because useradd is not there yet.
echo 'postgres:x:999:999::/var/lib/postgresql:/bin/bash' >>"$root/etc/passwd"
echo 'postgres:x:999:' >>"$root/etc/group"

# Without this the server's package would create a cluster of its own.
mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
