#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
set -eu
# The keystore that the password goes into lies beside the configuration, which cannot be written where it is.
rm -rf /tmp/config
cp -R /usr/share/elasticsearch/config /tmp/config
cp /etc/envmgr/elasticsearch.yml /tmp/config/elasticsearch.yml
export ES_PATH_CONF=/tmp/config
# Native code is unpacked and run from here, which /tmp does not allow.
export ES_TMPDIR=/usr/share/elasticsearch/logs/tmp
rm -rf "$ES_TMPDIR"
mkdir -p "$ES_TMPDIR"
ELASTIC_PASSWORD=$(cat /run/secrets/ELASTICSEARCH_ADMIN_PASSWORD)
export ELASTIC_PASSWORD
exec /usr/local/bin/docker-entrypoint.sh eswrapper
