#!/usr/bin/env bash
# Gives the sample application its own virtual environment. Usage: example.sh PYTHON [test]
# With "test", its tests run in it.
set -euo pipefail
python=$1
folder=examples/chatbot
venv=$folder/.venv
stamp=$venv/.installed

if [ ! -e "$stamp" ] || [ "$folder/requirements.txt" -nt "$stamp" ] || [ "$folder/requirements-dev.txt" -nt "$stamp" ]; then
  echo "installing the sample application's packages into $venv" >&2
  log=$(mktemp)
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q --require-hashes \
    -r "$folder/requirements.txt" -r "$folder/requirements-dev.txt" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    exit 1
  }
  rm -f "$log"
  touch "$stamp"
fi
[ "${2:-}" = test ] || exit 0
cd "$folder"
exec .venv/bin/python -m pytest -q -p no:cacheprovider
