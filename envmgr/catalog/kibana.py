"""Kibana: pages over Elasticsearch, for people who log in with an account of Elasticsearch's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envmgr import naming
from envmgr.catalog.asking import asking
from envmgr.catalog.elasticsearch import (
    ADMIN,
    STACK_VERSION,
    StackVersion,
    as_admin,
    as_user,
    peer_of,
    refuse_peer,
)
from envmgr.catalog.http import curl
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.catalog.secret_variables import START, start_script
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, ConfigMount, Grant, HttpProbe, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "1000:1000"
_PORT = 5601
_LOGIN = "kibana_system"
"""The account that every Elasticsearch keeps for Kibana; only its password is ours."""

_ASK = asking("http://127.0.0.1:9200")
_EXISTS = f"""{_ASK}\
ask GET /_security/_authenticate || exit 1
case $status in 200) echo yes;; 401) ;; *) printf '%s\\n' "$body"; exit 1;; esac
"""
_ENSURE = f"""{_ASK}must POST /_security/user/{_LOGIN}/_password "$PASSWORD_BODY"
"""
# A built-in account stays; nobody knows its password afterwards.
_REVOKE = f"""{_ASK}\
unknown=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n')
must POST /_security/user/{_LOGIN}/_password "{{\\"password\\":\\"$unknown\\"}}"
"""
_PROBE = f"""{_ASK}must GET /_security/_authenticate
"""


class Options(Strict):
    """What `kind = "kibana"` adds to a table."""

    version: StackVersion = STACK_VERSION
    """Of the official image; that of the Elasticsearch it shows."""


class Kibana:
    """The kind `kibana`."""

    name = "kibana"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=1024 * _MEGABYTE, pids=256, memory_reserved=512 * _MEGABYTE),
        start_seconds=240,
        stop_seconds=30,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server; it counts as healthy when it reaches Elasticsearch with its own password."""
        options: Options = server.options
        peer, password, key = peer_of(server), SecretRef(server.password, server.target), _key(server)
        health = curl(_PORT, "/api/status")
        return Draft(
            image=Image(server.image or f"docker.elastic.co/kibana/kibana:{options.version}"),
            user=_UID,
            command=START,
            healthcheck=health,
            probe=HttpProbe(server.port, "/api/status")
            if server.port
            else CommandProbe(server.command(*health.test[1:])),
            target_port=_PORT,
            variables={
                "ELASTICSEARCH_HOSTS": f"http://{peer.host}:9200",
                "ELASTICSEARCH_USERNAME": _LOGIN,
                "NODE_OPTIONS": f"--max-old-space-size={server.resources.memory // _MEGABYTE * 3 // 4}",
            },
            secrets=(SecretMount(password.name, (password,)), SecretMount(key.name, (key,))),
            configs=(
                # The image's own start puts variables on Kibana's command line; its configuration does not show them.
                start_script(
                    server,
                    {"ELASTICSEARCH_PASSWORD": password.name, "ENCRYPTION_KEY": key.name},
                    "/usr/share/kibana/bin/kibana --config /etc/envmgr/kibana.yml",
                ),
                ConfigMount(
                    f"config/{server.target}/{server.name}/kibana.yml",
                    "/etc/envmgr/kibana.yml",
                    "kibana/kibana.yml.j2",
                    {"port": _PORT},
                ),
            ),
            volumes={"data": "/usr/share/kibana/data"},
            needed=tuple(
                Needed(one.name, one.scope, True, Origin.GENERATED, place=server.place) for one in (password, key)
            ),
            grants=(_grant(peer, server, password),),
            login=f"{ADMIN}, {peer.admin_password}",
        )

    def bind(self, _server: Server, _client: Client) -> Binding:
        """Return nothing: an environment owns nothing in it."""
        return Binding()

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the Elasticsearch that it uses."""
        yield from refuse_peer(server)


def _key(server: Server) -> SecretRef:
    return SecretRef(f"{naming.sql_name(server.name).upper()}_ENCRYPTION_KEY", server.target)


def _grant(peer: Server, server: Server, password: SecretRef) -> Grant:
    body = ('{"password":"', SecretRef(password.name, password.scope, "json"), '"}')
    return Grant(
        server=peer.name,
        title=f"Elasticsearch account {_LOGIN} of {server.name}",
        exists=as_user(peer, _LOGIN, password, _EXISTS),
        ensure=as_admin(peer, _ENSURE, PASSWORD_BODY=body),
        measure=peer.command("echo", "an account without data"),
        revoke=as_admin(peer, _REVOKE),
        probe=as_user(peer, _LOGIN, password, _PROBE),
    )
