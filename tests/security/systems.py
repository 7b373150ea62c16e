"""Specs whose optional services are there or not, and everything that envmgr would write for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import yaml

from envmgr import layout
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Stack, System, secret_references
from envmgr.operations.project import open_project
from envmgr.render.files import render
from envmgr.secrets.deliver import deliver
from envmgr.secrets.generate import generate
from envmgr.secrets.vault import Vault

SERVERS = ("postgres", "redis")
SERVICES = {
    "migrate": ('kind = "job"', 'command = ["alembic", "upgrade", "head"]'),
    "app": ('kind = "asgi"', 'app = "chat.main:app"', "egress = true"),
    "worker": ('kind = "celery-worker"', 'app = "chat.tasks"', "egress = true"),
    "flower": ('kind = "flower"', 'app = "chat.tasks"'),
}
MONITORS = {
    "nginx": ("port = 8100", "ports = { https = 8443 }", 'tls = "files"', 'rate_limits = { "/api/" = 100 }'),
    "prometheus": ("port = 9090", 'uses = ["alertmanager", "blackbox-exporter"]'),
    "alertmanager": ("port = 9093", "webhook_secret = true"),
    "grafana": ("port = 3000", 'uses = ["prometheus"]'),
    "postgres-exporter": ('uses = ["postgres"]',),
    "redis-exporter": ('uses = ["redis"]',),
    "nginx-exporter": ('uses = ["nginx"]',),
    "node-exporter": (),
    "blackbox-exporter": ('targets = ["https://chat.example/health"]',),
}
STORES = {
    "valkey": ("port = 6390", 'url_variable = "VALKEY_URL"', 'policy = "allkeys-lru"'),
    "qdrant": ("port = 6333", "ports = { grpc = 6334 }", 'collections = { messages = { size = 8, distance = "Dot" } }'),
    "elasticsearch": ("port = 9200",),
    "logstash": ("port = 5000", "ports = { api = 9600 }", 'uses = ["elasticsearch"]'),
    "kibana": ("port = 5601", 'uses = ["elasticsearch"]'),
    "minio": ("port = 9000", "ports = { console = 9001 }", 'buckets = ["uploads", "exports"]'),
    "rustfs": ("port = 9010", "ports = { console = 9011 }", 'buckets = ["uploads"]'),
    "seaweedfs": ('mode = "own"', 'buckets = ["uploads"]'),
}
PROGRAMS = {
    "web": ('kind = "wsgi"', 'app = "chat.wsgi:app"', "threads = 4", 'metrics_path = "/metrics"', 'routes = ["/web"]'),
    "api": ('kind = "node"', 'routes = ["/api"]', "replicas = 2"),
    "page": ('kind = "static"', "spa = true", 'immutable = ["js"]', 'routes = ["/page"]'),
    "beat": ('kind = "celery-beat"', 'app = "chat.tasks"', 'volumes = { beat = "/beat" }'),
    "ml": ('kind = "container"', 'healthcheck = ["ready"]', 'tmpfs = { "/run/ml" = "32M" }', "gpus = 1"),
    "raw": ('kind = "job"', 'command = ["raw"]', 'compose = { labels = { "a.b" = "5 $" } }'),
}
MAIL = (
    *('kind = "container"', 'image = "example/mail:1.21"', "container_port = 8025", 'health_path = "/"', "port = 8025"),
    *('volumes = { data = "/data" }', 'variables = { MODE = "x" }', 'secrets = ["MAIL_TOKEN"]', "egress = true"),
)
"""A service of the base that no kind covers."""
USES = {
    "migrate": ("postgres", "seaweedfs"),
    "app": (*SERVERS, "valkey", "qdrant", "elasticsearch", "logstash", "minio"),
    "worker": (*SERVERS, "rustfs"),
    "flower": ("redis",),
}
AFTER = {"app": ("migrate",), "worker": ("migrate",)}
PORTS = {"app": 8000, "flower": 5555}
ENVIRONMENTS = {"dev": "debug = true", "stage": "workers = 2", "prod": "protected = true"}
OPTIONAL = (*SERVERS, *SERVICES)


@dataclass(frozen=True)
class Document:
    """One rendered Compose document."""

    path: str
    text: str
    stack: Stack

    @cached_property
    def data(self) -> dict[str, Any]:
        return yaml.load(self.text, yaml.CSafeLoader)


def subsets() -> Iterator[tuple[str, ...]]:
    """Yield every choice of optional services that leaves the application at least one; at last, all and more."""
    for chosen in chain.from_iterable(combinations(OPTIONAL, size) for size in range(len(OPTIONAL) + 1)):
        if set(chosen) & set(SERVICES):
            yield chosen
    yield (*OPTIONAL, *PROGRAMS, "mail")
    yield (*OPTIONAL, *STORES)
    yield (*OPTIONAL, *MONITORS)


def _listed(names: tuple[str, ...], chosen: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names if name in chosen)


def spec(chosen: tuple[str, ...]) -> str:
    """Write the spec of a choice, for three environments."""
    lines = ['[project]\nname = "chat"\n\n[builds.chat]\ncontext = "src"\n']
    lines += ["[variables.SECRET_KEY]\nsecret = true\ngenerate = true\n", '[variables.HOST]\ndefault = "x.example"\n']
    lines += [f"[infra.{name}]\nport = {15432 + number}\n" for number, name in enumerate(SERVERS) if name in chosen]
    lines += ["\n".join((f"[infra.{name}]", *keys, "")) for name, keys in (MONITORS | STORES).items() if name in chosen]
    lines += ["\n".join(("[infra.mail]", *MAIL, ""))] if "mail" in chosen else []
    programs = SERVICES | PROGRAMS
    for name in (name for name in programs if name in chosen):
        links = (
            f"uses = [{_listed(USES.get(name, SERVERS), chosen)}]\nafter = [{_listed(AFTER.get(name, ()), chosen)}]\n"
        )
        lines.append("\n".join((f"[services.{name}]", 'build = "chat"', *programs[name], links)))
    for number, (name, settings) in enumerate(ENVIRONMENTS.items()):
        ports = ", ".join(f"{one} = {port + number}" for one, port in PORTS.items() if one in chosen)
        lines.append(f'[environments.{name}]\n{settings}\nports = {{ {ports} }}\nhosts = ["{name}.chat.example"]\n')
    return "\n".join(lines)


def system_of(chosen: tuple[str, ...], folder: Path) -> System:
    """Open the spec of a choice in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / layout.SPEC).write_text(spec(chosen))
    return open_project(folder / layout.SPEC).system


def documents(system: System, folder: Path) -> list[Document]:
    """Render the Compose documents of a system, without those that only put other images in place."""
    files = render(system, folder)
    paths = {layout.compose_file(stack.target): stack for stack in system.stacks}
    return [Document(path, files[path], stack) for path, stack in paths.items() if path in files]


def with_values(system: System) -> tuple[Vault, dict[tuple[str, str], str]]:
    """Make a value for every secret that a system mentions; return (target, name) → value, too."""
    refs: set[SecretRef] = set().union(*(secret_references(stack) for stack in system.stacks))
    values = {(ref.scope, ref.name): "" for ref in refs}
    values |= {(need.scope, need.name): "" for stack in system.stacks for need in stack.needed if need.is_secret}
    needs = {need.name: need for stack in system.stacks for need in stack.needed}
    values = {(scope, name): next(iter(generate([needs[name]]).values())) for scope, name in values}
    vault = Vault()
    for target in {scope for scope, _ in values}:
        vault = vault.with_target(target, {name: value for (scope, name), value in values.items() if scope == target})
    return vault, {key: value for key, value in values.items() if needs[key[1]].is_secret}


def write_all(system: System, folder: Path, vault: Vault) -> None:
    """Write into a folder what `up` would: documents, their configuration, env files and secrets."""
    write_texts(folder, render(system, folder))
    for stack in system.stacks:
        deliver_to(folder, stack, vault)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write rendered files."""
    for path, text in texts.items():
        target = folder / layout.COMPOSE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def deliver_to(folder: Path, stack: Stack, vault: Vault) -> None:
    """Deliver a stack's variables and secrets."""
    deliver(folder, stack, {need.name: need.default or "value" for need in stack.needed if not need.is_secret}, vault)
