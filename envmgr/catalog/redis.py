"""Redis: one server for all environments; each owns a user that reaches its own key prefix and channels only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import (
    Command,
    CommandProbe,
    ConfigMount,
    Grant,
    Healthcheck,
    Image,
    Needed,
    Origin,
    Resources,
    SecretMount,
)
from envmgr.spec.schema import Strict

_MEGABYTE = 1024**2
_UID = "999:999"

# What is taken away either reaches over the prefix (enumeration, administration, other users' scripts and memory) or
# could stop the server. Celery and Flower work without it.
_DENIED = (
    "-@admin -@dangerous -scan -randomkey -dbsize -pubsub -function -script|flush -script|kill "
    "-memory|stats -memory|malloc-stats -memory|purge -memory|doctor"
)

_UNLINK_ONE_PAGE = (
    "local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000) "
    "for _, key in ipairs(page[2]) do redis.call('UNLINK', key) end return page[1]"
)

_CLI = "redis-cli --no-auth-warning"
# redis-cli exits with 0 on an error reply, so the replies themselves are compared.
_APPLY = f"""\
replies=$(printf '%s\\nACL SAVE\\n' "$ACL" | {_CLI})
[ "$(printf '%s' "$replies" | tr -d '\\r\\n')" = OKOK ] || {{ printf '%s\\n' "$replies"; exit 1; }}"""
_REVOKE = f"""\
set -e
cursor=0
while :; do
  cursor=$({_CLI} EVAL "$SCRIPT" 0 "$cursor" "$PATTERN")
  case "$cursor" in 0) break;; *[!0-9]*|'') printf '%s\\n' "$cursor"; exit 1;; esac
done
{_CLI} ACL DELUSER "$LOGIN" >/dev/null
[ "$({_CLI} ACL SAVE)" = OK ]"""


class Options(Strict):
    """What `kind = "redis"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^[78]\.[0-9]+$")] = "8.0"


class Redis:
    """The kind `redis`."""

    name = "redis"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=256 * _MEGABYTE, pids=64, memory_reserved=32 * _MEGABYTE),
        start_seconds=30,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server: persistent, never evicting (it is a broker), nobody without a password but `health`."""
        options: Options = server.options
        admin = server.admin_password
        ping = f"{_CLI} --user health --pass x ping | grep -qx PONG"
        return Draft(
            image=Image(server.image or f"redis:{options.version}", major=options.version.split(".")[0]),
            user=_UID,
            command=("sh", "/etc/redis/start.sh"),
            healthcheck=Healthcheck(("CMD-SHELL", ping)),
            probe=CommandProbe(server.command("sh", "-c", f"{_CLI} ping | grep -qx PONG", REDISCLI_AUTH=_auth(server))),
            target_port=6379,
            variables={"REDIS_ADMIN_PASSWORD_FILE": f"/run/secrets/{admin}"},
            secrets=(SecretMount(admin, _auth(server)),),
            configs=(
                ConfigMount(
                    f"config/{server.target}/{server.name}/redis.conf",
                    "/etc/redis/redis.conf",
                    "redis/redis.conf.j2",
                    # The rest is for the copy-on-write of a background save and for client buffers.
                    {"maxmemory": server.resources.memory * 3 // 4 // _MEGABYTE},
                ),
                ConfigMount(
                    f"config/{server.target}/{server.name}/start.sh", "/etc/redis/start.sh", "redis/start.sh.j2"
                ),
            ),
            volumes={"data": "/data"},
            needed=(Needed(admin, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own user and prefix."""
        password = SecretRef(server.password, client.environment)
        url = SecretRef(password.name, password.scope, "url")
        return Binding(
            grants=(_grant(server, client, password),),
            variables={"REDIS_KEY_PREFIX": client.prefix},
            secrets=(SecretMount("REDIS_URL", (f"redis://{_login(client)}:", url, f"@{server.name}:6379/0")),),
            needed=(Needed(password.name, password.scope, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )


def _login(client: Client) -> str:
    return f"{client.prefix}app"


def _auth(server: Server) -> Template:
    return (SecretRef(server.admin_password, server.target),)


def _acl(client: Client, password: SecretRef) -> Template:
    prefix = client.prefix
    # Patterns of PSUBSCRIBE are compared literally, so Celery's own are listed beside the prefix.
    channels = f"&{prefix}* &{prefix}/0.celery.pidbox &{prefix}/0.celeryev/* &{prefix}/0.celeryev/worker.*"
    digest = SecretRef(password.name, password.scope, "sha256")
    rights = f" resetchannels {channels} ~{prefix}* +@all {_DENIED}"
    return (f"ACL SETUSER {_login(client)} reset on #", digest, rights)


def _grant(server: Server, client: Client, password: SecretRef) -> Grant:
    login, prefix = _login(client), client.prefix

    def as_admin(script: str, **variables: Template) -> Command:
        return server.command("sh", "-c", script, timeout=30, REDISCLI_AUTH=_auth(server), **variables)

    return Grant(
        server=server.name,
        title=f"Redis user {login} with its keys {prefix}*",
        exists=as_admin(f"users=$({_CLI} ACL USERS) && printf '%s\\n' \"$users\" | sed -n 's/^{login}$/yes/p'"),
        ensure=as_admin(_APPLY, ACL=_acl(client, password)),
        measure=as_admin(f"{_CLI} --scan --pattern '{prefix}*' | wc -l | sed 's/$/ keys/'"),
        revoke=as_admin(_REVOKE, SCRIPT=(_UNLINK_ONE_PAGE,), PATTERN=(f"{prefix}*",), LOGIN=(login,)),
        probe=server.command("sh", "-c", f"{_CLI} --user {login} ping | grep -qx PONG", REDISCLI_AUTH=(password,)),
    )
