"""One spec in which every key has a value, and a change of each key with what a plan should say to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SPEC = """\
[project]
name = "play"

[images]
recipes = "images"

[variables.TOKEN]
secret = true
generate = true
services = ["api"]

[variables.REGION]
default = "here"
services = ["api"]

[infra.redis]
version = "8.0"
memory = "64M"
cpus = 0.5

[infra.cache]
kind = "container"
image = "registry.example/play:1"
command = ["cache", "--depth", "1"]
healthcheck = ["check"]
container_port = 9000
port = 9100
memory = "64M"
volumes = { data = "/data" }
variables = { LEVEL = "1" }
egress = false

[services.api]
kind = "container"
image = "registry.example/play:1"
command = ["api", "--depth", "1"]
healthcheck = ["check"]
container_port = 7000
user = "10001:10001"
memory = "64M"
cpus = 0.5
cpus_reserved = 0.25
memory_reserved = "32M"
pids = 64
start_seconds = 20
stop_seconds = 9
uses = ["redis"]
volumes = { data = "/data" }
tmpfs = { "/cache" = "8M" }
variables = { MODE = "calm" }
egress = false
secrets_as = "files"
compose = { ulimits = { nofile = 1024 } }

[services.app]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
replicas = 1
memory = "64M"
uses = ["redis"]

[services.migrate]
kind = "job"
image = "registry.example/play:1"
command = ["migrate"]
memory = "64M"

[environments.dev]
prefix = "dev_"
debug = false
log_level = "INFO"
workers = 1
protected = false
ports = { api = 8100 }
variables = { COLOUR = "red" }
"""

Fields = Mapping[str, tuple[str, ...]]
"""Service → fields that its containers are recreated for."""


@dataclass(frozen=True)
class Change:
    """One edit of the spec."""

    key: str
    """Table and key that it covers: `service.cpus`."""
    old: str
    new: str
    recreates: Fields = field(default_factory=dict)
    place: str = ""
    """Where the plan should say that it comes from."""
    scales: str = ""
    """Service that gets more or fewer containers."""


API = "services.api"
CHANGES = (
    Change(
        "common.kind",
        'kind = "asgi"',
        'kind = "wsgi"',
        {"app": ("kind", "command", "variables.XDG_RUNTIME_DIR")},
        "services.app.kind",
    ),
    Change("common.cpus", "cpus = 0.5\ncpus_r", "cpus = 0.75\ncpus_r", {"api": ("cpus",)}, f"{API}.cpus"),
    Change(
        "common.memory",
        'memory = "64M"\ncpus = 0.5\ncpus_r',
        'memory = "80M"\ncpus = 0.5\ncpus_r',
        {"api": ("memory",)},
        f"{API}.memory",
    ),
    Change("common.cpus_reserved", "cpus_reserved = 0.25", "cpus_reserved = 0.3"),
    Change(
        "common.memory_reserved",
        'memory_reserved = "32M"',
        'memory_reserved = "48M"',
        {"api": ("memory_reserved",)},
        f"{API}.memory_reserved",
    ),
    Change("common.pids", "pids = 64", "pids = 96", {"api": ("pids",)}, f"{API}.pids"),
    Change(
        "common.start_seconds",
        "start_seconds = 20",
        "start_seconds = 25",
        {"api": ("start_seconds",)},
        f"{API}.start_seconds",
    ),
    Change(
        "common.stop_seconds",
        "stop_seconds = 9",
        "stop_seconds = 11",
        {"api": ("stop_seconds",)},
        f"{API}.stop_seconds",
    ),
    Change(
        "common.image",
        'image = "registry.example/play:1"\ncommand = ["api"',
        'image = "registry.example/play:2"\ncommand = ["api"',
        {"api": ("image",)},
        f"{API}.image",
    ),
    Change("common.compose", "nofile = 1024", "nofile = 2048", {"api": ("definition",)}, f"{API}.compose"),
    Change("infra.port", "port = 9100", "port = 9101", {"cache": ("ports",)}, "infra.cache.port"),
    Change("infra.uses", "[infra.cache]\n", '[infra.cache]\nuses = ["redis"]\n'),
    Change(
        "container.variables",
        'LEVEL = "1"',
        'LEVEL = "2"',
        {"cache": ("variables.LEVEL",)},
        "infra.cache.variables.LEVEL",
    ),
    Change(
        "container.command",
        '["cache", "--depth", "1"]',
        '["cache", "--depth", "2"]',
        {"cache": ("command",)},
        "infra.cache.command",
    ),
    Change(
        "container.healthcheck",
        'command = ["api", "--depth", "1"]\nhealthcheck = ["check"]',
        'command = ["api", "--depth", "1"]\nhealthcheck = ["look"]',
        {"api": ("healthcheck",)},
        f"{API}.healthcheck",
    ),
    Change("container.container_port", "container_port = 7000", "container_port = 7001", {"api": ("ports",)}),
    Change("container.tmpfs", '"/cache" = "8M"', '"/cache" = "9M"', {"api": ("tmpfs",)}, f"{API}.tmpfs"),
    Change(
        "container.egress",
        'variables = { LEVEL = "1" }\negress = false',
        'variables = { LEVEL = "1" }\negress = true',
        {"cache": ("networks.play-infra-egress",)},
    ),
    Change(
        "container.volumes",
        '{ data = "/data" }\nvariables = { LEVEL',
        '{ data = "/more" }\nvariables = { LEVEL',
        {"cache": ("volumes",)},
        "infra.cache.volumes",
    ),
    Change("program.user", 'user = "10001:10001"', 'user = "10002:10001"', {"api": ("user", "tmpfs")}),
    Change(
        "service.uses",
        'memory = "64M"\nuses = ["redis"]',
        'memory = "64M"\nuses = []',
        {"app": ("variables.REDIS_KEY_PREFIX", "variables.REDIS_URL_FILE", "secrets", "secrets.REDIS_URL")},
    ),
    Change("service.after", 'app = "play:app"', 'app = "play:app"\nafter = ["migrate"]'),
    Change(
        "service.variables", 'MODE = "calm"', 'MODE = "wild"', {"api": ("variables.MODE",)}, f"{API}.variables.MODE"
    ),
    Change(
        "service.volumes",
        'volumes = { data = "/data" }\ntmpfs',
        'volumes = { data = "/store" }\ntmpfs',
        {"api": ("volumes",)},
        f"{API}.volumes",
    ),
    Change(
        "service.egress",
        "egress = false\nsecrets_as",
        "egress = true\nsecrets_as",
        {"api": ("networks.play-dev-egress",)},
        f"{API}.egress",
    ),
    Change(
        "service.aliases",
        "egress = false\nsecrets_as",
        'egress = false\naliases = ["other"]\nsecrets_as',
        {"api": ("networks.play-dev-data",)},
        f"{API}.aliases",
    ),
    Change(
        "service.files",
        "egress = false\nsecrets_as",
        'egress = false\nfiles = { "/etc/api.conf" = "depth = 1" }\nsecrets_as',
        {"api": ("files.files/dev/api/etc-api-conf-d8e171fb",)},
        f"{API}.files",
    ),
    Change(
        "service.secrets_as",
        'secrets_as = "files"',
        'secrets_as = "variables"',
        {
            "api": (
                "secrets",
                "variables.REDIS_URL_FILE",
                "variables.TOKEN_FILE",
                "variables.REDIS_URL",
                "variables.TOKEN",
            )
        },
        f"{API}.secrets_as",
    ),
    Change("service.replicas", "replicas = 1", "replicas = 3", scales="app"),
    Change(
        "environment.prefix",
        'prefix = "dev_"',
        'prefix = "d_"',
        {
            "api": ("variables.ENV_PREFIX", "variables.REDIS_KEY_PREFIX", "secrets.REDIS_URL"),
            "app": ("variables.ENV_PREFIX", "variables.REDIS_KEY_PREFIX", "secrets.REDIS_URL"),
            "migrate": ("variables.ENV_PREFIX",),
        },
    ),
    Change(
        "environment.debug",
        "debug = false",
        "debug = true",
        {
            "api": ("variables.DEBUG",),
            "app": ("variables.DEBUG",),
            "migrate": ("variables.DEBUG",),
        },
        "environments.dev.debug",
    ),
    Change(
        "environment.log_level",
        'log_level = "INFO"',
        'log_level = "WARNING"',
        {
            "api": ("variables.LOG_LEVEL",),
            "app": ("variables.LOG_LEVEL", "command"),
            "migrate": ("variables.LOG_LEVEL",),
        },
        "environments.dev.log_level",
    ),
    Change(
        "environment.workers",
        "workers = 1",
        "workers = 4",
        {"app": ("command", "variables.WEB_CONCURRENCY")},
        "environments.dev.workers",
    ),
    Change("environment.protected", "protected = false", "protected = true"),
    Change("environment.ports", "api = 8100", "api = 8101", {"api": ("ports",)}, "environments.dev.ports.api"),
    Change(
        "environment.variables",
        'COLOUR = "red"',
        'COLOUR = "blue"',
        {
            "api": ("variables.COLOUR",),
            "app": ("variables.COLOUR",),
            "migrate": ("variables.COLOUR",),
        },
        "environments.dev.variables.COLOUR",
    ),
    Change(
        "environment.services",
        'prefix = "dev_"',
        'prefix = "dev_"\nservices.app.pids = 99',
        {"app": ("pids",)},
        "environments.dev.services.app.pids",
    ),
    Change(
        "variable.default", 'default = "here"', 'default = "there"', {"api": ("variables.REGION",)}, "variables.REGION"
    ),
    Change(
        "variable.services",
        'generate = true\nservices = ["api"]',
        'generate = true\nservices = ["api", "migrate"]',
        {"migrate": ("secrets", "variables.TOKEN_FILE", "secrets.TOKEN")},
    ),
    Change(
        "redis.version",
        'version = "8.0"',
        'version = "8.0"\nstart_seconds = 33',
        {"redis": ("start_seconds",)},
        "infra.redis.start_seconds",
    ),
)
