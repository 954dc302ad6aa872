#!/bin/sh
# The last step of build.sh, on the finished root file system: what a container of the official image would find.
#   finish.sh ROOT PROGRAMS
set -eu
root=$1 programs=$2
here=$(cd "$(dirname "$0")" && pwd)

install -m 0755 "$programs"/* "$root/usr/local/bin/"
install -m 0755 "$here/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
mkdir -p "$root/docker-entrypoint-initdb.d"
# A fresh volume takes over the owner and the mode of the folder that it covers.
install -d -o 999 -g 999 "$root/data/db" "$root/data/configdb"

rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/*.log "$root"/var/log/apt
