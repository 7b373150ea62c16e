"""Failures that are seeded into a small real system, and what a good diagnosis has to name first.

It lives beside the tests, where the package cannot import it. Each case has an environment of its own in one project:
a job, then two web services, then a page that needs one of them, on the base's PostgreSQL and Redis.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.docker.conftest import Sandbox, docker, eventually

SPEC = """\
[project]
name = "{name}"

[networks]
range = "10.96.0.0/12"

[infra.postgres]
memory = "128M"
cpus = 0.5
stop_seconds = 10
connections_per_environment = 5

[infra.redis]
memory = "64M"
cpus = 0.5
stop_seconds = 5

[builds.play]
context = "fixture"

[services.prepare]
kind = "job"
build = "play"
command = ["true"]
uses = ["postgres"]
memory = "64M"
cpus = 1.0
start_seconds = 60

[services.web]
kind = "asgi"
build = "play"
app = "play:app"
uses = ["postgres", "redis"]
after = ["prepare"]
memory = "64M"
cpus = 1.0
start_seconds = 60
stop_seconds = 1

[services.worker]
kind = "container"
build = "play"
command = ["uvicorn"]
healthcheck = ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/')"]
uses = ["redis"]
after = ["prepare"]
memory = "64M"
cpus = 1.0
start_seconds = 60
stop_seconds = 1

[services.page]
kind = "asgi"
build = "play"
app = "play:app"
after = ["web"]
memory = "64M"
cpus = 1.0
start_seconds = 60
stop_seconds = 1
"""


@dataclass
class Broken:
    """One environment of the project, and what can be done to it."""

    sandbox: Sandbox
    environment: str

    def container(self, service: str, target: str | None = None) -> str:
        """Return the name of a container."""
        return f"{self.sandbox.name}-{target or self.environment}-{service}-1"

    def inspect(self, service: str, target: str | None = None, what: str = "{{.State.Status}}") -> str:
        """Return what the engine knows of a container."""
        return docker("inspect", "-f", what, self.container(service, target))

    def until(self, service: str, *states: str, target: str | None = None) -> None:
        """Wait until a container is in one of some states."""
        eventually(lambda: self.inspect(service, target) in states, f"{service} is {' or '.join(states)}", 60)

    def until_it_crashes(self, service: str, target: str | None = None) -> None:
        """Wait until a container has been restarted: a name that nobody has takes seconds to be given up."""

        def is_crashing() -> bool:
            return int(self.inspect(service, target, "{{.RestartCount}}")) >= 1

        eventually(is_crashing, f"{service} is restarted", 90)

    def restart(self, service: str) -> None:
        """Restart a container that will not come up again."""
        docker("restart", "-t", "1", self.container(service))
        self.until_it_crashes(service)

    def sql(self, text: str) -> None:
        """Run SQL as the administrator."""
        docker("exec", self.container("postgres", "infra"), "psql", "-U", "postgres", "-qc", text)

    def volume(self, service: str, script: str) -> None:
        """Run a shell script on the data of a server of the base."""
        volume = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}}{{end}}{{end}}'
        name = self.inspect(service, "infra", volume)
        image = docker("inspect", "-f", "{{.Image}}", self.container(service, "infra"))
        docker("run", "--rm", "-u", "0", "-v", f"{name}:/d", "--entrypoint", "sh", image, "-c", script)


@dataclass(frozen=True)
class Case:
    """One seeded failure, or two at once."""

    name: str
    """Of its environment."""
    first: tuple[str, str, str]
    """Target (empty: its environment), service and signature of the first cause."""
    also: tuple[str, str] | None = None
    """Service and signature of the second, independent fault."""
    follows: tuple[str, ...] = ()
    """Services that are down only because of the first."""
    plays: str = ""
    """What its services play: `web=memory worker=module`."""
    spec: str = ""
    """More of the spec, below its environment."""
    breaks: Callable[[Broken], None] | None = None
    """What is done to it once it is up; None when it does not even come up."""
    mends: Callable[[Broken], None] | None = None
    """Set for what is done to the base: such cases run one after the other, and this brings it back."""


# ---- what breaks an environment that is up


def _forget_password(one: Broken) -> None:
    one.sql(f"ALTER ROLE {one.environment}_app_1 PASSWORD 'another'")
    one.restart("web")


def _drop_database(one: Broken) -> None:
    docker("stop", "-t", "1", one.container("web"))
    one.sql(f"DROP DATABASE {one.environment}_{one.sandbox.name} WITH (FORCE)")
    docker("start", one.container("web"))
    one.until_it_crashes("web")


def _disconnect(one: Broken) -> None:
    docker("network", "disconnect", f"{one.sandbox.name}-{one.environment}-data", one.container("redis", "infra"))
    one.restart("web")
    docker("stop", "-t", "30", one.container("worker"))


def _take_port(one: Broken) -> None:
    port = one.inspect("web", what='{{(index (index .HostConfig.PortBindings "8000/tcp") 0).HostPort}}')
    image = one.inspect("worker", what="{{.Image}}")
    docker("stop", "-t", "1", one.container("web"))
    holder = f"{one.sandbox.name}-holder"
    label = f"envmgr.project={one.sandbox.name}"  # so that it is removed with the project
    docker("run", "-d", "--name", holder, "-p", f"127.0.0.1:{port}:8000", "--label", f"t={label}", image, "uvicorn")
    docker("start", one.container("web"), check=False)
    docker("kill", one.container("worker"))
    one.until("worker", "exited")


def _remove_image(one: Broken) -> None:
    docker("rm", "-f", one.container("web"))
    docker("pause", one.container("worker"))
    docker("rmi", "-f", f"{one.sandbox.name}-play:env-{one.environment}")


def _stop_slowly(one: Broken) -> None:
    docker("stop", "-t", "1", one.container("worker"))


def _kill_from_outside(one: Broken) -> None:
    docker("exec", "-u", "0", one.container("web"), "sh", "-c", "kill -9 -1", check=False)


def _remove_secret(one: Broken) -> None:
    docker("stop", "-t", "1", one.container("web"))
    (one.sandbox.folder / ".envmgr" / one.environment / "secrets" / "web" / "REDIS_URL").unlink()
    docker("start", one.container("web"), check=False)


def _stop_redis(one: Broken) -> None:
    docker("stop", "-t", "5", one.container("redis", "infra"))
    one.restart("web")
    docker("kill", one.container("worker"))
    one.until("worker", "exited")


def _kill_postgres(one: Broken) -> None:
    docker("kill", one.container("postgres", "infra"))
    one.until("postgres", "exited", target="infra")
    one.restart("web")


def _spoil_redis(one: Broken) -> None:
    path = one.sandbox.folder / "compose" / "config" / "infra" / "redis" / "redis.conf"
    path.write_text(path.read_text() + "maxmemory banana\n")
    docker("restart", "-t", "1", one.container("redis", "infra"))
    one.until_it_crashes("redis", "infra")
    one.restart("web")
    docker("stop", "-t", "30", one.container("page"))


def _mend_redis(one: Broken) -> None:
    one.sandbox.ok("render", "--force")
    docker("stop", "-t", "1", one.container("redis", "infra"))
    one.sandbox.ok("up", "infra")


def _age_postgres(one: Broken) -> None:
    docker("stop", "-t", "10", one.container("postgres", "infra"))
    one.volume("postgres", "cp -p /d/PG_VERSION /d/kept; echo 15 >/d/PG_VERSION")
    docker("start", one.container("postgres", "infra"))
    one.until_it_crashes("postgres", "infra")
    docker("stop", "-t", "5", one.container("redis", "infra"))
    one.restart("web")


def _rejuvenate_postgres(one: Broken) -> None:
    docker("stop", "-t", "1", one.container("postgres", "infra"))
    one.volume("postgres", "mv /d/kept /d/PG_VERSION")
    one.sandbox.ok("up", "infra")


def _start_base(one: Broken) -> None:
    one.sandbox.ok("up", "infra")


HASTE = """
[environments.{name}.services.{service}]
start_seconds = 8
"""
PATIENCE = HASTE.replace("8", "15")
"""Both for a fault that shows only when the time is up; the second for one that has to start listening before."""
CURL = """
[environments.curl.services.worker]
start_seconds = 8
healthcheck = ["curl", "-f", "http://127.0.0.1:8000/"]
"""
COMMAND = """
[environments.{name}.services.prepare]
command = ["{command}"]
"""

ONE_FAULT = (
    Case("memory", ("", "web", "out-of-memory"), follows=("page",), plays="web=memory"),
    Case(
        "module",
        ("", "prepare", "missing-module"),
        follows=("page", "web", "worker"),
        plays="prepare=module",
        spec=COMMAND.format(name="module", command="job"),
    ),
    Case(
        "job",
        ("", "prepare", "job-failed"),
        follows=("page", "web", "worker"),
        plays="prepare=fail",
        spec=COMMAND.format(name="job", command="job"),
    ),
    Case("program", ("", "prepare", "program-missing"), spec=COMMAND.format(name="program", command="nosuch")),
    Case("strange", ("", "prepare", "wrong-architecture"), spec=COMMAND.format(name="strange", command="strange")),
    Case(
        "hang",
        ("", "web", "unhealthy"),
        follows=("page",),
        plays="web=hang",
        spec=HASTE.format(name="hang", service="web"),
    ),
    Case(
        "forgot",
        ("infra", "postgres", "wrong-password"),
        follows=("web",),
        plays="web=client",
        breaks=_forget_password,
    ),
    Case(
        "dropped",
        ("infra", "postgres", "missing-database"),
        follows=("web",),
        plays="web=client",
        breaks=_drop_database,
    ),
    Case("curl", ("", "worker", "healthcheck-program"), spec=CURL),
    Case("unshared", ("", "web", "mount-failed"), plays="web=client", breaks=_remove_secret),
    Case("table", ("", "web", "missing-table"), follows=("page",), plays="web=table"),
    Case("stubborn", ("", "worker", "killed-while-stopping"), plays="worker=stubborn", breaks=_stop_slowly),
    Case(
        "dead",
        ("infra", "postgres", "killed"),
        follows=("web",),
        plays="web=client",
        breaks=_kill_postgres,
        mends=_start_base,
    ),
)
TWO_FAULTS = (
    Case("hungry", ("", "web", "out-of-memory"), ("worker", "missing-module"), plays="web=memory worker=module"),
    Case("guess", ("", "web", "wrong-password"), ("worker", "own-code"), plays="web=wrong worker=code"),
    Case(
        "cached",
        ("", "web", "wrong-password"),
        ("worker", "missing-variable"),
        plays="web=wrong@redis worker=variable",
    ),
    Case("disk", ("", "web", "read-only"), ("worker", "missing-file"), plays="web=write worker=read@/etc/play.toml"),
    Case(
        "rights",
        ("", "web", "permission"),
        ("worker", "missing-app"),
        plays="web=read@/etc/shadow worker=app",
    ),
    Case("full", ("", "web", "disk-full"), ("worker", "too-many-processes"), plays="web=fill worker=threads"),
    Case(
        "lost",
        ("", "web", "name-not-found"),
        ("worker", "port-taken-inside"),
        plays="web=visit@cache:6379 worker=taken",
    ),
    Case(
        "inner",
        ("", "web", "only-inside"),
        ("worker", "other-port"),
        plays="web=inside worker=elsewhere",
        spec=PATIENCE.format(name="inner", service="web") + PATIENCE.format(name="inner", service="worker"),
    ),
    Case(
        "keys",
        ("", "web", "not-its-keys"),
        ("worker", "missing-file"),
        plays="web=foreign worker=read@/run/secrets/NONE",
    ),
    Case(
        "pool",
        ("", "web", "too-many-connections"),
        ("worker", "read-only"),
        plays="web=pool worker=write@/var/x",
    ),
    Case(
        "refused",
        ("", "web", "connection-refused"),
        ("worker", "out-of-memory"),
        plays="web=visit@redis:6380 worker=memory",
    ),
    Case(
        "unlinked",
        ("infra", "redis", "not-connected"),
        ("worker", "stopped"),
        ("web",),
        "web=client",
        breaks=_disconnect,
        # Every `up` connects the base to all networks again.
        mends=_start_base,
    ),
    Case("port", ("", "web", "port-in-use"), ("worker", "killed"), breaks=_take_port),
    Case("image", ("", "web", "image-missing"), ("worker", "paused"), breaks=_remove_image),
    Case(
        "stopped",
        ("infra", "redis", "stopped"),
        ("worker", "killed"),
        ("web",),
        "web=client",
        breaks=_stop_redis,
        mends=_start_base,
    ),
    Case(
        "spoiled",
        ("infra", "redis", "bad-configuration"),
        ("page", "stopped"),
        ("web",),
        "web=client",
        breaks=_spoil_redis,
        mends=_mend_redis,
    ),
    Case(
        "old",
        ("infra", "postgres", "old-data"),
        ("redis", "stopped"),
        ("web",),
        "web=client",
        breaks=_age_postgres,
        mends=_rejuvenate_postgres,
    ),
)
CASES: tuple[Case, ...] = (*ONE_FAULT, *TWO_FAULTS)


def spec_of(name: str, ports: dict[str, int]) -> str:
    """Return the spec of the whole project: every case is an environment."""
    # So many names would sometimes meet in one derived subnet.
    first = random.randrange(4096 - len(CASES))
    blocks = [f"10.{224 + number // 256}.{number % 256}.0/24" for number in range(first, first + len(CASES))]
    cases = zip(CASES, blocks, strict=True)
    return SPEC.format(name=name) + "".join(_environment(case, ports, block) for case, block in cases)


def _environment(case: Case, ports: dict[str, int], subnet: str) -> str:
    port = f"ports = {{ web = {ports[case.name]} }}\n" if case.name in ports else ""
    text = f'\n[environments.{case.name}]\nsubnet = "{subnet}"\n{port}{case.spec}'
    for play in case.plays.split():
        service, _, what = play.partition("=")
        what, _, more = what.partition("@")
        text += f'\n[environments.{case.name}.services.{service}.variables]\nPLAY = "{what}"\n'
        text += f'PLAY_PATH = "{more}"\n' if more.startswith("/") else f'PLAY_HOST = "{more}"\n' if more else ""
    return text
