#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
# The program knows these as variables only.
set -eu
LOGSTASH_PASSWORD=$(cat /run/secrets/LOGSTASH_PASSWORD)
export LOGSTASH_PASSWORD
exec /usr/share/logstash/bin/logstash
