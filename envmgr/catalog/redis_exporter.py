"""redis_exporter: the statistics of Redis or Valkey, read by a user that reaches no key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog import http
from envmgr.catalog.exporters import DEFAULTS, Version, asked, unwatched, watched
from envmgr.catalog.key_value import PRODUCTS, REDIS, Product
from envmgr.catalog.kind import Binding, Client, Draft, Metrics, Server
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, Grant, Image, SecretMount
from envmgr.spec.values import Strict

_PORT = 9121
# The programs exit with 0 on an error reply, so the replies themselves are compared.
_APPLY = """\
replies=$(printf '%s\\nACL SAVE\\n' "$ACL" | {cli})
[ "$(printf '%s' "$replies" | tr -d '\\r\\n')" = OKOK ] || {{ printf '%s\\n' "$replies"; exit 1; }}"""
_REVOKE = """\
{cli} ACL DELUSER "$LOGIN" >/dev/null && [ "$({cli} ACL SAVE)" = OK ]"""
# Everything that version 1.69 asks for without keys to look into; seen with MONITOR.
_RIGHTS = (
    "resetkeys resetchannels -@all +info +config|get +client|setname +slowlog|len +slowlog|get +latency|latest "
    "+latency|histogram"
)


class Options(Strict):
    """What `kind = "redis-exporter"` adds to a table; it watches the Redis or Valkey that it uses."""

    version: Version = "v1.69.0-alpine"
    """The plain tags hold no program with which its health could be asked."""


class RedisExporter:
    """The kind `redis-exporter`."""

    name = "redis-exporter"
    Options = Options
    defaults = DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the exporter; it runs while its server does not, and says so."""
        options: Options = server.options
        peer = watched(server, *PRODUCTS)
        password = SecretRef(server.password, server.target)
        url, login = f"redis://{peer.host}:6379", _login(server)
        file = f'{{"redis://{login}@{peer.host}:6379": "', SecretRef(password.name, password.scope, "json"), '"}'
        return Draft(
            image=Image(server.image or f"oliver006/redis_exporter:{options.version}"),
            user="59000:59000",
            command=(
                f"--redis.addr={url}",
                f"--redis.user={login}",
                f"--redis.password-file=/run/secrets/{password.name}",
            ),
            healthcheck=http.wget(_PORT, "/health"),
            probe=asked(server, "/health"),
            target_port=_PORT,
            metrics=Metrics(_PORT),
            secrets=(SecretMount(password.name, file),),
            needed=(Needed(password.name, password.scope, True, Origin.GENERATED, place=server.place),),
            grants=(_grant(peer, PRODUCTS.get(peer.kind, REDIS), login, password),),
        )

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the server that it watches."""
        return unwatched(server, *PRODUCTS)

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in a monitor."""
        return Binding()


def _login(server: Server) -> str:
    # Two targets may each have one that watches the same server.
    return naming.sql_name(f"{server.target}-{server.name}")


def _grant(peer: Server, product: Product, login: str, password: SecretRef) -> Grant:
    cli = product.cli
    admin: Template = (SecretRef(peer.admin_password, peer.target),)

    def as_admin(script: str, **variables: Template) -> Command:
        return peer.command("sh", "-c", script, timeout=30, REDISCLI_AUTH=admin, **variables)

    digest = SecretRef(password.name, password.scope, "sha256")
    return Grant(
        server=peer.name,
        title=f"{product.title} user {login}",
        exists=as_admin(f"users=$({cli} ACL USERS) && printf '%s\\n' \"$users\" | sed -n 's/^{login}$/yes/p'"),
        ensure=as_admin(_APPLY.format(cli=cli), ACL=(f"ACL SETUSER {login} reset on #", digest, f" {_RIGHTS}")),
        measure=as_admin("echo a user without keys"),
        revoke=as_admin(_REVOKE.format(cli=cli), LOGIN=(login,)),
        probe=peer.command(
            "sh", "-c", f"{cli} --user {login} INFO server | grep -q redis_version", REDISCLI_AUTH=(password,)
        ),
    )
