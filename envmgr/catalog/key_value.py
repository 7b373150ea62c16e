"""What the kinds `redis` and `valkey` have alike: the server, and an environment's user with its keys in it.

Both speak one protocol; their programs, folders and images differ in name alone, which is a `Product`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from envmgr.catalog import key_value_attempts
from envmgr.catalog.kind import (
    HERE,
    LEFT,
    Binding,
    Client,
    Defaults,
    Draft,
    Server,
    credential,
    entering,
    from_network,
    given,
)
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Grant, Healthcheck, Image, Resources, SecretMount
from envmgr.spec.values import Memory, Strict, VariableName, memory_bytes

_MEGABYTE = 1024**2
_UID = "999:999"
SCHEMES = ("redis", "rediss")
"""Client libraries know no other, whichever server answers."""
DEFAULTS = Defaults(
    Resources(cpus=0.5, memory=256 * _MEGABYTE, pids=64, memory_reserved=32 * _MEGABYTE),
    start_seconds=30,
    stop_seconds=30,
)


@dataclass(frozen=True, slots=True)
class Product:
    """The names of one of the two."""

    kind: str
    """Its programs and folders are called after it, too."""
    title: str

    @property
    def server(self) -> str:
        """The program that serves."""
        return f"{self.kind}-server"

    @property
    def cli(self) -> str:
        """The program that asks; Valkey's reads its password from `REDISCLI_AUTH` as well."""
        return f"{self.kind}-cli --no-auth-warning"

    @property
    def folder(self) -> str:
        """Where its configuration is in the container."""
        return f"/etc/{self.kind}"


REDIS = Product("redis", "Redis")
VALKEY = Product("valkey", "Valkey")
PRODUCTS = {product.kind: product for product in (REDIS, VALKEY)}

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

# The programs exit with 0 on an error reply, so the replies themselves are compared. What it complains of is
# collected with them: on a pipe of its own it would arrive in pieces between them.
_APPLY = """\
list=$({cli} ACL LIST 2>&1)
rights() {{ {cli} ACL LIST 2>&1 | grep -E "^user ($LOGIN|default|health) " | sed 's/ [#][0-9a-f]*//'; }}
before=$(rights)
replies=$(printf '%s\\nACL SAVE\\n' "$ACL" | {cli} 2>&1)
case "$(printf '%s' "$replies" | tr -d '\\r\\n')" in {saved}) ;; *) printf '%s\\n' "$replies"; exit 1;; esac
case $list in *"user $LOGIN "*)
  [ "$before" = "$(rights)" ] || echo "closed: $LOGIN, default or health had other rights";;
esac"""
# Every server has the user `default`: a list without it is an error reply, and no answer to the question.
_EXISTS = """\
users=$({cli} ACL USERS 2>&1)
printf '%s\\n' "$users" | grep -qx default || {{ printf '%s\\n' "$users"; exit 1; }}
printf '%s\\n' "$users" | grep -qxE '{logins}' && echo yes || true"""
_REVOKE = """\
set -e
cursor=0
while :; do
  cursor=$({cli} EVAL "$SCRIPT" 0 "$cursor" "$PATTERN")
  case "$cursor" in 0) break;; *[!0-9]*|'') printf '%s\\n' "$cursor"; exit 1;; esac
done
{cli} ACL DELUSER $LOGINS >/dev/null
case "$({cli} ACL SAVE)" in {saved}) ;; *) exit 1;; esac"""
# Deleting a user ends its sessions.
_RETIRE = """\
set -e
{cli} ACL DELUSER "$LOGIN" >/dev/null
case "$({cli} ACL SAVE)" in {saved}) ;; *) exit 1;; esac"""
_SWEEP = """\
list=$({cli} ACL LIST) || exit 1
printf '%s\\n' "$list" | sed -nE 's/^user ([a-z][a-z0-9]*_app(_2)?) on .*/\\1/p' | while read -r login; do
  case " {kept} " in *" ${{login%%_*}}_ "*) continue;; esac
  {cli} ACL SETUSER "$login" off >/dev/null
  {cli} CLIENT KILL USER "$login" >/dev/null
  {cli} ACL SAVE >/dev/null
  echo "closed: $login {left}"
done"""
# Many managed servers keep their users in memory or by themselves: there `up` makes a lost one again.
_NOT_KEPT = "*'not configured to use an ACL file'*"

_BROKER_KINDS = ("celery-worker", "celery-beat", "flower")
Policy = Literal[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]
SavePoint = Annotated[str, Field(pattern=r"^[1-9][0-9]* [1-9][0-9]*$")]


class KeyValueOptions(Strict):
    """What both kinds add to a table."""

    url_variable: VariableName = "REDIS_URL"
    """Name under which services get their URL; another one for a second server."""
    policy: Policy = "noeviction"
    """What gives way when the memory is full; a broker of tasks must not evict."""
    maxmemory: Memory | None = None
    """For data; three quarters of the memory limit when left out."""
    appendonly: bool = True
    """Every write is logged, and survives a crash but for its last second."""
    save: tuple[SavePoint, ...] | None = None
    """Snapshots as "SECONDS CHANGES"; an empty list takes none, and the server's own are taken when left out."""


def draft(server: Server, product: Product, image: str) -> Draft:
    """Return the server: persistent and never evicting by default; nobody without a password but `health`."""
    admin, cli = server.admin_password, product.cli
    ping = f"{cli} --user health --pass x ping | grep -qx PONG"
    return Draft(
        image=Image(server.image or image, major=server.options.version.split(".")[0]),
        user=_UID,
        command=("sh", f"{product.folder}/start.sh"),
        healthcheck=Healthcheck(("CMD-SHELL", ping)),
        probe=CommandProbe(server.command("sh", "-c", f"{cli} ping | grep -qx PONG", REDISCLI_AUTH=_auth(server))),
        target_port=6379,
        variables={_password_file(product): f"/run/secrets/{admin}"},
        secrets=(SecretMount(admin, _auth(server)),),
        configs=(_configuration(server, product), _start(server, product)),
        volumes={"data": "/data"},
        needed=(Needed(admin, server.target, True, Origin.GENERATED, place=f"infra.{server.name}"),),
    )


def _configuration(server: Server, product: Product) -> ConfigMount:
    options: KeyValueOptions = server.options
    file = f"{product.kind}.conf"
    return ConfigMount(
        f"config/{server.target}/{server.name}/{file}",
        f"{product.folder}/{file}",
        "redis/redis.conf.j2",
        {
            "maxmemory": _maxmemory(server),
            "policy": options.policy,
            "appendonly": options.appendonly,
            "save": options.save,
        },
    )


def _start(server: Server, product: Product) -> ConfigMount:
    return ConfigMount(
        f"config/{server.target}/{server.name}/start.sh",
        f"{product.folder}/start.sh",
        "redis/start.sh.j2",
        {
            "password_file": _password_file(product),
            "program": product.server,
            "configuration": f"{product.folder}/{product.kind}.conf",
        },
    )


def _password_file(product: Product) -> str:
    return f"{product.kind.upper()}_ADMIN_PASSWORD_FILE"


def bind(server: Server, client: Client, product: Product) -> Binding:
    """Return the environment's own user and prefix."""
    options: KeyValueOptions = server.options
    is_ours = server.is_provisioned
    password = SecretRef(server.password, client.environment)
    place = f"infra.{server.name}"
    needed = [Needed(password.name, password.scope, True, Origin.OPERATOR, place=place)]
    if is_ours:
        needed = [*entering(server, client.environment, _logins(client))]
    if server.address and is_ours:
        needed.append(Needed(server.admin_password, server.target, True, Origin.OPERATOR, place=place))
    return Binding(
        grants=(_grant(server, client, product) if is_ours else _given(server, product, password),),
        variables={"REDIS_KEY_PREFIX": client.prefix},
        secrets=(SecretMount(options.url_variable, _url(server, client, password)),),
        needed=tuple(needed),
    )


def refuse(server: Server, users: Mapping[str, str], product: Product) -> Iterable[Problem]:
    """Yield an evicting policy under a broker, and more data than memory."""
    options: KeyValueOptions = server.options
    brokered = [name for name, kind in users.items() if kind in _BROKER_KINDS]
    if brokered and options.policy != "noeviction":
        message = f"evicts queued tasks of {', '.join(brokered)} when the memory is full"
        yield Problem(message, "policy", hint=f'use "noeviction" here, and a second {product.kind} as the cache')
    if options.maxmemory and memory_bytes(options.maxmemory) >= server.resources.memory:
        yield Problem("leaves nothing of the memory limit for clients and saving", "maxmemory")


def attempts(server: Server, client: Client, others: tuple[Client, ...], product: Product) -> Trial:
    """Return how another's keys and channels, and the server itself, would be reached."""
    found = [
        one
        for other in others
        for one in key_value_attempts.against(other.environment, client.prefix, other.prefix, _logins(other))
    ]
    return Trial(
        client.environment,
        server.name,
        f"{product.title} {server.name}",
        (*found, *key_value_attempts.administration()),
        prelude=key_value_attempts.prelude(product.cli, server.host, 6379),
        variables={
            "LOGIN": (_login(server, client),),
            "REDISCLI_AUTH": (SecretRef(server.password, client.environment),),
        },
        shared=("the server's one thread and its memory: a script without end stops all", "the limit of connections"),
    )


def sweep(server: Server, prefixes: tuple[str, ...], product: Product) -> Command:
    """Return what turns users of environments that are gone off, and ends their connections."""
    script = _SWEEP.format(cli=f"{product.cli} --user default", kept=" ".join(prefixes), left=LEFT)
    return server.command("sh", "-c", script, timeout=30, REDISCLI_AUTH=_auth(server))


def _maxmemory(server: Server) -> int:
    """Return megabytes for data; the rest is for the copy-on-write of a background save and for client buffers."""
    chosen: str | None = server.options.maxmemory
    return (memory_bytes(chosen) if chosen else server.resources.memory * 3 // 4) // _MEGABYTE


def _logins(client: Client) -> tuple[str, str]:
    return f"{client.prefix}app", f"{client.prefix}app_2"


def _login(server: Server, client: Client) -> SecretRef:
    return SecretRef(server.login, client.environment)


def _auth(server: Server) -> Template:
    return (SecretRef(server.admin_password, server.target),)


def _url(server: Server, client: Client, password: SecretRef) -> Template:
    """Return the URL of the environment's own user; the address of a managed server may name another."""
    address = server.address
    login: str | SecretRef = SecretRef(server.login, client.environment, "url")
    database = "0"
    if address and not server.is_provisioned:
        login, database = quote(address.login, safe=""), address.path or "0"
    scheme, port = (address.scheme, address.port or 6379) if address else ("redis", 6379)
    encoded = SecretRef(password.name, password.scope, "url")
    return (f"{scheme}://", login, ":", encoded, f"@{server.host}:{port}/{quote(database, safe='')}")


def _cli(server: Server, product: Product) -> str:
    """Return the program that reaches the server; ours is in the same container."""
    address = server.address
    if address is None:
        return f'{product.cli} -h "{HERE}"'
    return f"{product.cli} -h {address.host} -p {address.port or 6379}" + (
        " --tls" if address.scheme == "rediss" else ""
    )


def _acl(server: Server, client: Client, password: SecretRef) -> Template:
    prefix = client.prefix
    # Patterns of PSUBSCRIBE are compared literally, so Celery's own are listed beside the prefix.
    channels = f"&{prefix}* &{prefix}/0.celery.pidbox &{prefix}/0.celeryev/* &{prefix}/0.celeryev/worker.*"
    digest = SecretRef(password.name, password.scope, "sha256")
    rights = f" resetchannels {channels} ~{prefix}* +@all {_DENIED}"
    return ("ACL SETUSER ", _login(server, client), " reset on #", digest, rights)


def _server_acl(server: Server) -> Template:
    """Return the users that the server was seeded with, as templates/redis/start.sh.j2 has them."""
    digest = SecretRef(server.admin_password, server.target, "sha256")
    health = "ACL SETUSER health reset on nopass resetkeys resetchannels -@all +ping"
    return ("ACL SETUSER default reset on #", digest, f" ~* &* +@all\n{health}")


def _given(server: Server, product: Product, password: SecretRef) -> Grant:
    """Return the user that the address of a managed server names; without one it is the user `default`."""
    address = server.address
    login = address.login if address else ""
    cli = _cli(server, product) + (f" --user {shlex.quote(login)}" if login else "")
    ping = server.command("sh", "-c", f"{cli} ping | grep -qx PONG", REDISCLI_AUTH=(password,))
    return given(server, f"{product.title} user {login or 'default'}", ping)


def _grant(server: Server, client: Client, product: Product) -> Grant:
    login, password = _login(server, client), SecretRef(server.password, client.environment)
    prefix, logins, cli = client.prefix, _logins(client), _cli(server, product)
    admin = f"{cli} --user {shlex.quote(server.address.login)}" if server.address and server.address.login else cli
    ping = f'{cli} --user "$LOGIN" ping | grep -qx PONG'
    probe = server.command("sh", "-c", ping, LOGIN=(login,), REDISCLI_AUTH=(password,))
    # The users of the server itself are ours to repair where the server is. By name: a default without a password takes
    # a password with a name, and none without.
    saved, maker = (f"OKOK|OK{_NOT_KEPT}", admin) if server.address else ("OKOKOKOK", f"{cli} --user default")
    own_acl = _acl(server, client, password)
    acl = own_acl if server.address else (*own_acl, "\n", *_server_acl(server))
    kept = f"OK|{_NOT_KEPT}" if server.address else "OK"

    def as_admin(script: str, **variables: Template) -> Command:
        return server.command("sh", "-c", script, timeout=30, REDISCLI_AUTH=_auth(server), **variables)

    return Grant(
        server=server.name,
        title=f"{product.title} keys {prefix}*",
        exists=as_admin(_EXISTS.format(cli=admin, logins="|".join(logins))),
        ensure=as_admin(_APPLY.format(cli=maker, saved=saved), ACL=acl, LOGIN=(login,)),
        measure=as_admin(f"{admin} --scan --pattern '{prefix}*' | wc -l | sed 's/$/ keys/'"),
        revoke=as_admin(
            _REVOKE.format(cli=admin, saved=kept),
            SCRIPT=(_UNLINK_ONE_PAGE,),
            PATTERN=(f"{prefix}*",),
            LOGINS=(" ".join(logins),),
        ),
        probe=probe,
        credential=credential(
            server,
            client.environment,
            logins,
            from_network(server, probe),
            as_admin(_RETIRE.format(cli=admin, saved=kept), LOGIN=(login,)),
        ),
    )
