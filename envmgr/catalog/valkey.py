"""Valkey: Redis's free fork; to the application, and in what an environment owns, the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from envmgr.catalog import key_value
from envmgr.catalog.key_value import VALKEY, KeyValueOptions
from envmgr.catalog.kind import Binding, Client, Draft, Server
from envmgr.errors import Problem
from envmgr.model.proof import Trial
from envmgr.model.stack import Command


class Options(KeyValueOptions):
    """What `kind = "valkey"` adds to a table."""

    version: Annotated[str, Field(pattern=r"^8\.[0-9]+$")] = "8.1"
    """Tag of the official image."""


class Valkey:
    """The kind `valkey`."""

    name = VALKEY.kind
    Options = Options
    schemes = key_value.SCHEMES
    defaults = key_value.DEFAULTS

    def draft(self, server: Server) -> Draft:
        """Return the server: persistent and never evicting by default; nobody without a password but `health`."""
        options: Options = server.options
        return key_value.draft(server, VALKEY, f"valkey/valkey:{options.version}")

    def bind(self, server: Server, client: Client) -> Binding:
        """Return the environment's own user and prefix."""
        return key_value.bind(server, client, VALKEY)

    def attempts(self, server: Server, client: Client, others: tuple[Client, ...], /) -> Trial:
        """Return how another's keys and channels, and the server itself, would be reached."""
        return key_value.attempts(server, client, others, VALKEY)

    def sweep(self, server: Server, prefixes: tuple[str, ...], /) -> Command:
        """Return what turns users of environments that are gone off, and ends their connections."""
        return key_value.sweep(server, prefixes, VALKEY)

    def refuse(self, server: Server, users: Mapping[str, str], /) -> Iterable[Problem]:
        """Yield an evicting policy under a broker, and more data than memory."""
        return key_value.refuse(server, users, VALKEY)
