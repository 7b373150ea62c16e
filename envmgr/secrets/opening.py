"""Which store the spec chose for a target; a library that a store needs is loaded with it alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from envmgr.secrets.store import Store
from envmgr.spec.secret_tables import AgeTable, SecretsTable


def open_store(table: SecretsTable, folder: Path, target: str, shell: Mapping[str, str]) -> Store | None:
    """Return the store that the spec chose for a target; None for files alone."""
    match table.source:
        case "age":
            from envmgr.secrets.age import AgeStore

            return AgeStore(table.age or AgeTable(), folder, target, shell)
        case "command":
            from envmgr.secrets.command import CommandStore

            assert table.command is not None
            return CommandStore(table.command, folder, target, shell)
        case "vault":
            from envmgr.secrets.key_value import KeyValueStore

            assert table.vault is not None
            return KeyValueStore(table.vault, folder, target, shell)
        case "files":
            return None
