"""Servers that the catalog has a kind for, told by their image; one with settings that its kind does not know stays."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from envmgr.importing.draft import ServiceDraft
from envmgr.importing.limits import limits_of, memory_text
from envmgr.importing.ports import key_of

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What the importer knows of a kind: enough to tell whether a service says anything else."""

    kind: str
    images: tuple[str, ...]
    """Repositories without a tag."""
    port: int
    inside: int | None = None
    """Where the kind's own server listens, when elsewhere."""
    variables: tuple[str, ...] = ()
    """Beginnings of the names that the kind sets in its own way."""
    data: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    """What its command may begin with."""
    flags: tuple[str, ...] = ()
    """Words of its command that the kind has an answer to; a value may follow."""
    version: str = ""
    """What a tag must look like to be the kind's `version`; its first group is that."""
    is_strict: bool = False
    """Another version would not open the data of the one that wrote it."""
    more_ports: Mapping[int, str] = field(default_factory=dict)
    schemes: tuple[str, ...] = ()
    url: str = ""
    """The variable that the kind hands its URL over in."""
    hands_over: tuple[str, ...] = ()
    """Further secrets that it hands over."""
    gives: str = ""
    """In words, what it hands over."""
    table: Mapping[str, Any] = field(default_factory=dict)
    """What its table must hold and no Compose file says."""
    decision: str = ""


KNOWN = (
    Known(
        *("postgres", ("postgres",), 5432),
        variables=("POSTGRES_", "PGDATA"),
        data=("/var/lib/postgresql", "/var/lib/postgresql/data"),
        program=("postgres",),
        version=r"(1[5-8])(?:\.\d+)?(?:-[a-z0-9.]+)?",
        is_strict=True,
        schemes=("postgres", "postgresql"),
        url="DATABASE_URL",
        gives="a database of its own, its URL",
    ),
    *(
        Known(
            *(kind, images, 6379),
            variables=(f"{kind.upper()}_",),
            data=("/data",),
            program=(f"{kind}-server",),
            flags=("--requirepass", "--appendonly", "--save", "--protected-mode"),
            version=version + r"(?:\.\d+)?(?:-[a-z0-9.]+)?",
            schemes=("redis", "rediss", "valkey"),
            url="REDIS_URL",
            gives="a user of its own, its URL",
        )
        for kind, images, version in (
            ("redis", ("redis",), r"([78]\.\d+)"),
            ("valkey", ("valkey/valkey",), r"(8\.\d+)"),
        )
    ),
    Known(
        *("minio", ("minio/minio", "pgsty/minio", "pgsty/silo", "quay.io/minio/minio"), 9000),
        variables=("MINIO_",),
        data=("/data",),
        program=("minio", "server"),
        flags=("server", "/data", "--console-address", "--address"),
        more_ports={9001: "console"},
        hands_over=("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"),
        gives="an access key and S3_ENDPOINT_URL",
        table={"buckets": ["uploads"]},
        decision="which buckets each environment owns is not said: uploads is a guess",
    ),
    Known(
        *("qdrant", ("qdrant/qdrant",), 6333),
        variables=("QDRANT__",),
        data=("/qdrant/storage",),
        version=r"v?(1\.\d+\.\d+)(?:-unprivileged)?",
        more_ports={6334: "grpc"},
        hands_over=("QDRANT_API_KEY",),
        gives="QDRANT_URL and a key of its own",
        table={"collections": {"documents": {"size": 384, "distance": "Cosine"}}},
        decision="which collections each environment owns is not said: documents, of 384 numbers, is a guess",
    ),
    Known(
        *("nginx", ("nginx",), 80), inside=8080, version=r"(1\.\d+(?:\.\d+)?)", program=("nginx", "-g", "daemon off;")
    ),
)
_PLAIN = frozenset(
    {
        *("image", "environment", "ports", "volumes", "networks", "restart", "healthcheck", "container_name", "expose"),
        *(
            "command",
            "deploy",
            "mem_limit",
            "cpus",
            "pids_limit",
            "mem_reservation",
            "hostname",
            "secrets",
            "depends_on",
        ),
        *("stop_grace_period", "shm_size", "logging", "labels", "init", "read_only", "security_opt", "cap_drop"),
        *("tmpfs", "scale", "pull_policy", "entrypoint", "profiles"),
    }
)
"""Keys that say nothing which a kind could not answer for; `command` and `volumes` are looked into."""


def known(body: Document, kinds: Collection[str]) -> Known | None:
    """Return the kind that an image suggests."""
    repository, _ = split(str(body.get("image", "")))
    plain = repository.removeprefix("docker.io/").removeprefix("library/")
    return next((one for one in KNOWN if plain in one.images and one.kind in kinds), None)


def obstacle(one: Known, body: Document) -> str:
    """Say why a service has to stay a container; empty when its kind can take its place."""
    return next((reason for reason in _obstacles(one, body) if reason), "")


def server_table(one: Known, body: Document, draft: ServiceDraft) -> dict[str, Any]:
    """Return its table in `[infra]`."""
    repository, tag = split(str(body["image"]))
    version = re.fullmatch(one.version, tag) if one.version else None
    table: dict[str, Any] = {} if draft.name == one.kind else {"kind": one.kind}
    if version:
        table["version"] = version[1]
    elif tag:
        draft.decisions.append(f"{repository}:{tag} gives way to the version that kind {one.kind} has: set version")
    for port in body.get("ports") or ():
        _publish(one, port, table, draft)
    found = limits_of(body)
    table |= {key: found[key] for key in ("cpus", "pids") if found.get(key, 0) > 0}
    table |= {key: memory_text(found[key]) for key in ("memory",) if key in found}
    if one.decision:
        draft.decisions.append(one.decision)
    return table | dict(one.table)


def named_url(text: str, servers: Mapping[str, Known]) -> str:
    """Return the server that a variable's value is a URL of."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return ""
    is_its = host in servers and parts.scheme.partition("+")[0] in servers[host].schemes
    return host if is_its else ""


def mentions(text: str, host: str) -> bool:
    """Tell whether a value names a server as a host."""
    return bool(re.search(rf"(?:^|[/@,=\s]){re.escape(host)}(?:$|[:/,\s])", text))


def split(image: str) -> tuple[str, str]:
    """Return repository and tag; a digest counts as neither."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{folder}{slash}{repository}", tag


def _obstacles(one: Known, body: Document) -> Iterable[str]:
    odd = [key for key in body if key not in _PLAIN and body[key] not in (None, {}, [])]
    yield f"kind {one.kind} has no place for {', '.join(odd)}" if odd else ""
    tag = split(str(body["image"]))[1]
    is_other = one.is_strict and tag not in ("", "latest") and not re.fullmatch(one.version, tag)
    yield f"kind {one.kind} has no version {tag}" if is_other else ""
    for name in body.get("environment") or {}:
        yield "" if name.startswith(one.variables or ("\0",)) or name == "TZ" else f"kind {one.kind} knows no {name}"
    for mount in body.get("volumes") or ():
        is_data = mount["type"] == "volume" and mount["target"] in one.data
        yield "" if is_data else f"kind {one.kind} mounts nothing at {mount['target']}"
    yield f"kind {one.kind} takes no configs" if body.get("configs") else ""
    yield "" if not body.get("entrypoint") else f"kind {one.kind} starts in its own way"
    yield _odd_word(one, [str(word) for word in body.get("command") or ()])
    for port in body.get("ports") or ():
        is_known = int(port["target"]) == one.port or int(port["target"]) in one.more_ports
        yield "" if is_known else f"kind {one.kind} does not listen on {port['target']}"


def _odd_word(one: Known, command: list[str]) -> str:
    words = command
    while words and words[0] in one.program:
        words = words[1:]
    is_value = False
    for word in words:
        if word.partition("=")[0] not in one.flags and not (is_value and not word.startswith("--")):
            return f"kind {one.kind} has no place for {word} of its command"
        # One flag may take several: `--save 60 1`.
        is_value = is_value or word.startswith("--")
    return ""


def _publish(one: Known, port: Document, table: dict[str, Any], draft: ServiceDraft) -> None:
    published, target = str(port.get("published", "")), int(port["target"])
    if not published.isdigit() or port.get("protocol", "tcp") != "tcp":
        draft.why[f"ports.{key_of(port)}"] = "write the port that you want into its table"
    elif target == one.port and "port" not in table:
        table["port"] = int(published)
    elif target in one.more_ports:
        table.setdefault("ports", {})[one.more_ports[target]] = int(published)
