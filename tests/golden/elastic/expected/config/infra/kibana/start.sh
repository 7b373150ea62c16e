#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
# The program knows these as variables only.
set -eu
ELASTICSEARCH_PASSWORD=$(cat /run/secrets/KIBANA_PASSWORD)
export ELASTICSEARCH_PASSWORD
ENCRYPTION_KEY=$(cat /run/secrets/KIBANA_ENCRYPTION_KEY)
export ENCRYPTION_KEY
exec /usr/share/kibana/bin/kibana --config /etc/envmgr/kibana.yml
