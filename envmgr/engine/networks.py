"""Make, join, leave and remove the networks that environments and the base share."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from envmgr.engine.api import Answer, Api
from envmgr.errors import EngineError
from envmgr.model.stack import Network

OPTION = "com.docker.network.bridge."
REFUSED, ABSENT, CONFLICT, FAILED = 403, 404, 409, 500


def definition(network: Network, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what the engine is asked to make."""
    return {
        "Name": network.name,
        "Driver": "bridge",
        "Internal": network.is_internal,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": network.subnet}]},
        "Options": _options(network),
        "Labels": dict(labels),
    }


def _options(network: Network) -> dict[str, str]:
    options: dict[str, str] = {}
    if network.is_internal:
        # Without it a container on an internal network reaches every process of the host that listens on 0.0.0.0.
        options[f"{OPTION}gateway_mode_ipv4"] = "isolated"
    if not network.allows_neighbours:
        options[f"{OPTION}enable_icc"] = "false"
    if not network.masquerades:
        options[f"{OPTION}enable_ip_masquerade"] = "false"
    return options


def create(api: Api, network: Network, labels: Mapping[str, str]) -> None:
    """Create a network, or make sure that the one with its name is the same."""
    wanted = definition(network, labels)
    answer = api.call("POST", "/networks/create", body=wanted, allowed=(REFUSED, CONFLICT))
    if answer.status == CONFLICT:
        _demand_equal(wanted, api.get(f"/networks/{network.name}"))
    elif answer.status == REFUSED:
        raise _not_created(network, answer, api.get("/networks"))


def _demand_equal(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for what, want, have in _compared(wanted, found):
        if want != have:
            raise EngineError(
                f"The network {wanted['Name']} is there with {what} {have} instead of {want}",
                state="nothing was changed",
                help=f"stop what uses it, then `docker network rm {wanted['Name']}`",
            )


def _compared(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    options = found.get("Options") or {}
    return (
        ("the subnet", _told(_subnets(wanted)), _told(_subnets(found))),
        ("internal:", wanted["Internal"], found["Internal"]),
        # Only ours: an engine adds options of its own.
        ("the options", wanted["Options"], {key: options.get(key) for key in wanted["Options"]}),
    )


def _told(subnets: list[str]) -> str:
    return ", ".join(subnets) or "none"


def _subnets(document: Mapping[str, Any]) -> list[str]:
    blocks = (document.get("IPAM") or {}).get("Config") or ()
    return sorted(str(ipaddress.ip_network(block["Subnet"])) for block in blocks if block.get("Subnet"))


def _not_created(network: Network, answer: Answer, others: list[dict[str, Any]]) -> EngineError:
    wanted = ipaddress.ip_network(network.subnet)
    holders = [other["Name"] for other in others if any(wanted.overlaps(_parsed(it)) for it in _subnets(other))]
    if not holders:
        return EngineError(f"The network {network.name} could not be created: {answer.message}")
    return EngineError(
        f"The network {network.name} could not be created: {network.subnet} overlaps with {', '.join(sorted(holders))}",
        help="choose another `subnet` in the spec, or remove that network",
    )


def _parsed(subnet: str) -> Any:
    return ipaddress.ip_network(subnet)


def connect(api: Api, network_name: str, container_id: str, aliases: tuple[str, ...]) -> None:
    """Attach a container under these names.

    Looks first: asked twice, the engine refuses for a running container and drops the new names for a stopped one.
    """
    attached = api.get(f"/containers/{container_id}/json")["NetworkSettings"]["Networks"]
    if network_name in attached:
        if set(aliases) <= set(attached[network_name].get("Aliases") or ()):
            return
        disconnect(api, network_name, container_id)
    body = {"Container": container_id, "EndpointConfig": {"Aliases": list(aliases)}}
    api.call("POST", f"/networks/{network_name}/connect", body=body)


def disconnect(api: Api, network_name: str, container_id: str) -> None:
    """Detach a container."""
    body = {"Container": container_id}
    answer = api.call("POST", f"/networks/{network_name}/disconnect", body=body, allowed=(ABSENT, FAILED))
    # That it is not connected is, to the engine, an internal error.
    if answer.status == FAILED and "is not connected" not in answer.message:
        raise EngineError(f"The container could not leave {network_name}: {answer.message}")


def remove(api: Api, name: str) -> None:
    """Remove a network."""
    answer = api.call("DELETE", f"/networks/{name}", allowed=(REFUSED, ABSENT))
    if answer.status == REFUSED:
        users = re.findall(r'name:"([^"]+)"', answer.message)
        raise EngineError(
            f"The network {name} could not be removed: "
            + (f"{', '.join(users)} still use it" if users else answer.message)
        )
