"""Read what each process needs from its variables and secret files; must not import anything of the application.

Each process gets only what it uses: Flower and beat never see the database, the migration never sees Redis.
QDRANT_URL and S3_ENDPOINT_URL switch search and files on; without them the rest of their variables is not looked at.
A secret NAME arrives as a file that NAME_FILE points to or, in native runs, as the variable NAME.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DATABASE_SCHEMES = ("postgresql+asyncpg://",)
REDIS_SCHEMES = ("redis://", "rediss://")
HTTP_SCHEMES = ("http://", "https://")

# Both become a part of an address.
COLLECTION_PREFIX = re.compile(r"[A-Za-z0-9_-]{1,64}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

Variables = Mapping[str, str]


T = TypeVar("T")


class SettingsError(Exception):
    """A variable or a secret file is missing or malformed; the message names it and never quotes a secret."""


class Secret:
    """A value that is shown only by `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(redacted)"


@dataclass(frozen=True, slots=True, kw_only=True)
class QdrantSettings:
    """Where messages are searched."""

    url: str
    api_key: Secret | None
    collection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where files are kept."""

    endpoint_url: str
    region: str
    bucket: str
    access_key_id: Secret
    secret_access_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """What the web process is given."""

    environment: str
    prefix: str
    release: str
    debug: bool
    log_level: str
    pool_size: int
    database_url: Secret
    redis_url: Secret
    secret_key: Secret
    openrouter_api_key: Secret | None
    qdrant: QdrantSettings | None
    storage: StorageSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """What the worker, beat, Flower and every sender of tasks are given."""

    redis_url: Secret
    key_prefix: str
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """What the worker is given besides, where search is on."""

    database_url: Secret
    qdrant: QdrantSettings


def read_web_settings(variables: Variables) -> WebSettings:
    """Raises: SettingsError for the first variable that is missing or malformed."""
    return WebSettings(
        environment=_text(variables, "ENVIRONMENT"),
        prefix=_text(variables, "ENV_PREFIX"),
        release=variables.get("RELEASE") or "unreleased",
        debug=_choice(variables, "DEBUG", ("true", "false"), "false") == "true",
        log_level=_choice(variables, "LOG_LEVEL", LOG_LEVELS, "INFO"),
        pool_size=_count(variables, "DATABASE_POOL_SIZE", 2),
        database_url=read_database_url(variables),
        redis_url=_url(variables, "REDIS_URL", REDIS_SCHEMES),
        secret_key=_secret(variables, "SECRET_KEY"),
        openrouter_api_key=_optional_secret(variables, "OPENROUTER_API_KEY"),
        qdrant=read_qdrant_settings(variables),
        storage=read_storage_settings(variables),
    )


def read_queue_settings(variables: Variables) -> QueueSettings:
    """Raises: SettingsError for the first variable that is missing or malformed."""
    return QueueSettings(
        redis_url=_url(variables, "REDIS_URL", REDIS_SCHEMES),
        key_prefix=_text(variables, "REDIS_KEY_PREFIX"),
        log_level=_choice(variables, "LOG_LEVEL", LOG_LEVELS, "INFO"),
    )


def read_index_settings(variables: Variables) -> IndexSettings | None:
    """Return nothing where search is off. Raises: SettingsError."""
    qdrant = read_qdrant_settings(variables)
    return IndexSettings(database_url=read_database_url(variables), qdrant=qdrant) if qdrant else None


def read_qdrant_settings(variables: Variables) -> QdrantSettings | None:
    """Return nothing where search is off. Raises: SettingsError."""
    if not variables.get("QDRANT_URL"):
        return None
    return QdrantSettings(
        url=_plain_url(variables, "QDRANT_URL"),
        api_key=_optional_secret(variables, "QDRANT_API_KEY"),
        collection=f"{_matching(variables, 'QDRANT_PREFIX', COLLECTION_PREFIX)}messages",
    )


def read_storage_settings(variables: Variables) -> StorageSettings | None:
    """Return nothing where files are off. Raises: SettingsError."""
    if not variables.get("S3_ENDPOINT_URL"):
        return None
    return StorageSettings(
        endpoint_url=_plain_url(variables, "S3_ENDPOINT_URL"),
        region=variables.get("S3_REGION") or "us-east-1",
        bucket=_matching(variables, "S3_BUCKET", BUCKET),
        access_key_id=_secret(variables, "S3_ACCESS_KEY_ID"),
        secret_access_key=_secret(variables, "S3_SECRET_ACCESS_KEY"),
    )


def read_database_url(variables: Variables) -> Secret:
    """Raises: SettingsError."""
    return _url(variables, "DATABASE_URL", DATABASE_SCHEMES)


def read_worker_count(variables: Variables) -> int:
    """Return how many web processes to run. Raises: SettingsError."""
    return _count(variables, "WEB_CONCURRENCY", 1)


def load_or_exit(read: Callable[[Variables], T], exit_code: int = 1) -> T:
    """Apply `read` to the process's own variables; on an error stop with one sentence on stderr."""
    try:
        return read(os.environ)
    except SettingsError as error:
        message = f"chatbot: {error}"
    if exit_code == 1:
        raise SystemExit(message)
    os.write(2, f"{message}\n".encode())
    raise SystemExit(exit_code)


def _text(variables: Variables, name: str) -> str:
    value = variables.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set.")
    return value


def _matching(variables: Variables, name: str, pattern: re.Pattern[str]) -> str:
    value = _text(variables, name)
    if not pattern.fullmatch(value):
        raise SettingsError(f"{name} is {value!r}: it must match {pattern.pattern}.")
    return value


def _choice(variables: Variables, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = variables.get(name) or default
    if value is None:
        raise SettingsError(f"{name} is not set: set it to one of {', '.join(allowed)}.")
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}: set it to one of {', '.join(allowed)}.")
    return value


def _count(variables: Variables, name: str, default: int) -> int:
    value = variables.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1000):
        raise SettingsError(f"{name} is {value!r}: set it to a whole number from 1 to 1000.")
    return int(value)


def _url(variables: Variables, name: str, schemes: tuple[str, ...]) -> Secret:
    secret = _secret(variables, name)
    _check_scheme(name, secret.reveal(), schemes)
    if not _has_address(secret.reveal()):
        raise SettingsError(f"{name} is not a valid URL: percent-encode what is special in its password.")
    return secret


def _plain_url(variables: Variables, name: str) -> str:
    value = _text(variables, name)
    _check_scheme(name, value, HTTP_SCHEMES)
    if not _has_address(value) or "@" in value:
        raise SettingsError(f"{name} must have the form http://HOST:PORT, without a user or a password.")
    return value.rstrip("/")


def _check_scheme(name: str, url: str, schemes: tuple[str, ...]) -> None:
    if not url.startswith(schemes):
        raise SettingsError(f"{name} must start with {' or '.join(schemes)}.")


def _has_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message quotes the URL
        return False


def _secret(variables: Variables, name: str) -> Secret:
    secret = _optional_secret(variables, name)
    if secret is None and variables.get(f"{name}_FILE"):
        raise SettingsError(f"{name} is not set: the file {variables[f'{name}_FILE']} of {name}_FILE is empty.")
    if secret is None:
        raise SettingsError(f"{name} is not set: set {name}_FILE to the path of its file, or {name}.")
    return secret


def _optional_secret(variables: Variables, name: str) -> Secret | None:
    plain, path = variables.get(name), variables.get(f"{name}_FILE")
    if plain and path:
        raise SettingsError(f"{name} and {name}_FILE are both set: set one of them.")
    # An optional secret that nobody has set arrives as an empty file.
    value = _file_content(f"{name}_FILE", path) if path else plain
    return Secret(value) if value else None


def _file_content(name: str, path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: the file {path} is not UTF-8 text.") from None
    except OSError as error:
        raise SettingsError(f"{name}: the file {path} cannot be read ({error.strerror}).") from error
    return content
