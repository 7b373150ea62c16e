"""What holds for every kind: options refuse rubbish, no secret on a command line, checks that the image can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, Service, Stack, System, secret_references
from envmgr.operations.project import Project
from envmgr.secrets.vault import Vault

KINDS = {**{f"infra {name}" if name in SERVICES else name: kind for name, kind in INFRA.items()}, **SERVICES}
"""Kind by its name; of the one that both sections have, the base's is `infra container`."""
LEAST: dict[str, dict[str, Any]] = {
    "postgres": {},
    "redis": {},
    "valkey": {},
    "qdrant": {"collections": {"messages": {"size": 64, "distance": "Cosine"}}},
    **{name: {"buckets": ("uploads",)} for name in ("minio", "rustfs", "garage", "seaweedfs", "s3")},
    **{name: {} for name in ("elasticsearch", "logstash", "kibana")},
    "infra container": {"container_port": 8080},
    **{name: {} for name in ("nginx", "prometheus", "alertmanager", "grafana")},
    **{name: {} for name in ("postgres-exporter", "redis-exporter", "node-exporter", "nginx-exporter")},
    "blackbox-exporter": {"targets": ("https://x.example/",)},
    "asgi": {"app": "a.b:c"},
    "wsgi": {"app": "a.b:c"},
    "node": {},
    "static": {},
    "celery-worker": {"app": "a.b"},
    "celery-beat": {"app": "a.b"},
    "flower": {"app": "a.b"},
    "job": {"command": ("run",)},
    "container": {"container_port": 8080},
}
WEB: dict[str, tuple[Any, ...]] = {
    "container_port": (0, 80, 1023, 65536, "8000", True, None),
    "health_path": ("", "health", "/a b", "/ü", "/a\n", "http://x/"),
    "metrics_path": ("", "metrics", "/a b", 9000),
    "user": ("root", "0:0", "0:1", "1:0", "1", "1:1:1", "app:app", "-1:1", 1, "1:1\n", "1٣:1"),
}
CONTAINER: dict[str, tuple[Any, ...]] = {
    "command": ("run it", (1,), None),
    "container_port": (0, 65536, "80", True),
    "container_ports": ({"Admin": 1}, {"admin": 0}, {"admin": "80"}, (80,)),
    "tmpfs": ({"run": "16M"}, {"/run;": "16M"}, {"/run:rw": "16M"}, {"/run": "1"}, {"/run": 16}, ("/run",)),
    "healthcheck": ((), "true", (1,)),
    "health_path": ("", "health", "/a b"),
    "health_program": ("nc", "", None, ("wget",)),
    "metrics_path": ("", "metrics"),
    "user": ("root", "0:0"),
}
BUCKETS = ((), "uploads", ("Uploads",), ("up_loads",), ("-a",), ("a--b",), ("a.b",), ("a b",), ("a\n",), ("a" * 41,))
BUCKET_NAMES = ({"a": "A"}, {"a": "x"}, {"a": "a/b"}, {"A": "abc"}, {"a": "abc\n"}, "abc")
REGIONS = ("", "eu_west", "EU", "a b", "eu\n", 1)
STORAGE: dict[str, tuple[Any, ...]] = {"buckets": BUCKETS, "bucket_names": BUCKET_NAMES, "region": REGIONS}
ELASTIC = ("latest", "9", "9.5", "8.19.1", "9.5.3\n", 9.5)
VERSION = ("", "latest", "v1", "v1.2", "1.2.3;x", "v1.2.3\n", 1.2, None)
MONITORS: dict[str, dict[str, tuple[Any, ...]]] = {
    "nginx": {
        "version": ("1", "latest", "2.0", "1.26-alpine", 1.26, "1.26\n"),
        "tls": ("on", True, "", None),
        "certificate": ("", "a\nb", 1),
        "key": ("", "a\0b", None),
        "https_only": ("yes", 1),
        "client_max_body_size": ("", "10", "0M", "10MB", "10M;", 10),
        "rate_limits": ({"api": 100}, {"/api": 0}, {"/api": "100"}, {"/a b": 1}, ("/api",)),
        "cache_seconds": ({"/static": -1}, {"static": 1}, {"/static": "1d"}),
        "headers": ({"X A": "b"}, {"X-A": "$remote_addr"}, {"X-A": "a\nb"}, {"X-A;": "b"}, {"X-A": 1}, {"X-A": "ü"}),
        "gzip": ("on", 1),
        "timeout_seconds": (0, 86_401, "60", 1.5),
        "worker_connections": (63, 65_537, "1024"),
        "trusted_proxies": (("10.0.0.0/8;",), ("proxy",), ("",), "10.0.0.0/8"),
    },
    "prometheus": {
        "version": VERSION,
        "retention": ("", "15", "15 d", "d", "0d", "15d;", 15),
        "retention_size": ("2", "2G", "2gb", "0GB", 2),
        "scrape_interval": ("15", "1.5s", "", 15),
    },
    "alertmanager": {
        "version": VERSION,
        "webhook_url": ("", "example", "ftp://x/", "http://", "http://a b/", "https://user:pass@x/", "http://x/\n"),
        "webhook_secret": ("yes", 1, None),
        "group_wait": ("", "30", 30),
        "repeat_interval": ("4 h", "0h"),
    },
    "grafana": {"version": ("", "latest", "v12.3.1", "12", "12.3", 12.3), "login": ("", "a b", "a:b", "a\n")},
    **{
        name: {"version": VERSION}
        for name in ("postgres-exporter", "redis-exporter", "node-exporter", "nginx-exporter")
    },
    "blackbox-exporter": {
        "version": VERSION,
        "targets": ((), ("x.example",), ("ftp://x/",), ("http://a b/",), "http://x/", None),
        "checks_certificates": ("no", 0),
    },
}
KEY_VALUE: dict[str, tuple[Any, ...]] = {
    "url_variable": ("", "redis_url", "A B"),
    "policy": ("lru", "allkeys", "NOEVICTION", "", None),
    "maxmemory": ("", "100", "5M", "1T", 100),
    "appendonly": ("yes", 1),
    "save": ("900 1", ("900",), ("0 1",), ("900 1 ",), ("900 1\n",), ("a b",), (900,)),
}
RUBBISH: dict[str, dict[str, tuple[Any, ...]]] = {
    **MONITORS,
    "postgres": {
        "version": (17, "14", "17.2", "latest", "", None),
        "database": ("", "Chat", "1chat", "chat-1", "chat;drop", "chat'", "a" * 41, "chat\n", 1),
        "url_scheme": ("", "Postgres", "a b", "pg://", "1a", "a\n"),
        "max_connections": (9, 10_001, "100", 1.5, True),
        "connections_per_environment": (0, 10_001, "1"),
        "url_variable": ("", "database_url", "1URL", "A-B", "URL\n", 1),
        "extensions": ("vector", ("",), ("Vector",), ('v"; DROP',), ("a b",), ("1a",)),
        "settings": (
            {"port": 1},
            {"max_connections": 5},
            {"listen_addresses": "*"},
            {"hba_file": "/tmp/x"},
            {"Work_Mem": "1MB"},
            {"a=b": "c"},
            {"work mem": "1"},
            {"work_mem": "1\n2"},
            {"work_mem": None},
            ["work_mem"],
        ),
        "sslmode": ("verify-full", "allow", "", True),
    },
    "redis": {
        "version": (8, 8.0, "8", "6.2", "8.", "8.0-alpine", "8.0\n", "latest", "8.٣"),
        **KEY_VALUE,
    },
    "valkey": {
        "version": (8, 8.1, "8", "7.2", "9.0", "8.", "8.1.1", "8.1-alpine", "8.1\n", "latest", "8.٣"),
        **KEY_VALUE,
    },
    "qdrant": {
        "version": ("1", "1.19", "v1.19.1", "latest", "1.19.1\n", 1.19),
        "collections": (
            {},
            {"Messages": {"size": 64, "distance": "Cosine"}},
            {"a_b": {"size": 64, "distance": "Cosine"}},
            {"messages": {"size": 0, "distance": "Cosine"}},
            {"messages": {"size": "64", "distance": "Cosine"}},
            {"messages": {"size": 64, "distance": "cosine"}},
            {"messages": {"size": 64}},
            {"messages": {"size": 64, "distance": "Cosine", "shards": 2}},
            ["messages"],
        ),
    },
    "minio": {
        "version": ("latest", "2026-09-16", "RELEASE.latest", "RELEASE.2026-09-16T00-00-00Z\n"),
        **STORAGE,
    },
    "rustfs": {"version": ("latest", "1.0", "v1.0.0", "1.0.0\n", "1.0.0-rc"), **STORAGE},
    "garage": {"version": ("latest", "2.3.0", "v1.3.1", "v2.3", "v2.3.0\n"), "secrets_as": ("", "env"), **STORAGE},
    "seaweedfs": {
        "version": ("latest", "4", "4.47.1", "4.47\n", 4.47),
        "volume_size": ("", "0M", "1", "1T", "1.5G", "1G\n", 1),
        **STORAGE,
    },
    "s3": STORAGE,
    "elasticsearch": {"version": ELASTIC},
    "logstash": {
        "version": ELASTIC,
        "index_prefix": ("", "Events", "a-b", "logs", "metrics", "traces", "synthetics", "1a", "a\n", "a" * 32),
    },
    "kibana": {"version": ELASTIC},
    "infra container": {
        **CONTAINER,
        "volumes": ({"Data": "/data"}, {"data": "data"}, ("/data",)),
        "variables": ({"mode": "x"}, {"MODE": 1}, {"MODE": "a\nb"}, ("MODE",)),
        "secrets": (("token",), ("A B",), "TOKEN"),
        "egress": ("yes", 1),
    },
    "asgi": {"app": ("", "a", "a:", ":b", "a b:c", "a:b;c", "a:b\n", "a/b:c", "a:b()", None), **WEB},
    "wsgi": {
        "app": ("", "a", "a:", ":b", "a b:c", "a:b(1)", "a:b()\n", "--config", None),
        "threads": (0, 257, "2", 1.5),
        "worker_class": ("eventlet2", "", "chat.Worker", None),
        "timeout": (0, 3601, "30"),
        "max_requests": (-1, "10"),
        **WEB,
    },
    "node": {"command": ((), "node server.js", None, (1,)), **WEB},
    "static": {
        "root": ("", "html", "/", "/a b", "/a;b", "/a$b", "/a{", "/a\n", "/a//b"),
        "spa": ("true", 1, None),
        "immutable": (("*.js",), (".js",), ("",), ("a b",), "js", ("js|)$ {",)),
        "health_path": WEB["health_path"],
        "user": ("0:0",),
    },
    "celery-worker": {
        "app": ("", "a b", "a;b", "$(a)", "a:", "a`b`", "--help", "a\n"),
        "queues": (("a b",), ("",), ("a,b",), ("a;b",), "default"),
        "concurrency": (0, 257, "4", 1.5),
        "pool": ("solo", "processes", "", None),
        "max_tasks_per_child": (0, "10", 1.5),
        "user": ("0:0",),
    },
    "celery-beat": {
        "app": ("", "a b", "$(a)", "--help"),
        "schedule_file": ("", "schedule", "/", "/a b", "/a*", "/a'b"),
        "user": ("0:0",),
    },
    "flower": {
        "app": ("", "a b", "$(a)"),
        "max_tasks": (99, "500", -1),
        "login": ("", "a:b", "a b", "a\n"),
        "user": ("0:0",),
    },
    "job": {"command": ("run it", None, (1,)), "user": ("0:0",)},
    "container": CONTAINER,
}


def test_the_kinds():
    assert list(INFRA) == [
        *("postgres", "redis", "valkey", "qdrant", "elasticsearch"),
        *("minio", "rustfs", "garage", "seaweedfs", "s3"),
        *("logstash", "kibana"),
        *("nginx", "prometheus", "alertmanager", "grafana"),
        *("postgres-exporter", "redis-exporter", "node-exporter", "nginx-exporter", "blackbox-exporter"),
        "container",
    ]
    assert list(SERVICES) == [
        *("asgi", "wsgi", "node", "static", "celery-worker", "celery-beat", "flower", "job", "container")
    ]
    assert all(name.removeprefix("infra ") == kind.name for name, kind in KINDS.items())
    assert set(LEAST) == set(RUBBISH) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [(kind, option, value) for kind in RUBBISH for option in RUBBISH[kind] for value in RUBBISH[kind][option]],
)
def test_rubbish_is_refused(kind: str, option: str, value: Any):
    KINDS[kind].Options(**LEAST[kind])
    with pytest.raises(ValidationError) as caught:
        KINDS[kind].Options(**{**LEAST[kind], option: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {option}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "celery-worker",
            {"pool": "threads", "max_tasks_per_child": 9},
            '"max_tasks_per_child" is for the pool "prefork"',
        ),
        (
            "container",
            {"healthcheck": ("true",), "health_path": "/"},
            'either "healthcheck" or "health_path", not both',
        ),
        ("container", {"container_port": None, "health_path": "/"}, '"health_path" needs container_port'),
        (
            "infra container",
            {"container_port": None, "metrics_path": "/metrics"},
            '"metrics_path" needs container_port',
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(kind: str, options: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        KINDS[kind].Options(**{**LEAST[kind], **options})


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_has_rubbish_that_it_refuses_and_an_unknown_one_is_refused(kind: str):
    assert set(KINDS[kind].Options.model_fields) == set(RUBBISH[kind])
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        KINDS[kind].Options(**LEAST[kind], no_such_option=1)


@pytest.mark.parametrize("kind", KINDS)
def test_options_cannot_be_changed(kind: str):
    options = KINDS[kind].Options(**LEAST[kind])
    with pytest.raises(ValidationError, match="frozen"):
        setattr(options, next(iter(type(options).model_fields)), "other")


# ---- what a whole system runs


def commands_in(value: object) -> Iterator[Command]:
    if isinstance(value, Command):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from commands_in(part)
    elif is_dataclass(value):
        for one in fields(value):
            yield from commands_in(getattr(value, one.name))


def argvs(stack: Stack) -> Iterator[tuple[str, ...]]:
    for service in stack.services:
        yield service.command
        if service.healthcheck:
            yield service.healthcheck.test
    for command in commands_in(stack):
        yield command.argv


def known_secrets(system: System) -> tuple[Vault, set[str]]:
    refs = {ref for stack in system.stacks for ref in secret_references(stack)}
    vault, values = Vault(), set()
    for target in {ref.scope for ref in refs}:
        made = {ref.name: f"v4lue-of-{ref.name}-{target}" for ref in refs if ref.scope == target}
        vault, values = vault.with_target(target, made), values | set(made.values())
    return vault, values


def test_no_secret_stands_on_a_command_line(chatbot: Project):
    every = [argv for stack in chatbot.system.stacks for argv in argvs(stack)]
    assert len(every) > 50
    assert all(type(part) is str for argv in every for part in argv)
    names = {ref.name for stack in chatbot.system.stacks for ref in secret_references(stack)}
    assert not [argv for argv in every for name in names if any(f"{name}=" in part for part in argv)]


def test_a_commands_secrets_travel_as_variables(chatbot: Project):
    vault, values = known_secrets(chatbot.system)
    filled = [vault.fill_all(command.variables) for stack in chatbot.system.stacks for command in commands_in(stack)]
    carried = {value for one in filled for text in one.values() for value in values if value in text}
    assert {value.split("-of-")[1] for value in carried} == {
        *(f"{server}_ADMIN_PASSWORD-infra" for server in ("POSTGRES", "REDIS", "QDRANT", "MINIO")),
        *(f"{server}_EXPORTER_PASSWORD-infra" for server in ("POSTGRES", "REDIS")),
        *(
            f"{one}_{half}-{target}"
            for one in ("POSTGRES", "REDIS", "MINIO")
            for half in ("LOGIN", "PASSWORD")
            for target in ("dev", "stage", "prod")
        ),
        # The serial number that its token holds.
        *(f"QDRANT_PASSWORD-{target}" for target in ("dev", "stage", "prod")),
    }


def test_plain_variables_and_configuration_hold_no_reference(chatbot: Project):
    for stack in chatbot.system.stacks:
        for service in stack.services:
            assert all(type(value) is str for value in service.variables.values())
            assert not [mount for mount in service.configs if "SecretRef" in repr(mount.context)]
            assert not [part for part in service.command if isinstance(part, SecretRef)]


IN_IMAGE = {
    "postgres": {"pg_isready", "psql", "sh", "printf"},
    "redis": {"redis-cli", "grep", "sh", "printf", "sed", "tr", "wc", "set", "cursor", "case", "while"},
    "qdrant": {"bash"},
    "minio": {"curl", "mc"},
    **{kind: {"curl"} for kind in ("nginx", "grafana")},
    # Of busybox, as in the images that Prometheus's own are made from, and in Alpine's.
    **{kind: {"wget"} for kind in ("prometheus", "alertmanager")},
    **{f"{watched}-exporter": {"wget"} for watched in ("postgres", "redis", "node")},
    "asgi": {"python", "uvicorn"},
    "celery-worker": {"celery", "/bin/sh"},
    "flower": {"python", "celery"},
}


def programs(service: Service) -> set[str]:
    """The programs that a service's healthcheck and probe start."""
    found = set()
    own = service.healthcheck.test if service.healthcheck else ()
    for argv in (own, *(command.argv for command in commands_in(service.probe))):
        words = argv[1:] if argv[:1] in (("CMD",), ("CMD-SHELL",)) else argv
        if words[:2] == ("bash", "-c"):
            found.add("bash")  # which does itself what these scripts want
        elif argv[:1] == ("CMD-SHELL",) or (words[1:2] == ("-c",) and words[0].endswith("sh")):
            found |= {words[0]} if words[1:2] == ("-c",) else set()
            script = words[-1]
            found |= {part.split()[0] for part in re.split(r"\||&&", re.sub(r"^exec ", "", script))}
        elif words:
            found.add(words[0])
    return found


def test_checks_use_programs_that_the_image_has(chatbot: Project):
    for stack in chatbot.system.stacks:
        for service in stack.services:
            if not service.is_job:
                assert programs(service)
                assert programs(service) <= IN_IMAGE[service.kind]


def test_every_service_that_lasts_has_a_healthcheck_on_the_loopback_or_through_its_broker(chatbot: Project):
    for stack in chatbot.system.stacks:
        for service in stack.services:
            text = " ".join(service.healthcheck.test) if service.healthcheck else ""
            assert service.is_job or "127.0.0.1" in text or "redis-cli" in text or "inspect ping" in text
            assert service.is_job or "localhost" not in text
