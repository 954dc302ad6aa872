#!/usr/bin/env bash
# The recipe for mydb-dev/postgres: PostgreSQL from Debian packages, in an image that keeps the contract of the official one.
# Called by deploy/dev/images.sh:
#   build.sh suite MAJOR              prints the Debian suite that has this version; fails if none has
#   build.sh rootfs MAJOR SUITE TAR   writes the root file system
#   build.sh dockerfile MAJOR         prints the Dockerfile that makes the image of the file system, rootfs.tar
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

suite() {
  case $1 in
    15) echo bookworm ;;
    17) echo trixie ;;
    *) return 1 ;;
  esac
}

rootfs() {
  local major=$1 suite=$2 tar=$3
  # The mirror is left to mmdebstrap, which adds the security updates to a stable release by itself.
  mmdebstrap --mode=root --variant=minbase --format=tar \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='force-confold' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="postgresql-$major,locales" \
    --essential-hook="$here/prepare.sh \"\$1\"" \
    --customize-hook="$here/finish.sh \"\$1\" $major" \
    "$suite" "$tar"
}

dockerfile() {
  local major=$1 volume=/var/lib/postgresql/data data=/var/lib/postgresql/data
  # From 18 on the official image keeps the data one level deeper, so that pg_upgrade can link files within one volume.
  if ((major >= 18)); then volume=/var/lib/postgresql data=/var/lib/postgresql/$major/docker; fi
  cat <<END
FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/lib/postgresql/$major/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV LANG=en_US.utf8
ENV PG_MAJOR=$major
ENV PGDATA=$data
VOLUME $volume
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
END
}

"$@"
