"""Redis: one server for all environments; each owns a user that reaches its own key prefix and channels only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from envmgr.catalog import key_value
from envmgr.catalog.key_value import REDIS, KeyValueOptions
from envmgr.catalog.kind import Binding, Client, Draft, Server
from envmgr.errors import Problem
from envmgr.model.proof import Trial
from envmgr.model.stack import Command


class Options(KeyValueOptions):
    """What `kind = "redis"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^[78]\.[0-9]+$")] = "8.0"
    """Tag of the official image."""


class Redis:
    """The kind `redis`."""

    name = REDIS.kind
    Options = Options
    schemes = key_value.SCHEMES
    defaults = key_value.DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the server: persistent and never evicting by default; nobody without a password but `health`."""
        options: Options = server.options
        return key_value.draft(server, REDIS, f"redis:{options.version}")

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own user and prefix."""
        return key_value.bind(server, client, REDIS)

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's keys and channels, and the server itself, would be reached."""
        return key_value.attempts(server, client, others, REDIS)

    def sweep(self, server: Server, prefixes: tuple[str, ...], /) -> Command:
        """Return what turns users of environments that are gone off, and ends their connections."""
        return key_value.sweep(server, prefixes, REDIS)

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield an evicting policy under a broker, and more data than memory."""
        return key_value.refuse(server, users, REDIS)
