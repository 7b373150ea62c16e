#!/usr/bin/env bash
# Tests the sample application in a virtual environment of its own. Usage: example.sh PYTHON
set -euo pipefail
python=$1
folder=examples/chatbot
venv=.venv-chatbot
stamp=$venv/.installed

if [ ! -e "$stamp" ] || [ "$folder/requirements-dev.txt" -nt "$stamp" ]; then
  echo "installing the sample application's packages into $venv" >&2
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check -q --require-hashes \
    -r "$folder/requirements.txt" -r "$folder/requirements-dev.txt" >"$venv.log" 2>&1 || {
    tail -n 20 "$venv.log" >&2
    exit 1
  }
  touch "$stamp"
fi
cd "$folder"
exec "../../$venv/bin/python" -m pytest -q -p no:cacheprovider
