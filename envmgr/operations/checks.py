"""Checks before anything starts: pure comparisons of what is wanted with what is there, and one bind test per port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from envmgr import naming
from envmgr.errors import PreflightError, Problem
from envmgr.model.observed import Host, HostPort, Observed, State
from envmgr.model.stack import Publication, Service, Stack, System
from envmgr.resolve.compose_keys import weakened

MINIMUM_ENGINE = (28, 0)
"""`gateway_mode_ipv4=isolated` of internal networks (Engine 28.0 release notes)."""
MINIMUM_COMPOSE = (2, 33)
"""`gw_priority` (Compose 2.33 release notes)."""
NVIDIA = "nvidia"
"""Name of the runtime that the NVIDIA Container Toolkit registers."""
_GIGABYTE = 1024**3
_DISK_REFUSE = 1 * _GIGABYTE
_DISK_WARN = 5 * _GIGABYTE

HolderOf = Callable[[int, str], str | None]
IsFree = Callable[[int, str], bool]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks found."""

    problems: tuple[Problem, ...]
    cautions: tuple[str, ...]

    def raise_problems(self) -> None:
        """Refuse when something is in the way.

        Raises: `PreflightError` with every problem.
        """
        if self.problems:
            raise PreflightError("the start was refused", self.problems, state="Nothing was started.")


def check(
    system: System,
    stacks: tuple[Stack, ...],
    observed: Observed,
    host: Host,
    *,
    is_free: IsFree,
    holder_of: HolderOf,
) -> Findings:
    """Check everything that starting some stacks needs."""
    problems = [
        *_versions(host),
        *(p for stack in stacks for p in _ports(system, stack, observed, host, is_free, holder_of)),
        *(p for stack in stacks for p in _names(stack, observed)),
        *(p for stack in stacks for p in _subnets(stack, observed)),
        *(p for stack in stacks for p in _cpus(stack, host)),
        *(p for stack in stacks for p in _gpus(stack, host)),
        *_memory(system, stacks, observed, host),
        *_disk(host),
    ]
    return Findings(tuple(problems), tuple(_cautions(system, stacks, observed, host)))


def _versions(host: Host) -> Iterable[Problem]:
    for what, found, least in (
        ("Docker Engine", host.engine_version, MINIMUM_ENGINE),
        ("Docker Compose", host.compose_version, MINIMUM_COMPOSE),
    ):
        if _version(found) < least:
            wanted = ".".join(map(str, least))
            yield Problem(f"{what} {found or 'unknown'} is too old: {wanted} or later is needed", hint="upgrade it")


def _version(text: str) -> tuple[int, ...]:
    numbers = text.lstrip("v").split("-")[0].split("+")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())


def _ports(
    system: System, stack: Stack, observed: Observed, host: Host, is_free: IsFree, holder_of: HolderOf
) -> Iterable[Problem]:
    for service in stack.services:
        for port in service.ports:
            holder = _holder(system, stack, service, port, observed)
            if holder is None and host.is_local and not _is_own(stack, service, port, observed):
                if is_free(port.published, port.host_ip):
                    continue
                holder = holder_of(port.published, port.host_ip) or "another process"
            if holder:
                yield Problem(
                    f"port {port.published} on {port.host_ip} is held by {holder}",
                    path=_port_path(stack, service),
                    hint="stop that, or choose another port in the spec",
                )


def _holder(system: System, stack: Stack, service: Service, port: Publication, observed: Observed) -> str | None:
    """Name the container, of whichever project, that publishes a port already."""
    for container in observed.containers:
        is_same = container.compose_project == stack.compose_project and container.service == service.name
        if not is_same and container.state.has_process and _publishes(container.ports, port):
            target = container.compose_project.removeprefix(f"{system.project}-")
            return f"container {container.name} of {target}"
    for foreign in observed.foreign:
        if _publishes(foreign.ports, port):
            return f"container {foreign.name}" + (
                f" of project {foreign.compose_project}" if foreign.compose_project else ""
            )
    return None


def _is_own(stack: Stack, service: Service, port: Publication, observed: Observed) -> bool:
    containers = observed.of(stack.compose_project, service.name)
    return any(c.state.has_process and _publishes(c.ports, port) for c in containers)


def _publishes(ports: Iterable[HostPort], wanted: Publication) -> bool:
    everywhere = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to
    return any(
        (port.port, port.protocol) == (wanted.published, wanted.protocol)
        and (port.host_ip in (*everywhere, wanted.host_ip) or wanted.host_ip in everywhere)
        for port in ports
    )


def _port_path(stack: Stack, service: Service) -> str:
    if stack.is_base:
        return f"infra.{service.name}.port"
    return f"environments.{stack.target}.ports.{service.name}"


def _names(stack: Stack, observed: Observed) -> Iterable[Problem]:
    """Find containers and networks of somebody else under names that the stack needs."""
    numbers = {s.name: range(1, s.replicas + 1) for s in stack.services}
    wanted = {naming.container_name(stack.project, stack.target, name, n) for name, r in numbers.items() for n in r}
    for foreign in observed.foreign:
        if foreign.name in wanted:
            yield Problem(f"container {foreign.name} exists and is not envmgr's", hint=f"docker rm -f {foreign.name}")
    networks = {network.name for network in stack.networks}
    others = {network.name for network in stack.networks if network.is_foreign}
    for name in sorted(others - {other.name for other in observed.networks}):
        yield Problem(f"network {name} is not there, and not envmgr's to make", hint=f"docker network create {name}")
    for other in observed.networks:
        if other.name in networks - others and other.labels.get(naming.LABEL_PROJECT) != stack.project:
            yield Problem(f"network {other.name} exists and is not envmgr's", hint=f"docker network rm {other.name}")


def _subnets(stack: Stack, observed: Observed) -> Iterable[Problem]:
    for network in (one for one in stack.networks if not one.is_foreign):
        wanted = ipaddress.IPv4Network(network.subnet)
        for other in observed.networks:
            overlapping = [s for s in other.subnets if _overlaps(wanted, s)]
            if other.name != network.name and overlapping:
                yield Problem(
                    f"subnet {network.subnet} of {network.name} overlaps {overlapping[0]} of network {other.name}",
                    path="networks.range" if stack.is_base else f"environments.{stack.target}.subnet",
                    hint="choose another range in the spec",
                )


def _overlaps(wanted: ipaddress.IPv4Network, text: str) -> bool:
    try:
        other = ipaddress.ip_network(text)
    except ValueError:
        return False
    return isinstance(other, ipaddress.IPv4Network) and wanted.overlaps(other)


def _cpus(stack: Stack, host: Host) -> Iterable[Problem]:
    for service in stack.services:
        if service.resources.cpus > host.cpus:
            yield Problem(
                f"{service.resources.cpus:g} CPUs are more than the host's {host.cpus}",
                path=_limit_path(stack, service, "cpus"),
                hint=f"at most {host.cpus}",
            )


def _gpus(stack: Stack, host: Host) -> Iterable[Problem]:
    for service in stack.services:
        if service.gpus is not None and NVIDIA not in host.runtimes:
            yield Problem(
                f"{stack.target}: {service.name} wants NVIDIA devices, and the engine has no runtime {NVIDIA} "
                f"({', '.join(host.runtimes) or 'none is known'})",
                path=service.places.get("gpus", f"services.{service.name}.gpus"),
                hint="install the NVIDIA Container Toolkit and run: nvidia-ctk runtime configure --runtime=docker, "
                "then restart Docker; or leave gpus out for this environment",
            )


def _limit_path(stack: Stack, service: Service, key: str) -> str:
    return (
        f"infra.{service.name}.{key}" if stack.is_base else f"environments.{stack.target}.services.{service.name}.{key}"
    )


def _memory(system: System, stacks: tuple[Stack, ...], observed: Observed, host: Host) -> Iterable[Problem]:
    parts = {stack.target: _memory_of(stack) for stack in _alive(system, stacks, observed)}
    total = sum(parts.values())
    if total > host.memory:
        listed = ", ".join(f"{target} {_size(size)}" for target, size in parts.items())
        yield Problem(
            f"memory limits add up to {_size(total)} ({listed}), and the host has {_size(host.memory)}",
            hint="lower limits in the spec, or take an environment down",
        )


def _memory_of(stack: Stack) -> int:
    return sum(s.resources.memory * s.replicas for s in stack.services if not s.is_job)


def _alive(system: System, stacks: tuple[Stack, ...], observed: Observed) -> tuple[Stack, ...]:
    """Return the stacks that will run side by side."""
    running = {c.compose_project for c in observed.containers if c.state is State.RUNNING}
    return tuple(s for s in system.stacks if s in stacks or s.compose_project in running)


def _disk(host: Host) -> Iterable[Problem]:
    if host.free_disk is not None and host.free_disk < _DISK_REFUSE:
        yield Problem(
            f"only {_size(host.free_disk)} are free where Docker keeps its data",
            hint="free some space, for example with: docker system prune",
        )


def _cautions(system: System, stacks: tuple[Stack, ...], observed: Observed, host: Host) -> Iterable[str]:
    services = [s for stack in _alive(system, stacks, observed) for s in stack.services if not s.is_job]
    cpus = sum(service.resources.cpus * service.replicas for service in services)
    if cpus > host.cpus:
        yield f"CPU limits add up to {cpus:g} on a host with {host.cpus}: under load they share"
    yield from (caution for stack in stacks for caution in _weakened(stack))
    if host.free_disk is not None and _DISK_REFUSE <= host.free_disk < _DISK_WARN:
        yield f"only {_size(host.free_disk)} of disk are free where Docker keeps its data"


def _weakened(stack: Stack) -> Iterable[str]:
    for service in stack.services:
        words = weakened(service.compose)
        if words:
            place = service.places.get("compose", f"services.{service.name}.compose")
            yield f"{stack.target}: {service.name} {', '.join(words)}, as {place} says"


def _size(size: int) -> str:
    return f"{size / _GIGABYTE:.1f} GiB" if size >= _GIGABYTE else f"{size // 1024**2} MiB"
