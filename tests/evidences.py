"""Evidence about a small system, for tests: two servers, a job, two services and a page, one or several of them ill."""

from __future__ import annotations

from typing import Any

from envmgr.diagnosis.evidence import Evidence, Witness
from envmgr.diagnosis.scene import Scene
from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.needed import Needed, Origin
from envmgr.model.observed import EngineHealth, ObservedNetwork, State
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    Build,
    Command,
    Condition,
    ConfigMount,
    Dependency,
    Grant,
    Healthcheck,
    HttpProbe,
    Image,
    Publication,
    SecretMount,
    Service,
    Stack,
    VolumeMount,
)
from tests.making import container, observed, service, stack

NETWORK = "play-dev-data"
HEALTHCHECK = Healthcheck(("CMD", "python", "-c", "HTTPConnection('127.0.0.1', 8000, timeout=4)"))
BUILT = Image("play:env-dev", Build("play", ".", "Dockerfile", None))
POSTGRES = service("postgres", kind="postgres", is_server=True, ports=(Publication(5432, 5433),))
REDIS = service("redis", kind="redis", is_server=True)
MIGRATE = service("migrate", kind="job", is_job=True, uses=("postgres",), image=BUILT)
APP = service(
    "app",
    image=BUILT,
    command=("uvicorn", "play:app"),
    uses=("postgres", "redis"),
    depends_on=(Dependency("migrate", Condition.COMPLETED),),
    healthcheck=HEALTHCHECK,
    probe=HttpProbe(18000, "/health"),
    ports=(Publication(8000, 18000),),
    networks=("data", "publish"),
    secrets=(SecretMount("DATABASE_URL", (SecretRef("POSTGRES_PASSWORD", "dev"),)),),
    volumes=(VolumeMount("app-files", "/files"),),
    configs=(ConfigMount("config/dev/app/app.conf", "/etc/app.conf", "app.conf.j2"),),
    supplied=("REGION",),
)
WORKER = service(
    "worker", kind="celery-worker", uses=("redis",), depends_on=(Dependency("migrate", Condition.COMPLETED),)
)
PAGE = service("page", depends_on=(Dependency("app", Condition.HEALTHY),))


def _need(name: str, place: str, *, is_secret: bool = True) -> Needed:
    return Needed(name, "dev", is_secret, Origin.GENERATED, place=place)


NEEDED = (
    _need("POSTGRES_PASSWORD", "infra.postgres"),
    _need("REDIS_PASSWORD", "infra.redis"),
    _need("REGION", "variables.REGION", is_secret=False),
    _need("API_KEY", "variables.API_KEY"),
)


def grant(server: str = "postgres", client: str = "") -> Grant:
    command = Command("infra", server, ("true",), client=client)
    return Grant(server, f"part of dev in {server}", command, command, command, command, command)


def dev(*services: Service, **fields: Any) -> Stack:
    given = {"needed": NEEDED, "prefix": "dev_", "grants": (grant("postgres"), grant("redis"))}
    return stack(*(services or (MIGRATE, APP, WORKER, PAGE)), **(given | fields))


def infra(*services: Service) -> Stack:
    return stack(*(services or (POSTGRES, REDIS)), target="infra")


def ill(name: str, *log: str, target: str = "dev", verdict: Verdict = Verdict.CRASHING, **fields: Any) -> Witness:
    """Make a witness of a service that crashes, and says why."""
    inspected = {
        key: fields.pop(key)
        for key in ("state", "exit_code", "error", "is_oom_killed", "restart_count")
        if key in fields
    }
    state = {"state": State.RESTARTING, "exit_code": 1, "restart_count": 2} | inspected
    given = {
        "health": ServiceHealth(target, name, verdict, "because"),
        "container": container(name, target, **state),
        "log": log,
    }
    return Witness(**(given | fields))


def missing(name: str, target: str = "dev") -> Witness:
    return Witness(ServiceHealth(target, name, Verdict.MISSING, "no container"))


def evidence(*witnesses: Witness, connected: tuple[str, ...] = ("postgres", "redis"), **fields: Any) -> Evidence:
    """Make evidence in which everything runs that no witness speaks of."""
    ill_nodes = {witness.node for witness in witnesses}
    base, environment = fields.get("base", infra()), fields.get("stack", dev())
    containers = [witness.container for witness in witnesses if witness.container]
    for one in (base, environment):
        for well in one.services:
            if (one.target, well.name) not in ill_nodes:
                networks = {NETWORK: (well.name,)} if not one.is_base or well.name in connected else {}
                state = State.EXITED if well.is_job else State.RUNNING
                containers.append(
                    container(well.name, one.target, networks=networks, state=state, health=EngineHealth.HEALTHY)
                )
    networks = (ObservedNetwork(NETWORK, ("10.0.0.0/24",), {}),)
    given = {
        "stack": environment,
        "base": base,
        "observed": observed(*containers, networks=networks),
        "witnesses": witnesses,
    }
    return Evidence(**(given | fields))


def scene(witness: Witness, *others: Witness, **fields: Any) -> Scene:
    """Make the scene of the first witness."""
    found = evidence(witness, *others, **fields)
    of = next(one for one in found.stacks if one.target == witness.node[0])
    return Scene(found, of, of.service(witness.node[1]), witness)
