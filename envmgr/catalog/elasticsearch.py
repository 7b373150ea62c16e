"""Elasticsearch: one node for all environments; each owns a user whose role reaches its own indices only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from envmgr.catalog import elasticsearch_attempts
from envmgr.catalog.asking import asking
from envmgr.catalog.kind import HERE, Binding, Client, Defaults, Draft, Server, credential, entering, from_network
from envmgr.catalog.secret_variables import START
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.proof import Trial
from envmgr.model.secret import SecretRef, Template
from envmgr.model.stack import Command, CommandProbe, ConfigMount, Grant, Healthcheck, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "1000:1000"
_PORT = 9200
ADMIN = "elastic"
"""The superuser that every Elasticsearch has."""

StackVersion = Annotated[str, Field(pattern=r"^9\.[0-9]+\.[0-9]+$")]
"""Of Elastic's own images; Elasticsearch, Logstash and Kibana go together."""
STACK_VERSION = "9.5.3"

_ASK = asking(f"http://{HERE}:{_PORT}")
_EXISTS = f"""{_ASK}\
ask GET "/_security/role/$ROLENAME" || exit 1
case $status in 200) echo yes;; 404) ;; *) printf '%s\\n' "$body"; exit 1;; esac
"""
_ENSURE = f"""{_ASK}\
must PUT "/_security/role/$ROLENAME" "$ROLE"
must PUT "/_security/user/$USERNAME" "$USER_BODY"
"""
_MEASURE = f"""{_ASK}\
must GET "/$PATTERNS/_count"
count=${{body#*'"count":'}}
echo "${{count%%[!0-9]*}} documents"
"""
# Users go first, so that nothing is written meanwhile; patterns cannot be deleted at once, each name can.
_REVOKE = f"""{_ASK}\
for user in $USERNAMES; do gone DELETE "/_security/user/$user"; done
gone DELETE "/_security/role/$ROLENAME"
must GET "/_cat/indices/$PATTERNS?h=index"
for index in $body; do gone DELETE "/$index"; done
"""
_RETIRE = f"""{_ASK}gone DELETE "/_security/user/$USERNAME"
"""
_PROBE = f"""{_ASK}must GET "$ASKED"
"""


class Options(Strict):
    """What `kind = "elasticsearch"` adds to a table."""

    version: StackVersion = STACK_VERSION
    """Of the official image."""


class Elasticsearch:
    """The kind `elasticsearch`."""

    name = "elasticsearch"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=1024 * _MEGABYTE, pids=512, memory_reserved=512 * _MEGABYTE),
        start_seconds=180,
        stop_seconds=60,
    )

    def draft(self, server: Server) -> Draft:
        """Return a single node: half of its memory is heap, and nothing answers without a password."""
        options: Options = server.options
        admin = SecretRef(server.admin_password, server.target)
        heap = server.resources.memory // _MEGABYTE // 2
        folder = f"config/{server.target}/{server.name}"
        return Draft(
            image=Image(
                server.image or f"docker.elastic.co/elasticsearch/elasticsearch:{options.version}",
                major=options.version.split(".")[0],
            ),
            user=_UID,
            command=START,
            healthcheck=Healthcheck(("CMD-SHELL", _health(server)), start_interval=2),
            probe=CommandProbe(as_user(server, ADMIN, admin, _PROBE, ASKED=("/_cluster/health",))),
            target_port=_PORT,
            variables={"ES_JAVA_OPTS": f"-Xms{heap}m -Xmx{heap}m"},
            secrets=(SecretMount(admin.name, (admin,)),),
            configs=(
                ConfigMount(
                    f"{folder}/start.sh",
                    START[-1],
                    "elasticsearch/start.sh.j2",
                    {"secret": admin.name},
                ),
                ConfigMount(
                    f"{folder}/elasticsearch.yml", "/etc/envmgr/elasticsearch.yml", "elasticsearch/elasticsearch.yml.j2"
                ),
            ),
            volumes={"data": "/usr/share/elasticsearch/data", "logs": "/usr/share/elasticsearch/logs"},
            needed=(Needed(admin.name, admin.scope, True, Origin.GENERATED, place=f"infra.{server.name}"),),
        )

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own user and the prefix of its indices."""
        password, login = SecretRef(server.password, client.environment), SecretRef(server.login, client.environment)
        return Binding(
            grants=(_grant(server, client, login, password),),
            variables={
                "ELASTICSEARCH_URL": f"http://{server.host}:{_PORT}",
                "ELASTICSEARCH_INDEX_PREFIX": client.prefix,
            },
            secrets=(
                SecretMount("ELASTICSEARCH_USERNAME", (login,)),
                SecretMount("ELASTICSEARCH_PASSWORD", (password,)),
            ),
            needed=entering(server, client.environment, _logins(client)),
        )

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's indices, and the server itself, would be reached."""
        found = [
            one
            for other in others
            for one in elasticsearch_attempts.against(other.environment, client.prefix, other.prefix, _logins(other))
        ]
        return Trial(
            client.environment,
            server.name,
            f"Elasticsearch {server.name}",
            (*found, *elasticsearch_attempts.administration()),
            prelude=elasticsearch_attempts.prelude(f"http://{server.host}:{_PORT}"),
            variables={
                "LOGIN": (SecretRef(server.login, client.environment),),
                "SECRET": (SecretRef(server.password, client.environment),),
            },
            shared=("the node's CPU, memory and disk",),
        )


def peer_of(server: Server) -> Server:
    """Return the Elasticsearch that a server uses; itself where `uses` names none, which `refuse_peer` refuses."""
    return next((peer for peer in server.peers.values() if peer.kind == Elasticsearch.name), server)


def refuse_peer(server: Server) -> Iterable[Problem]:
    """Yield what is wrong with the Elasticsearch that a server uses."""
    if peer_of(server) is server:
        yield Problem("it works with an elasticsearch", "uses", hint='set uses = ["elasticsearch"]')


def as_admin(server: Server, script: str, **variables: Template) -> Command:
    """Return a script, made with `asking`, that runs in the server as its administrator."""
    return as_user(server, ADMIN, SecretRef(server.admin_password, server.target), script, **variables)


def as_user(server: Server, login: str | SecretRef, secret: SecretRef, script: str, **variables: Template) -> Command:
    """Return a script, made with `asking`, that runs in the server as one of its users."""
    given = {"LOGIN": (login,), "SECRET": (secret,), **variables}
    return server.command("sh", "-c", script, timeout=30, **given)


@dataclass(frozen=True, slots=True)
class Role:
    """What users may do, and with what."""

    name: str
    rights: Mapping[str, object]
    """As Elasticsearch's API for roles takes them."""
    patterns: str
    """Of the indices that go with it."""
    title: str
    users: tuple[str, ...]
    """Everyone who has it, at one time or another."""


def user_grant(server: Server, login: str | SecretRef, password: SecretRef, role: Role) -> Grant:
    """Return a user with a role."""
    body = ('{"password":"', SecretRef(password.name, password.scope, "json"), f'","roles":["{role.name}"]}}')
    named: dict[str, Template] = {"ROLENAME": (role.name,), "PATTERNS": (role.patterns,)}
    rights = json.dumps(role.rights, separators=(",", ":"))
    return Grant(
        server=server.name,
        title=role.title,
        exists=as_admin(server, _EXISTS, **named),
        ensure=as_admin(server, _ENSURE, USERNAME=(login,), ROLE=(rights,), USER_BODY=body, **named),
        measure=as_admin(server, _MEASURE, **named),
        revoke=as_admin(server, _REVOKE, USERNAMES=(" ".join(role.users),), **named),
        probe=as_user(server, login, password, _PROBE, ASKED=("/_security/_authenticate",)),
    )


def _logins(client: Client) -> tuple[str, str]:
    return f"{client.prefix}app", f"{client.prefix}app_2"


def _grant(server: Server, client: Client, login: SecretRef, password: SecretRef) -> Grant:
    logins = _logins(client)
    indices = [f"{client.prefix}*", f"{client.dashed}*"]
    # No right on the cluster: `monitor` would show every environment's indices and mappings.
    rights = {"cluster": [], "indices": [{"names": indices, "privileges": ["all"]}]}
    role = Role(logins[0], rights, ",".join(indices), f"Elasticsearch indices {', '.join(indices)}", logins)
    retire = as_admin(server, _RETIRE, USERNAME=(login,))
    grant = user_grant(server, login, password, role)
    return replace(
        grant, credential=credential(server, client.environment, logins, from_network(server, grant.probe), retire)
    )


def _health(server: Server) -> str:
    # The password comes from its file into curl's configuration, on no command line.
    login = f'user = "{ADMIN}:%s"'
    return (
        f"printf '{login}' \"$(cat /run/secrets/{server.admin_password})\" | curl -sS --noproxy '*' -f -m 4 -K - "
        f"'http://127.0.0.1:{_PORT}/_cluster/health?wait_for_status=yellow&timeout=2s'"
    )
