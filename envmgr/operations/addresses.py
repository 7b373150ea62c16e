"""Where services listen on the host."""

from __future__ import annotations

from envmgr.model.result import Address
from envmgr.model.stack import HttpProbe, Publication, Service, Stack

_TLS = (443, 8443)
"""Ports inside a container that speak TLS by convention."""
_CONSOLE = "console"
"""A port of this name has pages for people, whatever the service itself speaks."""


def addresses(stack: Stack) -> tuple[Address, ...]:
    """Return where a stack's services listen on the host."""
    return tuple(_address(stack, service, port) for service in stack.services for port in service.ports)


def _address(stack: Stack, service: Service, port: Publication) -> Address:
    url = f"{_scheme(service, port)}{_host(port.host_ip)}:{port.published}"
    return Address(stack.target, service.name, url, service.login)


def _scheme(service: Service, port: Publication) -> str:
    if port.name == _CONSOLE:
        return "http://"
    if not isinstance(service.probe, HttpProbe):
        return ""
    return "https://" if port.target in _TLS else "http://"


def _host(host_ip: str) -> str:
    return "localhost" if host_ip == "127.0.0.1" else host_ip
