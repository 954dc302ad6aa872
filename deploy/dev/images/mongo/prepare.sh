#!/bin/sh
# The first step of build.sh, before packages are unpacked: the account gets its official number, so that a volume made by one
# image belongs to the right user in the other. Written by hand, because useradd is not there yet.
#   prepare.sh ROOT
set -eu
root=$1

echo 'mongodb:x:999:999::/data/db:/bin/sh' >>"$root/etc/passwd"
echo 'mongodb:x:999:' >>"$root/etc/group"
