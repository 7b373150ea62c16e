"""Secrets in HashiCorp Vault or OpenBao, KV store version 2, over HTTP: one secret whose keys are the names.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from envmgr.errors import SourceError
from envmgr.secrets.command import texts
from envmgr.secrets.store import UNTOUCHED, Given, only_gives, outside
from envmgr.spec.secret_tables import KeyValueTable

if TYPE_CHECKING:
    import ssl

    import httpx


class KeyValueStore:
    """One GET, with a deadline."""

    is_writable = False

    def __init__(self, table: KeyValueTable, folder: Path, target: str, shell: Mapping[str, str]) -> None:
        self._table = table
        self._folder = folder
        self._target = target
        self._shell = shell
        self._path = table.path.replace("{environment}", target)
        self.title = f"the Vault at {table.address}"

    def read(self, names: Sequence[str]) -> Mapping[str, Given]:  # noqa: ARG002 - one secret holds all
        """Ask for the latest version."""
        place = f"{self._table.mount}/{self._path} of {self.title}"
        return {name: Given(value, place) for name, value in self._data(self._answer()).items() if value}

    def prepare(self, names: Sequence[str]) -> None:
        """Refuse."""
        pairs = " ".join(f"{name}=…" for name in names)
        raise only_gives(self.title, tuple(names), f"vault kv patch -mount={self._table.mount} {self._path} {pairs}")

    def write(self, values: Mapping[str, str]) -> None:
        """Refuse."""
        self.prepare(tuple(values))

    def _answer(self) -> httpx.Response:
        import httpx

        url = f"{self._table.address}/v1/{quote(self._table.mount)}/data/{quote(self._path)}"
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._table.namespace:
            headers["X-Vault-Namespace"] = self._table.namespace
        try:
            return httpx.get(url, headers=headers, timeout=self._table.seconds, verify=self._trust())
        except httpx.TimeoutException:
            raise self._error(f"gave no answer within {self._table.seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise self._error(f"cannot be reached: {error}") from None

    def _data(self, answer: httpx.Response) -> dict[str, str]:
        where = f"{self._table.mount}/{self._path}"
        if answer.status_code != 200:
            raise self._refusal(answer, where)
        try:
            found = answer.json()["data"]["data"]
        except (ValueError, KeyError, TypeError):
            raise self._error(f"does not answer as a KV store of version 2 at {where}") from None
        return texts(found, f"{where} of {self.title}")

    def _refusal(self, answer: httpx.Response, where: str) -> SourceError:
        match answer.status_code:
            case 403:
                return self._error(f"refuses the token, or lets it not read {where}", "vault token lookup")
            case 404:
                return self._error(f"has nothing at {where}", f"vault kv put -mount={self._table.mount} {self._path} …")
            case 503:
                return self._error("is sealed, or in maintenance", "vault operator unseal")
            case 501:
                return self._error("is not initialised", "vault operator init")
            case code if 300 <= code < 400:
                return self._error(f"sends on to {answer.headers.get('location', 'another address')}", "name that one")
            case code:
                return self._error(f"answered with {code}")

    def _token(self) -> str:
        token = self._shell.get("VAULT_TOKEN", "")
        if not token and self._table.token_file:
            path = outside(self._folder, self._table.token_file, "the token's file")
            try:
                token = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                raise self._error(f"needs a token, and {path} cannot be read") from None
        if not token.strip():
            raise self._error("needs a token, and VAULT_TOKEN is not set", "export VAULT_TOKEN=…, or write token_file")
        if not token.strip().isascii() or any(mark.isspace() for mark in token.strip()):
            raise self._error("needs a token, and what was given is none")
        return token.strip()

    def _trust(self) -> bool | ssl.SSLContext:
        import ssl

        if not self._table.ca:
            return True
        try:
            return ssl.create_default_context(cafile=str(self._folder / self._table.ca))
        except (OSError, ssl.SSLError):
            raise self._error(f"cannot be trusted: {self._table.ca} holds no certificate") from None

    def _error(self, what: str, help: str = "") -> SourceError:
        return SourceError(f"{self.title} {what}", state=UNTOUCHED, help=help)
