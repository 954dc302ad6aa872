#!/usr/bin/env bash
# The recipe for mydb-dev/mariadb: MariaDB from Debian packages, in an image that keeps the contract of the official one.
# Called by deploy/dev/images.sh:
#   build.sh suite VERSION              prints the Debian suite that has this version; fails if none has
#   build.sh rootfs VERSION SUITE TAR   writes the root file system
#   build.sh dockerfile VERSION         prints the Dockerfile that makes the image of the file system, rootfs.tar
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

suite() {
  case $1 in
    10.11) echo bookworm ;;
    11.8) echo trixie ;;
    *) return 1 ;;
  esac
}

rootfs() {
  local suite=$2 tar=$3
  # The mirror is left to mmdebstrap, which adds the security updates to a stable release by itself.
  mmdebstrap --mode=root --variant=minbase --format=tar \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='force-confold' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="mariadb-server,mariadb-backup,tzdata" \
    --essential-hook="$here/prepare.sh \"\$1\"" \
    --customize-hook="$here/finish.sh \"\$1\"" \
    "$suite" "$tar"
}

dockerfile() {
  cat <<END
FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV LANG=C.UTF-8
ENV MARIADB_MAJOR=$1
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mariadbd"]
END
}

"$@"
