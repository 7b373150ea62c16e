#!/bin/sh
# Start the server for `server FOLDER …`, with or without its program's name before it; run any other command as it is.
set -eu

case ${1:-} in
  minio | silo) shift ;;
esac
case ${1:-server} in
  server) exec python /opt/minio/server.py "$@" ;;
  *) exec "$@" ;;
esac
