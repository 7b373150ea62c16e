"""Checks before a start: every refusal and caution, and what is no reason for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envmgr import naming
from envmgr.errors import ExitCode, PreflightError, Problem
from envmgr.model.observed import ForeignContainer, Host, HostPort, Observed, ObservedNetwork, State
from envmgr.model.stack import Network, Publication, Resources, Stack, System
from envmgr.operations.checks import Findings, check
from tests.making import GIGABYTE, MEGABYTE, container, host, network, observed, port, service, stack, system

WEB = service("web", ports=(Publication(8000, 9000),))
DEV = stack(WEB, target="dev")
STOP_IT = "stop that, or choose another port in the spec"


def found(
    stacks: tuple[Stack, ...] = (DEV,),
    seen: Observed | None = None,
    machine: Host | None = None,
    whole: System | None = None,
    taken: dict[int, str | None] | None = None,
) -> Findings:
    """Check some stacks; `taken` maps a port that cannot be bound to who holds it, as far as that is known."""
    taken = taken or {}
    environments = tuple(one for one in stacks if not one.is_base)
    base = next((one for one in stacks if one.is_base), None)
    return check(
        whole or system(*environments, base=base),
        stacks,
        seen or observed(),
        machine or host(),
        is_free=lambda number, _ip: number not in taken,
        holder_of=lambda number, _ip: taken[number],
    )


def held(by: str, number: int = 9000, ip: str = "127.0.0.1", path: str = "environments.dev.ports.web") -> Problem:
    return Problem(f"port {number} on {ip} is held by {by}", path=path, hint=STOP_IT)


def test_nothing_in_the_way():
    assert found() == Findings((), ())
    found().raise_problems()


def test_problems_refuse_the_start_together():
    findings = found(taken={9000: None}, machine=host(free_disk=0))
    with pytest.raises(PreflightError) as caught:
        findings.raise_problems()
    assert (caught.value.message, caught.value.state) == ("the start was refused", "Nothing was started.")
    assert caught.value.problems == findings.problems
    assert (len(caught.value.problems), caught.value.exit_code) == (2, ExitCode.ENGINE)


# ---- ports


def foreign(ports: tuple[HostPort, ...], compose_project: str = "") -> Observed:
    return observed(foreign=(ForeignContainer("their-db", compose_project, ports),))


@pytest.mark.parametrize(
    ("seen", "holder"),
    [
        (foreign((port(9000),)), "container their-db"),
        (foreign((port(9000),), "shop"), "container their-db of project shop"),
        (foreign((port(9000, "0.0.0.0"),)), "container their-db"),
        (foreign((port(9000, "::"),)), "container their-db"),
        (foreign((port(9000, ""),)), "container their-db"),
        (observed(container("web", "stage", ports=(port(9000),))), "container play-stage-web-1 of stage"),
        (observed(container("db", "infra", ports=(port(9000),))), "container play-infra-db-1 of infra"),
        (observed(container("other", "dev", ports=(port(9000),))), "container play-dev-other-1 of dev"),
    ],
)
def test_a_port_that_another_container_publishes(seen: Observed, holder: str):
    # Docker holds it, so nobody else can bind it; the container says more than the process that forwards it.
    assert found(seen=seen, taken={9000: "process 1 (docker-proxy)"}).problems == (held(holder),)


@pytest.mark.parametrize(
    "seen",
    [
        foreign((port(9001),)),
        foreign((port(9000, "192.168.1.5"),)),
        observed(container("web", "stage", ports=(port(9000),), state=State.EXITED)),
    ],
)
def test_a_container_that_is_not_in_the_way(seen: Observed):
    assert found(seen=seen).problems == ()


def test_the_same_number_of_another_protocol_is_not_in_the_way():
    assert found(seen=foreign((HostPort("127.0.0.1", 9000, "udp"),))).problems == ()


def test_a_port_that_a_process_holds():
    assert found(taken={9000: "python (pid 42)"}).problems == (held("python (pid 42)"),)
    assert found(taken={9000: None}).problems == (held("another process"),)


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_its_own_container_may_hold_a_port(state: State):
    mine = container("web", "dev", ports=(port(9000),), state=state)
    assert found(seen=observed(mine), taken={9000: "docker-proxy"}).problems == ()


def test_its_own_container_that_is_stopped_holds_nothing():
    stopped = container("web", "dev", ports=(port(9000),), state=State.EXITED)
    assert found(seen=observed(stopped), taken={9000: None}).problems == (held("another process"),)


def test_ports_of_another_machine_cannot_be_tried_from_here():
    remote = host(is_local=False)
    assert found(taken={9000: None}, machine=remote).problems == ()
    seen = foreign((port(9000),))
    assert found(seen=seen, machine=remote).problems == (held("container their-db"),)


def test_a_port_that_is_public_is_in_the_way_of_any_address():
    public = stack(service("web", ports=(Publication(80, 80, "0.0.0.0"),)), target="dev")
    problem = held("container their-db", 80, "0.0.0.0")
    assert found((public,), seen=foreign((port(80, "192.168.1.5"),))).problems == (problem,)


def test_a_port_of_the_base_is_named_by_its_place():
    base = stack(service("db", ports=(Publication(5432, 5433),)), target="infra")
    problem = held("postgres (pid 7)", 5433, path="infra.db.port")
    assert found((base,), taken={5433: "postgres (pid 7)"}).problems == (problem,)


# ---- networks


def networked(target: str = "dev") -> Stack:
    return stack(target=target, networks=(network(f"play-{target}-data", "10.1.2.0/25"),))


def there(name: str, *subnets: str, **labels: str) -> Observed:
    return observed(networks=(ObservedNetwork(name, subnets, labels),))


def ours(*subnets: str) -> Observed:
    """The network of the stack itself, as envmgr made it."""
    return there("play-dev-data", *subnets, **{naming.LABEL_PROJECT: "play"})


@pytest.mark.parametrize("subnet", ["10.1.2.0/25", "10.1.2.64/26", "10.1.0.0/16", "10.1.2.127/32"])
def test_a_subnet_that_overlaps_another_network(subnet: str):
    assert found((networked(),), there("shop_default", "fd00::/64", subnet)).problems == (
        Problem(
            f"subnet 10.1.2.0/25 of play-dev-data overlaps {subnet} of network shop_default",
            path="environments.dev.subnet",
            hint="choose another range in the spec",
        ),
    )


def test_a_subnet_of_the_base_comes_from_the_range():
    (problem,) = found((networked("infra"),), there("shop_default", "10.1.2.0/24")).problems
    assert problem.path == "networks.range"


@pytest.mark.parametrize("subnet", ["10.1.2.128/25", "10.1.1.0/24", "fd00::/8", "no subnet"])
def test_a_subnet_that_overlaps_nothing(subnet: str):
    assert found((networked(),), there("shop_default", subnet)).problems == ()


def test_its_own_network_with_the_same_subnet_is_fine():
    assert found((networked(),), ours("10.1.2.0/25")).problems == ()
    assert found((networked(),), ours()).problems == ()


def test_its_own_network_with_another_subnet_is_the_plans_to_refuse():
    assert found((networked(),), ours("10.9.9.0/25")).problems == ()


# ---- names


@pytest.mark.parametrize("labels", [{}, {naming.LABEL_PROJECT: "shop"}])
def test_a_network_of_somebody_else_under_its_name(labels: dict[str, str]):
    assert found((networked(),), there("play-dev-data", "10.1.2.0/25", **labels)).problems == (
        Problem(
            "network play-dev-data exists and is not envmgr's",
            hint="docker network rm play-dev-data",
        ),
    )


@pytest.mark.parametrize(("name", "is_in_the_way"), [("play-dev-web-2", True), ("play-dev-web-3", False)])
def test_a_container_of_somebody_else_under_its_name(name: str, is_in_the_way: bool):
    two = stack(service("web", replicas=2))
    problem = Problem(f"container {name} exists and is not envmgr's", hint=f"docker rm -f {name}")
    seen = observed(foreign=(ForeignContainer(name, "", ()),))
    assert found((two,), seen).problems == ((problem,) if is_in_the_way else ())


# ---- CPUs, memory, disk


def sized(target: str = "dev", *, cpus: float = 1.0, gigabytes: float = 1.0, **fields) -> Stack:
    limits = Resources(cpus, int(gigabytes * GIGABYTE), 64)
    return stack(service("web", resources=limits, **fields), target=target)


def test_more_cpus_than_the_host_has():
    machine = host(cpus=2)
    assert found((sized(cpus=2.0),), machine=machine).problems == ()
    assert found((sized(cpus=2.5),), machine=machine).problems == (
        Problem("2.5 CPUs are more than the host's 2", path="environments.dev.services.web.cpus", hint="at most 2"),
    )
    assert found((sized("infra", cpus=3.0),), machine=machine).problems[0].path == "infra.web.cpus"


def over(total: str, parts: str, has: str) -> Problem:
    return Problem(
        f"memory limits add up to {total} ({parts}), and the host has {has}",
        hint="lower limits in the spec, or take an environment down",
    )


def test_more_memory_than_the_host_has():
    machine = host(memory=4 * GIGABYTE)
    assert found((sized(gigabytes=4),), machine=machine).problems == ()
    both = (sized("infra", gigabytes=0.5), sized(gigabytes=4))
    problem = over("4.5 GiB", "infra 512 MiB, dev 4.0 GiB", "4.0 GiB")
    assert found(both, machine=machine).problems == (problem,)


def test_every_replica_needs_its_memory():
    machine = host(memory=2 * GIGABYTE)
    (problem,) = found((sized(replicas=3),), machine=machine).problems
    assert problem == over("3.0 GiB", "dev 3.0 GiB", "2.0 GiB")


def test_stacks_that_run_already_count():
    dev, stage, prod = sized("dev", gigabytes=2), sized("stage", gigabytes=2), sized("prod", gigabytes=8)
    whole = system(dev, stage, prod)
    seen = observed(container("web", "stage"), container("web", "prod", state=State.EXITED))
    machine = host(memory=3 * GIGABYTE)
    problem = over("4.0 GiB", "dev 2.0 GiB, stage 2.0 GiB", "3.0 GiB")
    assert found((dev,), seen, machine, whole).problems == (problem,)
    assert found((dev,), observed(), machine, whole).problems == ()


def test_jobs_are_over_before_the_rest_starts():
    machine = host(memory=GIGABYTE // 2, cpus=1)
    findings = found((sized(gigabytes=1, is_job=True),), machine=machine)
    assert findings == Findings((), ())


def test_cpu_limits_that_add_up_to_more_than_the_host_share():
    both = (sized("infra", cpus=1.5), sized(cpus=1.5, replicas=2))
    assert found(both, machine=host(cpus=4)) == Findings(
        (), ("CPU limits add up to 4.5 on a host with 4: under load they share",)
    )
    assert found(both, machine=host(cpus=5)) == Findings((), ())


@pytest.mark.parametrize("gpus", [1, "all"])
def test_devices_need_their_runtime(gpus: int | str):
    places = {"gpus": "environments.dev.services.ml.gpus"}
    one = stack(service("ml", gpus=gpus, places=places), target="dev")
    assert found((one,), machine=host(runtimes=("nvidia", "runc"))).problems == ()
    (problem,) = found((one,), machine=host(runtimes=("io.containerd.runc.v2", "runc"))).problems
    assert problem.message == (
        "dev: ml wants NVIDIA devices, and the engine has no runtime nvidia (io.containerd.runc.v2, runc)"
    )
    assert problem.path == "environments.dev.services.ml.gpus"
    assert "nvidia-ctk runtime configure" in problem.hint


def test_an_engine_that_names_no_runtime():
    (problem,) = found((stack(service("ml", gpus=1)),)).problems
    assert (problem.message[-17:], problem.path) == ("a (none is known)", "services.ml.gpus")


def test_a_service_without_devices_needs_no_runtime():
    assert found((stack(service()),), machine=host(runtimes=())) == Findings((), ())


def test_what_is_less_confined_is_said_for_what_is_started():
    loose = service(
        "web", compose={"cap_add": ["NET_ADMIN"], "read_only": False}, places={"compose": "services.web.compose"}
    )
    dev, stage = stack(loose, target="dev"), stack(loose, target="stage")
    assert found((dev,), whole=system(dev, stage)).cautions == (
        "dev: web gets the capability NET_ADMIN, can write its own root, as services.web.compose says",
    )
    assert found((stack(service(compose={"labels": {"a": "b"}})),)).cautions == ()


def test_running_stacks_share_the_cpus_too():
    dev, stage = sized("dev", cpus=2.0), sized("stage", cpus=2.0)
    findings = found((dev,), observed(container("web", "stage")), host(cpus=3), system(dev, stage))
    assert findings.cautions == ("CPU limits add up to 4 on a host with 3: under load they share",)


@pytest.mark.parametrize(
    ("free", "problems", "cautions"),
    [
        (None, 0, ()),
        (5 * GIGABYTE, 0, ()),
        (5 * GIGABYTE - 1, 0, ("only 5.0 GiB of disk are free where Docker keeps its data",)),
        (GIGABYTE, 0, ("only 1.0 GiB of disk are free where Docker keeps its data",)),
        (GIGABYTE - 1, 1, ()),
        (0, 1, ()),
    ],
)
def test_free_disk(free: int | None, problems: int, cautions: tuple[str, ...]):
    findings = found(machine=host(free_disk=free))
    assert (len(findings.problems), findings.cautions) == (problems, cautions)


def test_a_full_disk_is_refused_in_words():
    assert found(machine=host(free_disk=300 * MEGABYTE)).problems == (
        Problem(
            "only 300 MiB are free where Docker keeps its data",
            hint="free some space, for example with: docker system prune",
        ),
    )


# ---- versions


@pytest.mark.parametrize(
    "fields",
    [
        {"engine_version": "28.0.0"},
        {"engine_version": "29.1.3-rc.1"},
        {"engine_version": "28.0.1+dfsg1"},
        {"engine_version": "100.0"},
        {"compose_version": "v2.33.0"},
        {"compose_version": "2.33.1-desktop.1"},
        {"compose_version": "5.6.1"},
    ],
)
def test_versions_that_are_new_enough(fields: dict[str, str]):
    assert found(machine=host(**fields)).problems == ()


@pytest.mark.parametrize(
    ("field", "version", "message"),
    [
        ("engine_version", "27.5.1", "Docker Engine 27.5.1 is too old: 28.0 or later is needed"),
        ("engine_version", "20.10.24+dfsg1", "Docker Engine 20.10.24+dfsg1 is too old: 28.0 or later is needed"),
        ("engine_version", "9.0", "Docker Engine 9.0 is too old: 28.0 or later is needed"),
        ("engine_version", "", "Docker Engine unknown is too old: 28.0 or later is needed"),
        ("engine_version", "dev", "Docker Engine dev is too old: 28.0 or later is needed"),
        ("compose_version", "2.32.4", "Docker Compose 2.32.4 is too old: 2.33 or later is needed"),
        ("compose_version", "v1.29.2", "Docker Compose v1.29.2 is too old: 2.33 or later is needed"),
        ("compose_version", "", "Docker Compose unknown is too old: 2.33 or later is needed"),
    ],
)
def test_versions_that_are_too_old_or_unreadable(field: str, version: str, message: str):
    assert found(machine=host(**{field: version})).problems == (Problem(message, hint="upgrade it"),)


def test_every_problem_is_reported_at_once():
    crowded = stack(
        service("web", ports=(Publication(8000, 9000),), resources=Resources(99.0, 99 * GIGABYTE, 64)),
        networks=(Network("data", "play-dev-data", "10.1.2.0/25", is_internal=True),),
    )
    machine = host(engine_version="20.10", compose_version="1.0", free_disk=0)
    findings = found((crowded,), there("other", "10.1.2.0/24"), machine, taken={9000: None})
    begins: list[str] = [problem.message.split()[0] for problem in findings.problems]
    assert begins == ["Docker", "Docker", "port", "subnet", "99", "memory", "only"]


def test_a_stack_that_is_not_asked_for_is_not_checked(chatbot, monkeypatch: pytest.MonkeyPatch):
    whole = chatbot.system
    asked: list[int] = []
    is_free: Callable[[int, str], bool] = lambda number, _ip: not asked.append(number)  # noqa: E731
    stacks = (whole.base, whole.stack("stage"))
    check(whole, stacks, observed(), host(), is_free=is_free, holder_of=lambda _number, _ip: None)
    base = [5433, 6379, 6333, 6334, 9000, 9001, 9090, 9093, 3000, 8100, 8443]
    assert asked == [*base, 8001, 5556]
