#!/bin/sh
# The first step of build.sh, before MariaDB's packages are unpacked: what they must find.
#   prepare.sh ROOT
set -eu
root=$1

# The account gets its official number before a package can choose another: a volume made by one image then belongs to the
# right user in the other. Written by hand, because useradd is not there yet.
echo 'mysql:x:999:999::/var/lib/mysql:/bin/sh' >>"$root/etc/passwd"
echo 'mysql:x:999:' >>"$root/etc/group"
