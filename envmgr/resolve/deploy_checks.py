"""What can be wrong with how an environment is deployed."""

from __future__ import annotations

from collections.abc import Iterable

from envmgr import naming
from envmgr.catalog.registry import SERVICES
from envmgr.errors import Problem
from envmgr.spec.schema import EnvironmentSpec, Spec
from envmgr.spec.suggest import did_you_mean, listing


def check_deploy(spec: Spec, environment: EnvironmentSpec) -> Iterable[Problem]:
    """Yield every problem of one environment."""
    if not environment.table.deploy.has_colours:
        return
    place = environment.places.get("deploy", f"environments.{environment.name}.deploy")
    yield from _names(spec, environment, place)
    yield from _smoke(environment, place)
    yield from _ports(environment)
    if environment.table.reload:
        yield Problem("a release runs what was built, not what lies on somebody's desk", f"{place}.strategy")


def _names(spec: Spec, environment: EnvironmentSpec, place: str) -> Iterable[Problem]:
    for colour in naming.COLOURS:
        taken = naming.colour(environment.name, colour)
        if taken in spec.environments:
            yield Problem(f"{environment.name} has a colour {taken} of its own", f"environments.{taken}")
    if naming.EDGE in (*environment.services, *environment.infra):
        section = "services" if naming.EDGE in environment.services else "infra"
        hint = "choose another name for the service"
        yield Problem(f"{naming.EDGE} is what leads to the colour that serves", f"{section}.{naming.EDGE}", hint=hint)
    if not any(SERVICES[one.kind].defaults.listens for one in environment.services.values()):
        yield Problem("nothing of it listens, so there is nothing to switch", f"{place}.strategy")


def _smoke(environment: EnvironmentSpec, place: str) -> Iterable[Problem]:
    for number, check in enumerate(environment.table.deploy.smoke):
        where = f"{place}.smoke.{number}.service"
        service = environment.services.get(check.service)
        if service is None:
            known = tuple(environment.services)
            hint = did_you_mean(check.service, known) or f"it has: {listing(known)}"
            yield Problem(f"{environment.name} has no service {check.service}", where, hint=hint)
        elif check.path is not None and not SERVICES[service.kind].defaults.listens:
            yield Problem(f"{check.service} listens on no port", where, hint="give it a command instead of a path")


def _ports(environment: EnvironmentSpec) -> Iterable[Problem]:
    for service in environment.services.values():
        for name in service.table.ports:
            yield Problem(
                f"{environment.name} publishes one port of a service, through its edge",
                f"services.{service.name}.ports.{name}",
                hint="leave it out there",
            )
