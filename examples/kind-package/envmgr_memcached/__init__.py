"""memcached as a kind of server: a cache that each environment has for itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from envmgr.catalog.kind import Binding, Client, Defaults, Draft, Server
from envmgr.errors import Problem
from envmgr.model.stack import CommandProbe, Healthcheck, Image, Resources
from envmgr.naming import INFRA
from envmgr.spec.values import Strict, VariableName

_MEGABYTE = 1024**2
_PORT = 11211
_USER = "11211:11211"
"""The user `memcache` of the official image."""
# The image has bash and no client; a TCP connection alone would also be taken by a server that hangs.
_ASK = (
    f"exec 3<>/dev/tcp/127.0.0.1/{_PORT} && printf 'version\\r\\n' >&3 && read -r -t 4 answer <&3 && "
    'echo "$answer" && [[ $answer == VERSION* ]]'
)


class Options(Strict):
    """What `kind = "memcached"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^1\.6(\.[0-9]+)?$")] = "1.6"
    """Tag of the official image."""
    max_connections: Annotated[int, Field(ge=16, le=65_536)] = 1024
    max_item_megabytes: Annotated[int, Field(ge=1, le=128)] = 1
    """Larger values are refused."""
    address_variable: VariableName = "MEMCACHED_ADDRESS"
    """Name under which services get `host:port`."""


class Memcached:
    """The kind `memcached`."""

    name = "memcached"
    Options = Options
    defaults = Defaults(
        Resources(cpus=0.5, memory=128 * _MEGABYTE, pids=32, memory_reserved=16 * _MEGABYTE),
        start_seconds=30,
        stop_seconds=10,
    )

    def draft(self, server: Server) -> Draft:
        """Return the server: three quarters of its memory for values, the rest for connections and the program."""
        options: Options = server.options
        megabytes = server.resources.memory * 3 // 4 // _MEGABYTE
        return Draft(
            image=Image(server.image or f"memcached:{options.version}"),
            user=_USER,
            command=(
                *("memcached", "--port", str(_PORT), "--memory-limit", str(megabytes)),
                *("--conn-limit", str(options.max_connections)),
                *("--max-item-size", f"{options.max_item_megabytes}m"),
            ),
            healthcheck=Healthcheck(("CMD", "bash", "-c", _ASK)),
            probe=CommandProbe(server.command("bash", "-c", _ASK)),
            target_port=_PORT,
        )

    def bind(self, server: Server, client: Client) -> Binding:  # noqa: ARG002 - the question that every kind is asked
        """Return its address; an environment owns the whole server, so there is nothing to make inside it."""
        options: Options = server.options
        return Binding(variables={options.address_variable: f"{server.host}:{_PORT}"})

    def refuse(self, server: Server, _users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield a server that several environments would share: memcached has neither logins nor a way to list keys."""
        if server.target == INFRA:
            yield Problem("memcached keeps no environments apart", "mode", hint='write mode = "own"')
