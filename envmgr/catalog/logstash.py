"""Logstash: takes events as JSON lines over TCP, and writes each day's into an index of its own in Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from envmgr.catalog.elasticsearch import STACK_VERSION, Role, StackVersion, peer_of, refuse_peer, user_grant
from envmgr.catalog.http import curl
from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.catalog.secret_variables import START, start_script
from envmgr.errors import Problem
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, ConfigMount, Image, Resources, SecretMount
from envmgr.spec.values import Strict

_MEGABYTE = 1024**2
_UID = "1000:1000"
_INPUT, _API = 5000, 9600
_TAKEN = ("logs", "metrics", "traces", "synthetics")
"""Elasticsearch has templates for names of the form `logs-*-*`, which make data streams of them."""


def _free(prefix: str) -> str:
    if prefix in _TAKEN:
        raise ValueError("expected another prefix: Elasticsearch keeps this one for its data streams")
    return prefix


IndexPrefix = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,30}$"), AfterValidator(_free)]


class Options(Strict):
    """What `kind = "logstash"` adds to a table."""

    version: StackVersion = STACK_VERSION
    """Of the official image; that of the Elasticsearch it writes to."""
    index_prefix: IndexPrefix = "events"
    """Indices are named PREFIX-ENVIRONMENT-DAY, by what each event says of its `environment`."""


class Logstash:
    """The kind `logstash`."""

    name = "logstash"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=1024 * _MEGABYTE, pids=256, memory_reserved=512 * _MEGABYTE),
        start_seconds=180,
        stop_seconds=60,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server, with a user in Elasticsearch that writes its own indices and reads none."""
        options: Options = server.options
        peer, password = peer_of(server), SecretRef(server.password, server.target)
        heap = server.resources.memory // _MEGABYTE // 2
        health = curl(_API, "/")
        return Draft(
            image=Image(server.image or f"docker.elastic.co/logstash/logstash:{options.version}"),
            user=_UID,
            command=START,
            healthcheck=health,
            probe=CommandProbe(server.command(*health.test[1:])),
            target_port=_INPUT,
            more_ports={"api": _API},
            variables={
                # JRuby unpacks native code and runs it, which /tmp does not allow.
                "LS_JAVA_OPTS": f"-Xms{heap}m -Xmx{heap}m -Djava.io.tmpdir=/usr/share/logstash/data",
                "LOGSTASH_USERNAME": _login(server),
            },
            secrets=(SecretMount(password.name, (password,)),),
            configs=(
                start_script(server, {"LOGSTASH_PASSWORD": password.name}, "/usr/share/logstash/bin/logstash"),
                ConfigMount(
                    f"config/{server.target}/{server.name}/logstash.conf",
                    "/usr/share/logstash/pipeline/logstash.conf",
                    "logstash/logstash.conf.j2",
                    {"port": _INPUT, "elasticsearch": f"http://{peer.host}:9200", "prefix": options.index_prefix},
                ),
            ),
            volumes={"data": "/usr/share/logstash/data"},
            needed=(Needed(password.name, password.scope, True, Origin.GENERATED, place=server.place),),
            grants=(user_grant(peer, _login(server), password, _role(server)),),
        )

    def bind(self, server: Server, _client: Client) -> Binding:
        """Return where services send events; what an event says of its environment is believed."""
        return Binding(variables={"LOGSTASH_HOST": server.host, "LOGSTASH_PORT": str(_INPUT)})

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield what is wrong with the Elasticsearch that it uses."""
        yield from refuse_peer(server)


def _role(server: Server) -> Role:
    indices = f"{server.options.index_prefix}-*"
    rights = {
        # Its client asks for the version and the licence, which is what `monitor` allows.
        "cluster": ["monitor"],
        "indices": [{"names": [indices], "privileges": ["create_index", "create_doc"]}],
    }
    login = _login(server)
    return Role(login, rights, indices, f"Elasticsearch user {login} with its indices {indices}", (login,))


def _login(server: Server) -> str:
    # An environment's own may write into the base's Elasticsearch, beside the base's.
    return f"{server.target}_{server.name}".replace("-", "_")
