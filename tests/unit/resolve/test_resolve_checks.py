"""What only the catalog knows to be wrong: managed servers, ports without a program, programs without a check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envmgr.errors import SpecError
from envmgr.model.stack import Publication, System

SystemOf = Callable[[str], System]
SPEC = """\
[project]
name = "play"

[infra.redis]

[infra.mail]
kind = "container"
image = "example/mail:1.0"
container_port = 8025
container_ports = { smtp = 1025 }
health_path = "/"
port = 8025
ports = { smtp = 1025 }

[services.api]
kind = "node"
image = "example/api:1.0"
uses = ["redis", "mail"]
routes = ["/"]

[services.beat]
kind = "celery-beat"
image = "example/api:1.0"
app = "tasks"

[services.tool]
kind = "container"
image = "example/tool:1.0"
container_port = 9000
container_ports = { admin = 9001 }
healthcheck = ["true"]

[environments.dev]
debug = true
ports = { api = 3000, tool = 9000 }
[environments.dev.services.tool]
ports = { admin = 9001 }

[environments.prod]
"""
READY = "set healthcheck or health_path"


def problems(system_of: SystemOf, *changes: tuple[str, str]) -> list[str]:
    text = SPEC
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(SpecError) as caught:
        system_of(text)
    assert all(problem.line for problem in caught.value.problems)
    return [f"{one.path}: {one.message} ({one.hint})".removesuffix(" ()") for one in caught.value.problems]


def test_everything_as_it_should_be(system_of: SystemOf):
    system = system_of(SPEC)
    assert system.base.service("mail").ports == (Publication(8025, 8025), Publication(1025, 1025))
    dev, prod = system.stack("dev"), system.stack("prod")
    assert dev.service("tool").ports == (Publication(9000, 9000), Publication(9001, 9001))
    assert (prod.service("tool").ports, prod.service("tool").networks) == ((), ("data",))
    assert dev.service("api").uses == ("redis", "mail")
    assert dev.service("api").aliases == ("api--dev",)


# ---- managed servers


MANAGED = '[environments.prod.infra.mail]\nmode = "external"\nurl = "http://mail.example.com"\n'


def test_a_server_of_which_nobody_runs_a_managed_one(system_of: SystemOf):
    (found,) = problems(system_of, ("[environments.prod]\n", f"[environments.prod]\n{MANAGED}"))
    assert found.startswith("environments.prod.infra.mail.mode: a container cannot be external (kinds that can: ")
    assert {"postgres", "redis"} <= set(found.removesuffix(")").rpartition(": ")[2].split(", "))


def test_a_url_of_another_protocol(system_of: SystemOf):
    more = '[environments.prod]\n[environments.prod.infra.redis]\nmode = "external"\nurl = "http://cache.example.com"\n'
    assert problems(system_of, ("[environments.prod]\n", more)) == [
        "environments.prod.infra.redis.url: expected the URL of a redis to begin with redis:// or rediss://"
    ]


def test_an_environments_own_image_names_a_version(system_of: SystemOf):
    more = '[environments.prod]\n[environments.prod.infra.redis]\nmode = "own"\nimage = "redis"\n'
    assert problems(system_of, ("[environments.prod]\n", more)) == [
        "environments.prod.infra.redis.image: names no version: what runs would change by itself "
        '(write a tag, "name:1.2")'
    ]


# ---- ports


def test_ports_that_a_kind_does_not_have(system_of: SystemOf):
    changes = [
        ("[infra.redis]\n", "[infra.redis]\nports = { x = 1 }\n"),
        ("\nports = { admin = 9001 }", "\nports = { admni = 9001 }"),
    ]
    assert problems(system_of, *changes) == [
        'infra.redis.ports.x: a redis has no port "x" (it has: none)',
        'environments.dev.services.tool.ports.admni: a container has no port "admni" (did you mean "admin"?)',
    ]


def test_a_port_of_a_container_that_does_not_say_where_it_listens(system_of: SystemOf):
    changes = [
        ("container_port = 8025\n", ""),
        ('health_path = "/"\n', 'healthcheck = ["true"]\n'),
        ("container_port = 9000\n", 'routes = ["/tool"]\n'),
    ]
    assert problems(system_of, *changes) == [
        "infra.mail.port: it listens on no port that is known (set container_port too)",
        "environments.dev.ports.tool: it listens on no port that is known "
        "(set container_port, where it listens inside its container)",
        "services.tool.routes: it listens on no port that is known "
        "(set container_port, where it listens inside its container)",
    ]


def test_a_route_to_what_listens_nowhere(system_of: SystemOf):
    assert problems(system_of, ('app = "tasks"', 'app = "tasks"\nroutes = ["/beat"]')) == [
        "services.beat.routes: a celery-beat listens on no port"
    ]


def test_replicas_cannot_share_a_further_port(system_of: SystemOf):
    changes = [(", tool = 9000 }", " }"), ("\nports = { admin = 9001 }", "\nports = { admin = 9001 }\nreplicas = 2")]
    assert problems(system_of, *changes) == [
        "environments.dev.services.tool.ports: 2 replicas cannot share one port of the host"
    ]


# ---- what runs


def test_there_is_one_beat(system_of: SystemOf):
    assert problems(system_of, ('app = "tasks"', 'app = "tasks"\nreplicas = 2')) == [
        "services.beat.replicas: a celery-beat runs once: two of them would do everything twice (leave replicas out)"
    ]


def test_a_server_needs_an_image(system_of: SystemOf):
    assert problems(system_of, ('image = "example/mail:1.0"\n', "")) == [
        'infra.mail: has nothing to run (set image = "name:1.2")'
    ]


def test_only_debug_environments_do_without_a_healthcheck(system_of: SystemOf):
    changes = [('healthcheck = ["true"]\n', ""), ('health_path = "/"\n', "")]
    why = "nothing tells when it is ready"
    assert problems(system_of, *changes) == [
        f"infra.mail: {why} ({READY})",
        f"services.tool: {why}, which prod needs: only debug environments do without ({READY})",
    ]
    text = SPEC.replace("[environments.prod]", "[environments.prod]\ndebug = true")
    for old, new in changes:
        text = text.replace(old, new)
    assert system_of(text).stack("prod").service("tool").healthcheck is None


def test_raw_keys_are_checked_in_every_section(system_of: SystemOf):
    changes = [
        ("[infra.redis]\n", "[infra.redis]\ncompose = { ports = [] }\n"),
        ("[environments.prod]\n", "[environments.prod]\nservices = { beat = { compose = { user = '0:0' } } }\n"),
        ('app = "tasks"', 'app = "tasks"\ncompose = { privileged = true }'),
    ]
    assert problems(system_of, *changes) == [
        'infra.redis.compose.ports: envmgr writes this itself (set "port" or "ports" instead)',
        "services.beat.compose.privileged: this gives the container the whole host "
        '(name what it needs in "cap_add" or "devices")',
        'environments.prod.services.beat.compose.user: envmgr writes this itself (set "user" instead)',
    ]


# ---- who wins


def test_what_the_spec_says_comes_before_what_a_kind_would_set(system_of: SystemOf):
    text = SPEC.replace('routes = ["/"]', 'routes = ["/"]\nvariables = { NODE_OPTIONS = "--prof" }')
    variables = system_of(text).stack("prod").service("api").variables
    assert (variables["NODE_OPTIONS"], variables["NODE_ENV"]) == ("--prof", "production")


def test_a_declared_variable_comes_before_what_a_kind_would_set(system_of: SystemOf):
    text = SPEC + '[variables.NODE_ENV]\ndefault = "test"\nservices = ["api"]\n'
    api = system_of(text).stack("prod").service("api")
    assert ("NODE_ENV" in api.variables, api.supplied) == (False, ("NODE_ENV",))


# ---- whose server it is


def test_a_server_that_no_environment_shares_is_not_in_the_base(system_of: SystemOf):
    own = "".join(f'[environments.{name}.infra.redis]\nmode = "own"\n' for name in ("dev", "prod"))
    system = system_of(SPEC + own)
    assert [service.name for service in system.base.services] == ["mail"]
    assert [one.service("redis").is_server for one in system.environments] == [True, True]
