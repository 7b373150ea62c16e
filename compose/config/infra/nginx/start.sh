#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
# Makes a certificate that nobody trusts, valid as long as this container runs, and starts nginx.
set -eu
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
  -addext 'subjectAltName=DNS:localhost,DNS:dev.localhost,DNS:stage.localhost,DNS:prod.localhost' -keyout /tmp/tls.key -out /tmp/tls.crt 2>/tmp/tls.log || {
  cat /tmp/tls.log >&2
  exit 1
}
exec nginx -g 'daemon off;'
