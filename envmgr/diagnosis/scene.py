"""One service in trouble as the signatures see it: its witness, its surroundings, and words for both."""

from __future__ import annotations

from dataclasses import dataclass

from envmgr.diagnosis.evidence import Evidence, Node, Witness
from envmgr.model.needed import Needed
from envmgr.model.observed import State
from envmgr.model.stack import Service, Stack

SPEC = "envmgr.toml"
_PORTS = {
    5432: ("postgres",),
    6379: ("redis", "valkey"),
    6333: ("qdrant",),
    6334: ("qdrant",),
    9000: ("minio",),
    9200: ("elasticsearch",),
    5601: ("kibana",),
    9090: ("prometheus",),
}
"""What a log that names an address and a port speaks of."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A service in trouble and everything around it."""

    evidence: Evidence
    stack: Stack
    service: Service
    witness: Witness

    @property
    def target(self) -> str:
        """Its environment, or `infra`."""
        return self.stack.target

    @property
    def name(self) -> str:
        """`app of dev`."""
        return named((self.target, self.service.name))

    @property
    def up(self) -> str:
        """The command that brings it to what the spec says."""
        return f"envmgr up {self.target} {self.service.name}"

    @property
    def logs(self) -> str:
        """The command that shows what it says."""
        return f"envmgr logs {self.target} {self.service.name}"

    @property
    def is_built(self) -> bool:
        """Its image is made from the project's own source."""
        return self.service.image.build is not None

    @property
    def rebuild(self) -> str:
        """The command that makes its image anew, or fetches it."""
        return f"{self.up} --build" if self.is_built else self.up

    def place(self, key: str) -> str:
        """Return where the spec says something of it, or would for all environments."""
        places = self.service.places
        table = f"infra.{self.service.name}" if self.stack.is_base else f"services.{self.service.name}"
        return places.get(key) or f"{places.get('', table)}.{key}"

    def place_here(self, key: str) -> str:
        """Return where the spec says something of it, or would for this environment alone."""
        if self.stack.is_base or key in self.service.places:
            return self.place(key)
        section = "infra" if self.service.is_server else "services"
        return f"environments.{self.target}.{section}.{self.service.name}.{key}"

    def edit(self, key: str, what: str) -> str:
        """Return an edit of its table, as a thing to type."""
        return edit(SPEC, self.place(key), what, self.up)

    def edit_here(self, key: str, what: str) -> str:
        """Return an edit for this environment alone, as a thing to type."""
        return edit(SPEC, self.place_here(key), what, self.up)

    def known(self, host: str) -> Node | None:
        """Return which service a host name or an address's port in a log means."""
        name, _, environment = host.partition(".")
        stacks = [stack for stack in reversed(self.evidence.stacks) if environment in ("", stack.target)]
        found = ((stack.target, s.name) for stack in stacks for s in stack.services if s.name == name)
        return next(found, None)

    def listening_on(self, port: int) -> Node | None:
        """Return which of the servers that it uses is known to listen on a port."""
        return self.used(*_PORTS[port]) if port in _PORTS else None

    def used(self, *kinds: str) -> Node | None:
        """Return the first server of some kinds that it uses."""
        for node in self.servers:
            service = self.evidence.find(node)
            if service is not None and service.kind in kinds:
                return node
        return None

    @property
    def servers(self) -> tuple[Node, ...]:
        """Return the servers that it uses, of the base or of its own environment."""
        return servers_of(self.evidence, self.stack, self.service)

    def runs(self, node: Node) -> bool:
        """Tell whether a container of a service runs."""
        stack = next(stack for stack in self.evidence.stacks if stack.target == node[0])
        containers = self.evidence.observed.of(stack.compose_project, node[1])
        return any(container.state is State.RUNNING for container in containers)

    def password(self, node: Node) -> Needed | None:
        """Return the value with which its environment enters a server."""
        place = f"infra.{node[1]}"
        return next((need for need in self.stack.needed if need.place == place and need.is_secret), None)


def named(node: Node) -> str:
    """Return a service in words."""
    return f"{node[1]} of {node[0]}"


def operator_file(target: str) -> str:
    """Return the name of the file with a target's values."""
    return f".env.{target}"


def edit(file: str, place: str, what: str, then: str) -> str:
    """Return an edit as a thing to type: file, place, what to write, and the command after it."""
    return f"edit {file}: {place} {what}; then {then}"


def servers_of(evidence: Evidence, stack: Stack, service: Service) -> tuple[Node, ...]:
    """Return the servers that a service uses: the base's, and those that its environment has for itself."""
    base = {one.name for one in evidence.base.services}
    shared = tuple((evidence.base.target, name) for name in service.uses if name in base)
    needs = {dependency.service for dependency in service.depends_on}
    return (*shared, *((stack.target, one.name) for one in stack.services if one.is_server and one.name in needs))
