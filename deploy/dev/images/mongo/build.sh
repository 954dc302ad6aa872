#!/usr/bin/env bash
# The recipe for mydb-dev/mongo. Debian has no mongod, so this is a stand-in: FerretDB, which speaks MongoDB's protocol, in an image
# that keeps the contract of the official one. What it cannot do is written in docs/operator.md. Called by deploy/dev/images.sh:
#   build.sh suite MAJOR              prints the Debian suite to build on; fails for versions that FerretDB does not claim to be
#   build.sh rootfs MAJOR SUITE TAR   writes the root file system
#   build.sh dockerfile MAJOR         prints the Dockerfile that makes the image of the file system, rootfs.tar
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

suite() {
  case $1 in
    7) echo bookworm ;;
    *) return 1 ;;
  esac
}

rootfs() {
  local suite=$2 tar=$3 programs
  programs=$(mktemp -d)
  build_programs "$programs"
  # The mirror is left to mmdebstrap, which adds the security updates to a stable release by itself.
  mmdebstrap --mode=root --variant=minbase --format=tar \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=openssl,procps \
    --essential-hook="$here/prepare.sh \"\$1\"" \
    --customize-hook="$here/finish.sh \"\$1\" $programs" \
    "$suite" "$tar"
}

# build_programs builds what server/go.mod pins, statically and without traces of this machine: the same sources give the same files.
build_programs() {
  local out=$1 work=$1.src name source
  # shellcheck disable=SC2064 # the folders of now
  trap "rm -rf '$out' '$work'" EXIT
  export CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath -buildvcs=false' GOWORK=off
  cp -R "$here/server" "$work"
  cd "$work"
  go mod download github.com/FerretDB/FerretDB
  source=$(go list -m -f '{{.Dir}}' github.com/FerretDB/FerretDB)
  # FerretDB refuses to start without this file, which its own build makes of a git tag.
  cp -R --no-preserve=mode "$source" "$work/ferretdb"
  go list -m -f '{{.Version}}' github.com/FerretDB/FerretDB >"$work/ferretdb/build/version/version.txt"
  go mod edit -replace "github.com/FerretDB/FerretDB=$work/ferretdb"
  go build -ldflags '-s -w' -o "$out/ferretdb" github.com/FerretDB/FerretDB/cmd/ferretdb
  go build -ldflags '-s -w' -o "$out/initshell" ./initshell
  for name in mongodump mongorestore bsondump; do
    go build -ldflags '-s -w' -o "$out/$name" "github.com/mongodb/mongo-tools/$name/main"
  done
}

dockerfile() {
  cat <<END
FROM scratch
ADD rootfs.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV HOME=/data/db
ENV MONGO_MAJOR=$1
VOLUME /data/db /data/configdb
EXPOSE 27017
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mongod"]
END
}

"$@"
