#!/usr/bin/env bash
# Runs the benchmarks on this machine's engine; arguments go to the program in deploy/bench.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"
cd "$repo_dir"

"$dev_dir/engine.sh" up
"$dev_dir/images.sh" postgres:17 mariadb:11.8 mongo:7
MYDB_TEST_S3_SERVER=$("$dev_dir/s3.sh")
export MYDB_TEST_S3_SERVER

# Logins are measured by an Active Directory, which needs root and the usual ports. Elsewhere they are left out, and the program says so.
if [[ -z ${MYDB_TEST_AD_URL:-} ]] && ((EUID == 0)) && ! (exec 3<>/dev/tcp/127.0.0.1/636) 2>/dev/null; then
  directory=$(mktemp -d /tmp/mydb-bench-directory.XXXXXX)
  trap '"$dev_dir/directory.sh" down "$directory"; rm -rf "$directory"' EXIT
  if "$dev_dir/directory.sh" up "$directory" >/dev/null; then
    # shellcheck source=/dev/null
    source "$directory/env"
  else
    echo "There is no directory on this machine: logins are not measured." >&2
  fi
fi
go run ./deploy/bench "$@"
