#!/usr/bin/env bash
# Copies the scripts that the portal serves from their npm packages to portal/static/vendor. The versions are in
# portal/assets/package.json, their hashes in the lock file; neither is in the repository itself.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

packages=$repo_dir/portal/assets
vendor=$repo_dir/portal/static/vendor

command -v npm >/dev/null || apt_install npm
say "Fetching the portal's scripts with npm ..."
log=$(mktemp)
if ! timeout 180 npm ci --prefix "$packages" >"$log" 2>&1 </dev/null; then
  cat "$log" >&2
  die "npm could not fetch the portal's scripts; its reason is above."
fi
rm -f "$log"
mkdir -p "$vendor"
install -m 0644 "$packages/node_modules/htmx.org/dist/htmx.min.js" "$packages/node_modules/htmx-ext-sse/dist/sse.min.js" "$vendor/"
