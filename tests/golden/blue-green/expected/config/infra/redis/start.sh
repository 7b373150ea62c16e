#!/bin/sh
# Rendered by envmgr; edit envmgr.toml instead.
# Seeds the access list once; afterwards it is the server's own file (ACL SAVE).
set -eu
if [ ! -s /data/users.acl ]; then
  umask 077
  digest=$(printf '%s' "$(cat "$REDIS_ADMIN_PASSWORD_FILE")" | sha256sum | cut -d ' ' -f 1)
  {
    printf 'user default on #%s ~* &* +@all\n' "$digest"
    # A healthcheck that holds no secret: it may ping and nothing else.
    printf 'user health on nopass resetkeys resetchannels -@all +ping\n'
  } >/data/users.acl.new
  mv /data/users.acl.new /data/users.acl
fi
exec redis-server /etc/redis/redis.conf
