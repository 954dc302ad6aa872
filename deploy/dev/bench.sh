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
exec go run ./deploy/bench "$@"
