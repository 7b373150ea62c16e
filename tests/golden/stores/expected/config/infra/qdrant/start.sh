#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
# The program knows these as variables only.
set -eu
QDRANT__SERVICE__API_KEY=$(cat /run/secrets/QDRANT_ADMIN_PASSWORD)
export QDRANT__SERVICE__API_KEY
exec ./entrypoint.sh
