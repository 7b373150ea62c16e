#!/usr/bin/env bash
# Makes the project's virtual environment and installs the package into it; quick when nothing has changed.
# Usage: python.sh VENV EXTRA     EXTRA is `run` or `dev`
set -euo pipefail

venv=$1
extra=$2
stamp=$venv/.installed-$extra
log=$venv.log

find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  echo "Python 3.11 or later is needed and was not found; install it, or name it: make PYTHON=/path/to/python3" >&2
  exit 1
}

make_venv() {
  local python
  python=$(find_python)
  if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python3-venv" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3-venv; } >"$log" 2>&1
  fi
  echo "making $venv with $("$python" --version)" >&2
  "$python" -m venv "$venv" >"$log" 2>&1 || fail
}

fail() {
  tail -n 20 "$log" >&2
  echo "that did not work; the whole output is in $log" >&2
  exit 1
}

is_current() {
  [ -e "$1" ] && ! [ pyproject.toml -nt "$1" ]
}

[ -x "$venv/bin/python" ] || make_venv
# What development needs holds all that a run needs.
if ! is_current "$stamp" && ! { [ "$extra" = run ] && is_current "$venv/.installed-dev"; }; then
  echo "installing envmgr into $venv" >&2
  target=.
  [ "$extra" = run ] || target=".[$extra]"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q -e "$target" >"$log" 2>&1 || fail
  touch "$stamp"
fi
