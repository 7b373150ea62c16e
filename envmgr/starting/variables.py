"""The variables that a project's own example of a `.env` file names; values of secrets are not taken over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from envmgr.starting.found import Files, Server, Variable

EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "example.env")
_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Z][A-Z0-9_]*)[ \t]*=[ \t]*(.*)", re.ASCII)
_SECRET = re.compile(r"SECRET|PASSW|TOKEN|PRIVATE|CREDENTIAL|(?:^|_)(?:KEY|DSN|SALT|PAT|AUTH)$|API_?KEY")
_OURS_TO_MAKE = re.compile(r"(?:\w+_)?(?:SECRET_KEY|JWT_SECRET|SESSION_SECRET|COOKIE_SECRET)")
_PLACEHOLDER = re.compile(r"<.*>|\{.*\}|\.\.\.|(?i:change.?me|your[-_ ].*|xxx+|todo|replace.*|secret)")
_SET_BY_ENVMGR = {
    *("ENVIRONMENT", "ENV_PREFIX", "DEBUG", "LOG_LEVEL", "WEB_CONCURRENCY", "PORT", "HOST", "NODE_ENV"),
    *("DATABASE_URL", "REDIS_URL", "REDIS_KEY_PREFIX"),
}
_OF_SERVERS: Mapping[Server, tuple[str, ...]] = {
    Server.POSTGRES: ("POSTGRES_", "PG", "DB_", "DATABASE_"),
    Server.REDIS: ("REDIS_", "CELERY_"),
    Server.QDRANT: ("QDRANT_",),
    Server.MINIO: ("MINIO_", "S3_", "AWS_"),
    Server.ELASTICSEARCH: ("ELASTIC_", "ELASTICSEARCH_"),
}
_LONGEST = 2000


def variables(files: Files, servers: Mapping[Server, Mapping[str, object]]) -> tuple[Variable, ...]:
    """Return what the application asks of its operator, without what the servers bring."""
    example = next((files[name] for name in EXAMPLES if name in files), "")
    taken = {str(keys["url_variable"]) for keys in servers.values() if "url_variable" in keys}
    found = {name: value for name, value in _lines(example) if not _is_ours(name, servers) and name not in taken}
    secrets = {name for name in found if _SECRET.search(name)}
    return tuple(
        _variable(name, value, name in secrets)
        for name, value in found.items()
        if not (name.endswith("_FILE") and name.removesuffix("_FILE") in secrets)
    )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            yield match[1], _value(match[2])


def _value(written: str) -> str:
    text = written.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return re.split(r"\s#", f" {text}", maxsplit=1)[0].strip()


def _is_ours(name: str, servers: Mapping[Server, Mapping[str, object]]) -> bool:
    starts = tuple(start for server in servers for start in _OF_SERVERS[server])
    return name in _SET_BY_ENVMGR or name.startswith(("ENVMGR_", *starts))


def _variable(name: str, value: str, is_secret: bool) -> Variable:
    is_fit = value.isprintable() and len(value) <= _LONGEST and not _PLACEHOLDER.fullmatch(value)
    default = value if value and is_fit and not is_secret and "://" not in value else None
    return Variable(name, default, is_secret, bool(is_secret and _OURS_TO_MAKE.fullmatch(name)))
