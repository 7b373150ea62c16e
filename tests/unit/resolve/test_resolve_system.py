"""A whole spec becomes stacks: names, networks, limits, ports, variables, secrets, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envmgr.errors import Problem, SpecError
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Build,
    Condition,
    Dependency,
    Image,
    Network,
    Publication,
    Resources,
    SecretMount,
    System,
    Volume,
)
from envmgr.operations.project import Project
from tests.making import GIGABYTE, MEGABYTE

SystemOf = Callable[[str], System]
SPEC = """\
[project]
name = "play"

[infra.postgres]
port = 5433

[infra.redis]

[builds.app]
context = "src"
dockerfile = "Dockerfile.slim"
target = "runtime"

[variables.API_KEY]
secret = true
services = ["app"]

[variables.SIGNING_KEY]
secret = true
generate = true

[variables.HOST]
default = "example.com"
services = ["app"]

[variables.REGION]
required = true
from_shell = true

[services.migrate]
kind = "job"
build = "app"
command = ["migrate"]
uses = ["postgres"]

[services.app]
kind = "asgi"
build = "app"
app = "app:app"
uses = ["postgres", "redis"]
after = ["migrate"]

[services.worker]
kind = "celery-worker"
image = "registry.example/worker:1.0"
app = "app"
uses = ["redis"]
after = ["migrate", "app"]
egress = true

[environments.dev]
ports = { app = 8000 }

[environments.prod]
prefix = "live_"
protected = true
"""


@pytest.fixture(scope="module")
def system(system_of: SystemOf) -> System:
    return system_of(SPEC)


def refused(system_of: SystemOf, text: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        system_of(text)
    return tuple(Problem(p.message, p.path, hint=p.hint) for p in caught.value.problems)


# ---- stacks


def test_the_base_comes_first_and_each_stack_is_a_compose_project(system: System):
    assert [(s.target, s.compose_project, s.is_base, s.is_protected, s.prefix) for s in system.stacks] == [
        ("infra", "play-infra", True, True, ""),
        ("dev", "play-dev", False, False, "dev_"),
        ("prod", "play-prod", False, True, "live_"),
    ]


def test_the_base_is_protected_only_when_an_environment_is(system_of: SystemOf):
    assert not system_of(SPEC.replace("protected = true", "")).base.is_protected


def test_a_dash_leaves_the_prefix(system_of: SystemOf):
    system = system_of(SPEC + "\n[environments.load-test]\n")
    assert system.stack("load-test").prefix == "loadtest_"


def test_a_stack_service_or_network_that_is_not_there(system: System):
    with pytest.raises(KeyError, match="stage"):
        system.stack("stage")
    with pytest.raises(KeyError, match="redis"):
        system.stack("dev").service("redis")
    with pytest.raises(KeyError, match="egress"):
        system.base.network("egress")


# ---- networks and volumes


def test_networks_of_the_base(system: System):
    block = system.base.networks[0].subnet.removesuffix(".0/25")
    assert system.base.networks == (
        Network("data", "play-infra-data", f"{block}.0/25", is_internal=True),
        Network("publish", "play-infra-publish", f"{block}.128/26", is_internal=False, allows_neighbours=False),
    )


def test_an_environments_data_network_is_made_by_envmgr_and_only_what_is_wanted_exists(system: System):
    dev, prod = system.stack("dev"), system.stack("prod")
    block = dev.networks[0].subnet.removesuffix(".0/25")
    egress = {"is_internal": False, "allows_neighbours": False, "masquerades": True}
    assert dev.networks == (
        Network("data", "play-dev-data", f"{block}.0/25", is_internal=True, is_external=True),
        Network("publish", "play-dev-publish", f"{block}.128/26", is_internal=False, allows_neighbours=False),
        Network("egress", "play-dev-egress", f"{block}.192/26", **egress),
    )
    assert [network.key for network in prod.networks] == ["data", "egress"]


def test_a_service_is_on_the_networks_that_it_needs(system: System):
    found = {f"{stack.target}.{one.name}": one.networks for stack in system.stacks for one in stack.services}
    assert found == {
        "infra.postgres": ("data", "publish"),
        "infra.redis": ("data",),
        "dev.migrate": ("data",),
        "dev.app": ("data", "publish"),
        "dev.worker": ("data", "egress"),
        "prod.migrate": ("data",),
        "prod.app": ("data",),
        "prod.worker": ("data", "egress"),
    }


def test_volumes_have_names_of_their_own(system: System):
    assert system.base.volumes == (
        Volume("postgres-data", "play-infra-postgres-data", "postgres"),
        Volume("redis-data", "play-infra-redis-data", "redis"),
    )
    assert system.stack("dev").volumes == ()


# ---- images, ports, order


def test_an_image_that_is_built_belongs_to_its_environment(system: System):
    build = Build("app", "src", "Dockerfile.slim", "runtime")
    assert [stack.service("app").image for stack in system.environments] == [
        Image("play-app:env-dev", build),
        Image("play-app:env-prod", build),
    ]
    assert system.stack("dev").service("worker").image == Image("registry.example/worker:1.0")


def test_ports_are_published_on_the_loopback(system: System):
    assert system.base.service("postgres").ports == (Publication(5432, 5433, "127.0.0.1", "tcp"),)
    assert system.stack("dev").service("app").ports == (Publication(8000, 8000, "127.0.0.1", "tcp"),)
    assert system.stack("prod").service("app").ports == ()


def test_jobs_come_first_when_they_have_completed_others_when_they_are_healthy(system: System):
    worker = system.stack("dev").service("worker")
    assert worker.depends_on == (Dependency("migrate", Condition.COMPLETED), Dependency("app", Condition.HEALTHY))
    assert worker.uses == ("redis",)


def test_substitutes_are_the_recipes_that_replace_something(project_of: Callable[..., Project]):
    recipes = '[base]\nimage = "r/base:1"\nscript = "b.sh"\n\n[redis]\nimage = "r/redis:8"\nreplaces = "redis:8.0"\n'
    assert project_of(SPEC, {"images/recipes.toml": recipes}).system.substitutes == {"redis:8.0": "r/redis:8"}


# ---- resources

LIMITS = Resources(1.0, 512 * MEGABYTE, 256, None, 128 * MEGABYTE)


@pytest.mark.parametrize(
    ("table", "override", "expected"),
    [
        ("", "", LIMITS),
        ("cpus = 2.0", "", Resources(2.0, 512 * MEGABYTE, 256, None, 128 * MEGABYTE)),
        ('memory = "1.5G"', "pids = 8", Resources(1.0, 3 * GIGABYTE // 2, 8, None, 128 * MEGABYTE)),
        ('memory = "1G"', 'memory = "2G"', Resources(1.0, 2 * GIGABYTE, 256, None, 128 * MEGABYTE)),
        ('memory_reserved = "64M"', "", Resources(1.0, 512 * MEGABYTE, 256, None, 64 * MEGABYTE)),
        ("cpus_reserved = 0.5", "cpus_reserved = 0.25", Resources(1.0, 512 * MEGABYTE, 256, 0.25, 128 * MEGABYTE)),
        # A reservation never exceeds its limit, whichever of both the spec leaves to the kind.
        ('memory = "64M"', "", Resources(1.0, 64 * MEGABYTE, 256, None, 64 * MEGABYTE)),
        ('memory_reserved = "1G"', "", Resources(1.0, 512 * MEGABYTE, 256, None, 512 * MEGABYTE)),
        ("cpus_reserved = 2.0", "", Resources(1.0, 512 * MEGABYTE, 256, 1.0, 128 * MEGABYTE)),
    ],
)
def test_limits_are_the_kinds_with_the_specs_in_their_place(system_of: SystemOf, table: str, override: str, expected):
    text = SPEC.replace('app = "app:app"', f'app = "app:app"\n{table}')
    system = system_of(f"{text}\n[environments.dev.services.app]\n{override}\n")
    assert system.stack("dev").service("app").resources == expected


def test_every_reservation_of_the_repositorys_own_spec_fits_its_limit(chatbot: Project):
    for stack in chatbot.system.stacks:
        for service in stack.services:
            limits = service.resources
            assert (limits.memory_reserved or 0) <= limits.memory
            assert (limits.cpus_reserved or 0) <= limits.cpus


# ---- variables and secrets

URL = SecretRef("POSTGRES_PASSWORD", "dev", "url")
DATABASE = SecretMount(
    "DATABASE_URL", ("postgresql://", SecretRef("POSTGRES_LOGIN", "dev", "url"), ":", URL, "@postgres:5432/dev_play")
)
BROKER = SecretMount(
    "REDIS_URL",
    (
        "redis://",
        SecretRef("REDIS_LOGIN", "dev", "url"),
        ":",
        SecretRef("REDIS_PASSWORD", "dev", "url"),
        "@redis:6379/0",
    ),
)
API_KEY = SecretMount("API_KEY", (SecretRef("API_KEY", "dev"),))
SIGNING_KEY = SecretMount("SIGNING_KEY", (SecretRef("SIGNING_KEY", "dev"),))


def test_a_service_gets_what_it_uses_and_what_is_meant_for_it(system: System):
    app, worker = (system.stack("dev").service(name) for name in ("app", "worker"))
    assert app.secrets == (DATABASE, BROKER, API_KEY, SIGNING_KEY)
    assert worker.secrets == (BROKER, SIGNING_KEY)
    assert (app.supplied, worker.supplied) == (("HOST", "REGION"), ("REGION",))
    assert worker.variables == {
        "ENVIRONMENT": "dev",
        "ENV_PREFIX": "dev_",
        "DEBUG": "false",
        "LOG_LEVEL": "INFO",
        "REDIS_KEY_PREFIX": "dev_",
        "REDIS_URL_FILE": "/run/secrets/REDIS_URL",
        "SIGNING_KEY_FILE": "/run/secrets/SIGNING_KEY",
    }
    assert app.templated == {}


def test_a_program_that_reads_no_files_gets_its_secrets_as_variables(system_of: SystemOf):
    app = (
        system_of(SPEC.replace('app = "app:app"', 'app = "app:app"\nsecrets_as = "variables"'))
        .stack("dev")
        .service("app")
    )
    mounts = (DATABASE, BROKER, API_KEY, SIGNING_KEY)
    assert app.templated == {mount.name: mount.content for mount in mounts}
    assert app.secrets == ()
    assert not [name for name in app.variables if name.endswith("_FILE")]


def test_a_services_own_variables_come_before_the_environments(system_of: SystemOf):
    environment = '[environments.dev.variables]\nA = "environment"\nB = "environment"\n'
    table = '[services.app.variables]\nA = "service"\nC = "service"\n'
    override = '[environments.dev.services.app.variables]\nC = "override"\n'
    app = system_of(f"{SPEC}\n{environment}\n{table}\n{override}").stack("dev").service("app")
    assert {name: app.variables[name] for name in "ABC"} == {"A": "service", "B": "environment", "C": "override"}


def login(name: str, default: str, place: str) -> Needed:
    return Needed(name, "dev", False, Origin.OPERATOR, is_required=False, default=default, place=place)


def test_what_an_environment_needs_from_its_files(system: System):
    assert system.stack("dev").needed == (
        Needed("API_KEY", "dev", True, Origin.OPERATOR, is_required=False, place="variables.API_KEY"),
        Needed("SIGNING_KEY", "dev", True, Origin.GENERATED, place="variables.SIGNING_KEY"),
        Needed(
            "HOST",
            "dev",
            False,
            Origin.OPERATOR,
            is_required=False,
            default="example.com",
            place="variables.HOST",
        ),
        Needed("REGION", "dev", False, Origin.OPERATOR, from_shell=True, place="variables.REGION"),
        Needed("POSTGRES_PASSWORD", "dev", True, Origin.GENERATED, place="infra.postgres"),
        login("POSTGRES_LOGIN", "dev_app_1", "infra.postgres"),
        Needed("REDIS_PASSWORD", "dev", True, Origin.GENERATED, place="infra.redis"),
        login("REDIS_LOGIN", "dev_app", "infra.redis"),
    )
    assert [need.name for need in system.base.needed] == ["POSTGRES_ADMIN_PASSWORD", "REDIS_ADMIN_PASSWORD"]


def test_what_an_environment_owns_in_shared_servers(system: System):
    assert [[grant.title for grant in stack.grants] for stack in system.stacks] == [
        [],
        ["PostgreSQL database dev_play", "Redis keys dev_*"],
        ["PostgreSQL database live_play", "Redis keys live_*"],
    ]


def test_a_server_that_is_named_twice_is_used_once(system_of: SystemOf):
    twice = system_of(SPEC.replace('uses = ["postgres", "redis"]', 'uses = ["redis", "postgres", "redis"]'))
    assert twice.stack("dev").service("app").secrets == (BROKER, DATABASE, API_KEY, SIGNING_KEY)


# ---- what cannot be


def test_a_service_without_an_image_is_named_once_for_all_environments(system_of: SystemOf):
    text = SPEC.replace('image = "registry.example/worker:1.0"\n', "")
    hint = 'set build = "…", a table of [builds], or image = "…"'
    assert refused(system_of, text) == (Problem("has nothing to run", "services.worker", hint=hint),)


@pytest.mark.parametrize(
    "reference", ["nginx", "nginx:latest", "registry.example:5000/nginx", "registry.example:5000/nginx:latest", ""]
)
@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("services.worker.image", '"registry.example/worker:1.0"', '"{}"'),
        ("infra.redis.image", "[infra.redis]", '[infra.redis]\nimage = "{}"'),
    ],
)
def test_an_image_without_a_version_is_refused(system_of: SystemOf, reference: str, place: str, old: str, new: str):
    problem = Problem("names no version: what runs would change by itself", place, hint='write a tag, "name:1.2"')
    assert refused(system_of, SPEC.replace(old, new.format(reference))) == (problem,)


@pytest.mark.parametrize("reference", ["nginx:1.30", "r.example:5000/nginx:1", f"nginx@sha256:{'0' * 64}"])
def test_an_image_with_a_version_or_a_digest_is_taken(system_of: SystemOf, reference: str):
    system = system_of(SPEC.replace("registry.example/worker:1.0", reference))
    assert system.stack("dev").service("worker").image == Image(reference)


def test_replicas_cannot_share_a_port(system_of: SystemOf):
    text = SPEC + "\n[environments.dev.services.app]\nreplicas = 3\n"
    problem = Problem("3 replicas cannot share one port of the host", "environments.dev.ports.app")
    assert refused(system_of, text) == (problem,)
    assert (
        system_of(text.replace("[environments.dev.s", "[environments.prod.s")).stack("prod").service("app").replicas
        == 3
    )


@pytest.mark.parametrize(("service", "kind"), [("migrate", "job"), ("worker", "celery-worker")])
def test_a_port_of_a_program_that_listens_on_none(system_of: SystemOf, service: str, kind: str):
    text = SPEC.replace("ports = { app = 8000 }", f"ports = {{ app = 8000, {service} = 8001 }}")
    problem = Problem(f"a {kind} listens on no port", f"environments.dev.ports.{service}")
    assert refused(system_of, text) == (problem,)


def test_two_servers_cannot_give_a_service_the_same_name(system_of: SystemOf):
    text = SPEC.replace("[infra.redis]", '[infra.cache]\nkind = "redis"\n\n[infra.redis]')
    text = text.replace('uses = ["postgres", "redis"]', 'uses = ["postgres", "redis", "cache"]')
    problem = Problem("redis and cache both give it REDIS_URL", "services.app.uses", hint="use one of them here")
    assert refused(system_of, text) == (problem,)


def test_a_declared_variable_cannot_take_the_name_of_what_a_server_gives(system_of: SystemOf):
    hint = "choose another name, or leave that service out"
    text = SPEC + '\n[variables.REDIS_URL]\nsecret = true\nservices = ["app"]\n'
    assert refused(system_of, text) == (Problem("app gets it from redis already", "variables.REDIS_URL", hint=hint),)
    assert system_of(text.replace('["app"]', '["migrate"]'))


def test_a_declared_variable_cannot_take_the_name_of_a_servers_password(system_of: SystemOf):
    text = SPEC + '\n[variables.REDIS_PASSWORD]\nservices = ["migrate"]\n'
    message = "envmgr keeps the password for redis under this name"
    assert refused(system_of, text) == (Problem(message, "variables.REDIS_PASSWORD", hint="choose another name"),)


def test_every_problem_comes_at_once_and_with_its_place(system_of: SystemOf):
    text = SPEC.replace("ports = { app = 8000 }", "ports = { app = 8000, migrate = 8001, worker = 8002 }")
    text = text.replace('image = "registry.example/worker:1.0"\n', "")
    with pytest.raises(SpecError) as caught:
        system_of(text)
    assert [(problem.path, bool(problem.line), problem.file[-11:]) for problem in caught.value.problems] == [
        ("environments.dev.ports.migrate", True, "envmgr.toml"),
        ("services.worker", True, "envmgr.toml"),
        ("environments.dev.ports.worker", True, "envmgr.toml"),
    ]


def test_a_server_of_an_environments_own_has_a_name_that_a_monitor_of_the_base_finds(system_of: SystemOf):
    text = SPEC.replace("[infra.redis]", '[infra.redis]\n[infra.prometheus]\n[infra.redis-exporter]\nuses = ["redis"]')
    own = '[environments.dev.infra.redis]\nmode = "own"\n[environments.dev.infra.redis-exporter]\nmode = "own"\n'
    system = system_of(text + own)
    exporter = system.stack("dev").service("redis-exporter")
    assert exporter.aliases == ("redis-exporter--dev",)
    assert [one.service for one in exporter.depends_on] == ["redis"]
    read = system.base.service("prometheus").configs[0].context["jobs"]
    hosts = [target["host"] for job in read if job["name"] == "redis-exporter" for target in job["targets"]]
    assert hosts == ["redis-exporter", "redis-exporter--dev"]
    assert [need.scope for need in system.stack("dev").needed if need.name == "REDIS_EXPORTER_PASSWORD"] == ["dev"]


def test_a_route_that_two_services_want_is_told_once_for_all_environments(system_of: SystemOf):
    web = 'routes = ["/", "/api"]'
    text = SPEC.replace('app = "app:app"', f'app = "app:app"\n{web}')
    admin = '[services.admin]\nkind = "asgi"\nbuild = "app"\napp = "a:b"\nroutes = ["/api"]\n\n[environments.dev]'
    (problem,) = refused(system_of, text.replace("[environments.dev]", admin))
    assert problem == Problem("/api leads to app already", "services.admin.routes")
