#!/bin/bash
# Start the server for `eswrapper`; run any other command as it is. Not dash: that drops variables with a dot in their
# names, and settings may come as such.
set -eu

[[ ${1:-eswrapper} == eswrapper ]] || exec "$@"
exec python /opt/elasticsearch/server.py
