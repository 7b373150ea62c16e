"""What a plan must not do: open a volume or a network that is not what the spec says, or with another server's data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from envmgr import naming
from envmgr.errors import Problem
from envmgr.model.observed import ObservedNetwork, ObservedVolume
from envmgr.model.stack import Network, Stack, Volume
from envmgr.planning.inputs import Question
from envmgr.planning.losses import runs

_OPTION = "com.docker.network.bridge."


def refusals(question: Question) -> tuple[Problem, ...]:
    """Return every reason why the selected stacks must be left as they are."""
    networks = {network.name: network for network in question.observed.networks}
    volumes = {volume.name: volume for volume in question.observed.volumes}
    problems: list[Problem] = []
    for target in question.selected:
        stack = question.system.stack(target)
        problems += (p for n in stack.networks if n.name in networks for p in _network(question, stack, n, networks))
        problems += (p for v in stack.volumes if v.name in volumes for p in _volume(question, stack, v, volumes))
    return tuple(problems)


# ---- networks


def _network(
    question: Question, stack: Stack, network: Network, there: Mapping[str, ObservedNetwork]
) -> Iterator[Problem]:
    found = there[network.name]
    if network.is_foreign or found.labels.get(naming.LABEL_PROJECT) != stack.project:
        # Somebody else's: a check before the start says so.
        return
    have, want = _found(found), _wanted(network)
    differing = [f"{key} {have[key]} instead of {want[key]}" for key in want if have[key] != want[key]]
    if differing:
        yield Problem(
            f"network {network.name} exists with {', '.join(differing)}; it cannot change while containers use it",
            path="networks.range" if stack.is_base else f"environments.{stack.target}",
            hint=_renew(question, stack),
        )


def _wanted(network: Network) -> dict[str, str]:
    fields = {"driver": "bridge", "subnet": network.subnet, "internal": _word(network.is_internal)}
    if network.is_internal:
        return {**fields, "gateway mode": "isolated"}
    return {**fields, "neighbours": _word(network.allows_neighbours), "masquerading": _word(network.masquerades)}


def _found(network: ObservedNetwork) -> dict[str, str]:
    options = network.options
    return {
        "driver": network.driver,
        "subnet": ", ".join(network.subnets) or "none",
        "internal": _word(network.is_internal),
        "gateway mode": options.get(f"{_OPTION}gateway_mode_ipv4", "nat"),
        "neighbours": options.get(f"{_OPTION}enable_icc", "true"),
        "masquerading": options.get(f"{_OPTION}enable_ip_masquerade", "true"),
    }


def _word(is_on: bool) -> str:
    return str(is_on).lower()


def _renew(question: Question, stack: Stack) -> str:
    """Return the commands that make a stack's networks anew; data stays."""
    running = [one.target for one in question.system.environments if runs(one, question.observed)]
    targets = [*running, naming.INFRA] if stack.is_base else [stack.target]
    return f"envmgr down {' '.join(targets)} && envmgr up {' '.join(targets)}; data stays"


# ---- volumes


def _volume(question: Question, stack: Stack, volume: Volume, there: Mapping[str, ObservedVolume]) -> Iterator[Problem]:
    found, place = there[volume.name], f"{_table(stack, volume)}"
    if found.driver != "local" or found.options:
        told = ", ".join([f"driver {found.driver}", *(f"{k}={v}" for k, v in sorted(found.options.items()))])
        yield Problem(
            f"volume {volume.name} exists with {told}, and envmgr's volumes are local without options",
            path=place,
            hint=f"its data stays as it is; look at it with: docker volume inspect {shlex.quote(volume.name)}",
        )
    wrong = {key: found.labels[key] for key in (naming.LABEL_PROJECT, naming.LABEL_ENVIRONMENT) if key in found.labels}
    if any(wrong.get(key, want) != want for key, want in _owner(stack).items()):
        yield Problem(
            f"volume {volume.name} belongs to {'/'.join(wrong.values())}, as its labels say",
            path=place,
            hint=f"its data stays as it is; look at it with: docker volume inspect {shlex.quote(volume.name)}",
        )
    yield from _writer(question, stack, volume, found)


def _owner(stack: Stack) -> dict[str, str]:
    return {naming.LABEL_PROJECT: stack.project, naming.LABEL_ENVIRONMENT: stack.target}


def _writer(question: Question, stack: Stack, volume: Volume, found: ObservedVolume) -> Iterator[Problem]:
    """Refuse to open a volume with a server of another major version, or with images of the other source."""
    service = stack.service(volume.service)
    if not service.is_server:
        return
    written = found.labels.get(naming.LABEL_MAJOR, service.image.major)
    if written != service.image.major:
        yield Problem(
            f"volume {volume.name} was written by version {written}, the spec says {service.image.major}",
            path=service.places.get("version", f"{_table(stack, volume)}.version"),
            hint=f'set version back to "{written}", then: envmgr up {stack.target}; the data stays as it is',
        )
    source = found.labels.get(naming.LABEL_SOURCE, question.source)
    if question.source and source != question.source:
        yield Problem(
            f"volume {volume.name} was written by images from {source}",
            path=_table(stack, volume),
            hint=f"envmgr up {stack.target} --images {source}",
        )


def _table(stack: Stack, volume: Volume) -> str:
    return stack.service(volume.service).places.get("", volume.service)
