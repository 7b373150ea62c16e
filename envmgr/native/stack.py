"""What remains in Docker of an environment when some of its services run on the desk; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envmgr import naming
from envmgr.model.stack import Healthcheck, Image, Network, Resources, Service, Stack, Tmpfs

IMAGE = "nginx:1.26"
_MEGABYTE = 1024**2
_NGINX = "101:101"
_CONFIGURATION = "FORWARD"
_FILE = "/tmp/nginx.conf"  # noqa: S108 - a path inside the container
_START = f"printf '%s' \"${_CONFIGURATION}\" >{_FILE} && exec nginx -e /dev/stderr -c {_FILE} -g 'daemon off;'"
DESKTOP = "host.docker.internal"
"""Name of the desk on Docker Desktop (its documentation, "Networking")."""


def without_native(stack: Stack, names: Iterable[str]) -> Stack:
    """Return a stack whose services of these names run on the desk.

    One that others reach through a port is replaced by a container of its name that leads there; any other is gone.
    """
    away = {name for name in names if any(service.name == name for service in stack.services)}
    if not away:
        return stack
    services = tuple(
        one
        for service in stack.services
        for one in ((_forward(stack, service),) if service.name in away else (service,))
        if one is not None
    )
    left = {service.name for service in services}
    kept = tuple(
        replace(service, depends_on=tuple(need for need in service.depends_on if need.service in left))
        for service in services
    )
    return replace(
        stack,
        services=kept,
        native=tuple(service for service in stack.services if service.name in away),
    )


def gateway(network: Network) -> str:
    """Return the host's own address in a network: the first of its range, as Docker gives it."""
    import ipaddress

    return str(next(ipaddress.IPv4Network(network.subnet).hosts()))


def _forward(stack: Stack, service: Service) -> Service | None:
    """Return the container that leads to a service on the desk under its name and ports."""
    if not service.ports or service.is_job:
        return None
    return Service(
        name=service.name,
        kind=naming.KIND_NATIVE,
        image=Image(IMAGE),
        user=_NGINX,
        command=("sh", "-c", _START),
        resources=Resources(cpus=0.25, memory=32 * _MEGABYTE, pids=16),
        start_seconds=30,
        stop_seconds=5,
        variables={_CONFIGURATION: _configuration(stack, service)},
        tmpfs=(Tmpfs("/tmp"),),  # noqa: S108 - a path inside the container
        networks=("data", "publish"),
        # nginx writes it when it listens.
        healthcheck=Healthcheck(("CMD-SHELL", "[ -s /tmp/nginx.pid ]"), interval=60, start_interval=0.2),
        aliases=service.aliases,
        compose={"extra_hosts": [f"{DESKTOP}:host-gateway"]},
        places=service.places,
    )


def _configuration(stack: Stack, service: Service) -> str:
    """Return nginx's configuration: TCP to the desk, on Linux by the bridge's gateway, else by Docker Desktop's name.

    A server that refuses is never set aside (`max_fails=0`): the process on the desk comes and goes.
    """
    near = gateway(stack.network("publish"))
    blocks = "".join(
        f"upstream p{port.target} {{ server {near}:{port.published} max_fails=0;"
        f" server {DESKTOP}:{port.published} max_fails=0 backup; }}"
        f" server {{ listen {port.target}; proxy_connect_timeout 2s; proxy_timeout 1h; proxy_pass p{port.target}; }}"
        for port in service.ports
    )
    return (
        # Where `stream` is no part of the program, its image loads it there.
        "include /etc/nginx/modules-enabled/*.conf;"
        " pid /tmp/nginx.pid; worker_processes 1; error_log /dev/stderr error;"
        f" events {{ worker_connections 512; }} stream {{ {blocks} }}"
    )
