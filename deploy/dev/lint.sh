#!/usr/bin/env bash
# Runs every linter, reports all that they find, and fails if any did. The tools are pinned in deploy/tools/go.mod; the first
# run builds them, which takes a minute or two.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"
cd "$repo_dir"

tool() { go tool -modfile=deploy/tools/go.mod "$@"; }

main() {
  local check failed=()
  for check in gofumpt vet golangci shellcheck govulncheck; do
    say "$check ..."
    "check_$check" || failed+=("$check")
  done
  ((${#failed[@]} == 0)) || die "Complaints from: ${failed[*]}."
  say "No complaints."
}

check_gofumpt() {
  local files unformatted
  mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.go' | while read -r file; do [[ ! -f $file ]] || echo "$file"; done)
  ((${#files[@]})) || return 0
  unformatted=$(tool gofumpt -l "${files[@]}") || return 1
  [[ -n $unformatted ]] || return 0
  printf '%s\n' "$unformatted"
  say "These files are not formatted; go tool -modfile=deploy/tools/go.mod gofumpt -w FILE does it."
  return 1
}

check_vet() { go vet ./...; }

check_golangci() { tool golangci-lint run ./...; }

check_shellcheck() {
  command -v shellcheck >/dev/null || (apt_install shellcheck) || return 1
  git ls-files --cached --others --exclude-standard -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
}

# The database of vulnerabilities is on the network, and is asked only where it answers. Advisories that we accept are in
# vulnerabilities.allow, each with its reason; a new one fails.
check_govulncheck() {
  local report status=0 unknown
  report=$(mktemp)
  timeout 300 go tool -modfile=deploy/tools/go.mod govulncheck ./... >"$report" 2>&1 || status=$?
  if ((status == 124)) || { ((status != 0 && status != 3)) && grep -qiE 'dial tcp|no such host|i/o timeout|connection refused|proxyconnect' "$report"; }; then
    say "govulncheck was skipped: its database does not answer from here."
    status=0
  elif ((status == 3)); then
    unknown=$(grep -oE 'GO-[0-9]{4}-[0-9]+' "$report" | sort -u | grep -vxFf <(accepted_vulnerabilities) || true)
    if [[ -z $unknown ]]; then status=0; fi
  fi
  if ((status)); then cat "$report"; fi
  rm -f "$report"
  return "$status"
}

accepted_vulnerabilities() { grep -oE '^GO-[0-9]{4}-[0-9]+' deploy/tools/vulnerabilities.allow || true; }

main
