#!/bin/sh
# Start weed as user seaweed. `server` gets the registry image's folder and sizes, which later arguments replace.
set -eu

if [ "$(id -u)" = 0 ]; then
  if ! setpriv --reuid seaweed --regid seaweed --clear-groups true 2>/dev/null; then
    echo "entrypoint: root lacks the capabilities to become user seaweed in this container; run it as user 1000:1000" >&2
    exit 1
  fi
  find . ! -user seaweed -exec chown seaweed:seaweed {} +
  exec setpriv --reuid seaweed --regid seaweed --clear-groups -- "$0" "$@"
fi

if [ "${1:-}" = server ]; then
  shift
  case " $* " in
    *" -volume.max"*) set -- -dir=/data -master.volumePreallocate -master.volumeSizeLimitMB=1024 "$@" ;;
    *) set -- -dir=/data -volume.max=0 -master.volumePreallocate -master.volumeSizeLimitMB=1024 "$@" ;;
  esac
  set -- server "$@"
fi
exec weed -logtostderr=true "$@"
