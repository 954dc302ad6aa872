#!/usr/bin/env bash
# Runs all tests, with everything that they need set up for them and taken down afterwards: an engine with images, a browser,
# a throw-away Postgres for metadata, a Swarm of three nodes. Arguments replace "./..." and go to `go test`:
#   test.sh -run TestCreate ./jobs/...
# What the tests read:
#   MYDB_TEST_DATABASE_URL     superuser on the throw-away Postgres
#   MYDB_TEST_DOCKER           1: the engine of DOCKER_HOST, or of the local socket, may be used
#   MYDB_TEST_POSTGRES_IMAGE   an image of PostgreSQL 17 that this engine and the nodes have
#   MYDB_TEST_MARIADB_IMAGE    images of MariaDB that this engine has, separated by commas, the version as tag
#   MYDB_TEST_S3_SERVER        the program of an S3 server, versitygw
#   MYDB_TEST_AD_..., MYDB_TEST_LDAP_...   two directories, see directory.sh; not set when this does not run as root
#   MYDB_TEST_SWARM_NODES      folder of the three nodes, see swarm-nodes.sh; not set when this does not run as root
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"
cd "$repo_dir"

container=mydb-test-$$
started_engine=
work_dir=$(mktemp -d /tmp/mydb-test.XXXXXX)
echo $$ >"$work_dir/owner"

main() {
  trap clean_up EXIT
  go build -o bin/mydb .
  engine_answers || started_engine=yes
  "$dev_dir/engine.sh" up
  remove_leftovers
  # shellcheck disable=SC2086 # several names, separated by blanks
  "$dev_dir/images.sh" ${MYDB_TEST_IMAGES:-postgres:17 postgres:15 mariadb:11.8 mariadb:10.11}
  install_browser
  install_clients
  MYDB_TEST_S3_SERVER=$("$dev_dir/s3.sh")
  export MYDB_TEST_S3_SERVER
  choose_images
  start_metadata_postgres
  start_nodes
  start_directories
  export MYDB_TEST_DOCKER=1
  (($#)) || set -- ./...
  go test -timeout 60m "$@"
}

clean_up() {
  trap '' INT TERM # a second Ctrl-C must not leave half of it behind
  timeout 30 docker rm --force --volumes "$container" >/dev/null 2>&1 || true
  discard "$work_dir"
  if [[ -n $started_engine ]]; then "$dev_dir/engine.sh" down 2>/dev/null || true; fi
}

discard() {
  if [[ -d $1/directory ]]; then "$dev_dir/directory.sh" down "$1/directory" || true; fi
  if [[ -d $1/nodes ]]; then "$dev_dir/swarm-nodes.sh" down 3 "$1/nodes" || true; fi
  rm -rf "$1"
}

# remove_leftovers takes down what runs left behind that were killed before they could: those whose process is gone.
remove_leftovers() {
  local dir owner
  for dir in /tmp/mydb-test.*; do
    if [[ -f $dir/owner ]] && ! kill -0 "$(<"$dir/owner")" 2>/dev/null; then discard "$dir"; fi
  done
  for owner in $(docker ps --all --filter label=dev.mydb.test-owner --format '{{.Label "dev.mydb.test-owner"}}'); do
    kill -0 "$owner" 2>/dev/null || docker rm --force --volumes "mydb-test-$owner" >/dev/null
  done
}

install_browser() {
  local browser
  for browser in chromium chromium-browser google-chrome; do
    if command -v "$browser" >/dev/null; then return; fi
  done
  apt_install chromium
}

# The tools that the connection cards have snippets for, as far as Debian has them, and those that open a backup without MyDB.
install_clients() {
  apt_install postgresql-client python3-psycopg default-jdk-headless libpostgresql-jdbc-java \
    mariadb-client python3-pymysql python3-sqlalchemy libmariadb-java age zstd jq curl
}

choose_images() {
  export MYDB_TEST_POSTGRES_IMAGE=postgres:17
  image_exists "$MYDB_TEST_POSTGRES_IMAGE" || MYDB_TEST_POSTGRES_IMAGE=mydb-dev/postgres:17
  local image found=()
  for image in mariadb:11.8 mariadb:10.11; do
    if image_exists "$image"; then found+=("$image"); elif image_exists "mydb-dev/$image"; then found+=("mydb-dev/$image"); fi
  done
  MYDB_TEST_MARIADB_IMAGE=$(IFS=, && echo "${found[*]}")
  export MYDB_TEST_MARIADB_IMAGE
}

# Nothing in this server outlives the run: it keeps its data in memory and never waits for a disk.
start_metadata_postgres() {
  local password address
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  POSTGRES_PASSWORD=$password docker run --detach --rm --name "$container" --label "dev.mydb.test-owner=$$" \
    --env POSTGRES_PASSWORD --publish 127.0.0.1::5432 --tmpfs /var/lib/postgresql/data --shm-size 256m \
    "$MYDB_TEST_POSTGRES_IMAGE" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=500 >/dev/null
  local deadline=$((SECONDS + 60))
  # Over TCP: during its initialisation the server listens on the socket only.
  until docker exec "$container" pg_isready --quiet --host 127.0.0.1 2>/dev/null; do
    if ((SECONDS >= deadline)) || ! docker inspect "$container" >/dev/null 2>&1; then
      docker logs --tail 10 "$container" >&2 || true
      die "The throw-away Postgres for metadata did not come up."
    fi
    sleep 0.1
  done
  address=$(docker port "$container" 5432/tcp | head -n 1)
  export MYDB_TEST_DATABASE_URL="postgres://postgres:$password@$address/postgres?sslmode=disable"
}

start_directories() {
  if ((EUID != 0)); then
    say "Not running as root: there will be no directories, and the tests that need one are skipped."
    return
  fi
  "$dev_dir/directory.sh" up "$work_dir/directory"
  # shellcheck disable=SC1091 # written by the line before
  source "$work_dir/directory/env"
}

start_nodes() {
  if ((EUID != 0)); then
    say "Not running as root: there will be no Swarm of three nodes, and the tests that need one are skipped."
    return
  fi
  "$dev_dir/swarm-nodes.sh" up 3 "$work_dir/nodes"
  "$dev_dir/swarm-nodes.sh" load "$work_dir/nodes" "$MYDB_TEST_POSTGRES_IMAGE"
  export MYDB_TEST_SWARM_NODES=$work_dir/nodes
}

main "$@"
