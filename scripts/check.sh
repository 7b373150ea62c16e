#!/usr/bin/env bash
# All checks that need no Docker. Usage: check.sh BIN_FOLDER
set -euo pipefail
bin=$1

step() {
  echo "== $1"
  shift
  "$@"
}

step "format" "$bin/ruff" format --check --quiet envmgr tests bench examples
step "lint" "$bin/ruff" check --quiet envmgr tests bench examples
step "types" "$bin/mypy"
step "imports" "$bin/lint-imports" --no-cache
step "tests without Docker" "$bin/pytest" -q -n 2 tests/unit tests/golden tests/security tests/contract -m "not docker"
step "rendered files" "$bin/envmgr" render --check
