#!/usr/bin/env bash
# Builds the container image of MyDB from bin/mydb.
#   image.sh VERSION    makes mydb:VERSION and mydb:latest
set -euo pipefail
# shellcheck source=dev/prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/dev/prelude.sh"
cd "$repo_dir"

version=${1:?the version, for the tag}
certificates=/etc/ssl/certs/ca-certificates.crt
work_dir=$(mktemp -d)
trap 'rm -rf "$work_dir"' EXIT

lay_out() {
  local root=$work_dir/root
  install -D -m 0755 bin/mydb "$root/usr/local/bin/mydb"
  install -D -m 0644 "$certificates" "$root$certificates"
  install -D -m 0644 "$(go env GOROOT)/lib/time/zoneinfo.zip" "$root/usr/share/zoneinfo.zip"
  install -d -m 0755 "$root/etc"
  echo 'root:x:0:0:root:/:' >"$root/etc/passwd"
  echo 'nobody:x:65534:65534:nobody:/:' >>"$root/etc/passwd"
  install -d -m 1777 "$root/tmp"
  # An archive instead of COPY keeps the modes with every builder, old or new.
  tar --create --owner=0 --group=0 --numeric-owner --sort=name --directory "$root" --file "$work_dir/context/rootfs.tar" .
}

[[ -f $certificates ]] || apt_install ca-certificates
"$dev_dir/engine.sh" up
mkdir "$work_dir/context"
lay_out
cp deploy/Dockerfile "$work_dir/context/"
tag=${version//+/-} # a version may hold a +, a tag may not
if ! docker build --label "org.opencontainers.image.version=$version" --tag "mydb:$tag" --tag mydb:latest \
  "$work_dir/context" >"$work_dir/log" 2>&1; then
  cat "$work_dir/log" >&2
  die "The image could not be built; the engine's reason is above."
fi
say "Built mydb:$tag, $(docker image inspect --format '{{.Size}}' mydb:latest | numfmt --to=si)B."
