#!/usr/bin/env bash
# Builds the S3 server of tests and benchmarks, versitygw, and prints where the program is. It takes two minutes, so the program is kept
# beside Go's own cache, under its version.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

cd "$dev_dir/s3"
version=$(go list -m -f '{{.Version}}' github.com/versity/versitygw)
folder=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mydb
program=$folder/versitygw-$version
if [[ ! -x $program ]]; then
  say "Building the S3 server versitygw $version ..."
  mkdir -p "$folder"
  CGO_ENABLED=0 go build -trimpath -o "$program.$$" github.com/versity/versitygw/cmd/versitygw
  mv "$program.$$" "$program"
fi
echo "$program"
