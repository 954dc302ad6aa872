#!/bin/sh
# The last step of build.sh, on the finished root file system: what a container of the official image would find.
#   finish.sh ROOT MAJOR
set -eu
root=$1 major=$2
here=$(cd "$(dirname "$0")" && pwd)

# The locale of the official image: a dump that names it must restore here.
chroot "$root" localedef -i en_US -c -f UTF-8 -A /usr/share/locale/locale.alias en_US.UTF-8 2>/dev/null ||
  chroot "$root" localedef -i en_US -c -f UTF-8 en_US.UTF-8

install -m 0755 "$here/docker-entrypoint.sh" "$root/usr/local/bin/docker-entrypoint.sh"
mkdir -p "$root/docker-entrypoint-initdb.d"
sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" "$root/usr/share/postgresql/$major/postgresql.conf.sample"
grep -q "^listen_addresses = '\*'" "$root/usr/share/postgresql/$major/postgresql.conf.sample"

# A fresh volume takes over the owner and the mode of the folder that it covers.
rm -rf "$root/var/lib/postgresql/$major"
install -d -o 999 -g 999 -m 1777 "$root/var/lib/postgresql" "$root/var/lib/postgresql/data"
install -d -o 999 -g 999 -m 3777 "$root/var/run/postgresql"

# Half of the image would be the just-in-time compiler. Without its library PostgreSQL runs as with jit=off, which is enough to
# develop against.
rm -rf "$root/usr/lib/postgresql/$major/lib/bitcode" "$root/usr/lib/postgresql/$major/lib/llvmjit.so" \
  "$root"/usr/lib/*-linux-gnu/libLLVM* "$root"/usr/lib/*-linux-gnu/libz3.so* "$root"/usr/lib/llvm-*
# The manual pages can only go now: the packages register them as alternatives.
rm -rf "$root/usr/share/i18n" "$root/usr/share/postgresql/$major/man" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
  "$root"/var/log/*.log "$root"/var/log/apt
