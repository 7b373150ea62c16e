"""What Compose does with a document, on the fake engine: create, recreate, start, remove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envmgr import naming
from envmgr.engine.protocol import Recreate
from envmgr.engine.snapshot import COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE, COMPOSE_VOLUME
from envmgr.errors import EngineError
from envmgr.model.observed import Container, EngineHealth, ImageInfo, State
from tests.fakes import documents, made
from tests.fakes.world import HAS_HOLD, Held, HeldNetwork, World

Document = Mapping[str, Any]


def read(files: tuple[Path, ...], services: tuple[str, ...], folder: Path | None = None) -> dict[str, Any]:
    """Return the document; services that it does not have are refused."""
    document = documents.load(files, folder)
    documents.check(document)
    for name in services:
        if name not in document["services"]:
            raise EngineError(f"docker compose failed: no such service: {name}")
    return document


def up(
    world: World,
    document: Document,
    project: str,
    names: tuple[str, ...],
    scales: Mapping[str, int],
    recreate: Recreate,
) -> None:
    """Bring services to what the document says."""
    for name in names:
        _make_networks(world, document, project, document["services"][name])
    for name in names:
        service = document["services"][name]
        _make_volumes(world, document, project, service)
        _converge(world, document, project, name, scales.get(name, documents.replicas(service)), recreate)


def down(world: World, document: Document, project: str, names: tuple[str, ...], *, drops_volumes: bool) -> None:
    """Remove containers, then what only they used; what others use stays, without a word, as with Compose."""
    wanted = names or tuple(document["services"])
    for held in world.of(project, wanted):
        world.discard(held)
    if not names:
        for key, entry in document["networks"].items():
            _drop_network(world, _name(entry, project, key), entry)
    for key in (
        {key for name in wanted for key in documents.volumes(document["services"][name])} if drops_volumes else ()
    ):
        _drop_volume(world, _name(document["volumes"][key], project, key), document["volumes"][key])


def _converge(world: World, document: Document, project: str, name: str, count: int, recreate: Recreate) -> None:
    service = document["services"][name]
    image = world.images.get(service["image"])
    if image is None:
        failure = f"Error response from daemon: No such image: {service['image']}"
        raise EngineError(f"docker compose up of {project} failed: {failure}", details=(failure,))
    there = {held.container.number: held for held in world.of(project, (name,))}
    for number in range(1, max(count, *there, 0) + 1):
        held = there.get(number)
        if number > count:
            world.discard(there[number])
        else:
            _bring_up(world, _wanted(world, document, project, name, number, image), held, recreate)


def _bring_up(world: World, wanted: Held, found: Held | None, recreate: Recreate) -> None:
    if found is not None and not _is_replaced(wanted, found, recreate):
        if found.container.state not in HAS_HOLD:
            world.run(found)
        return
    if found is not None:
        world.discard(found)
    world.held[wanted.container.id] = wanted
    world.run(wanted)


def _is_replaced(wanted: Held, found: Held, recreate: Recreate) -> bool:
    """Tell whether Compose makes a container anew: as asked, or when it sees another definition or a lost network."""
    if recreate is not Recreate.CHANGED:
        return recreate is Recreate.ALWAYS
    lost = wanted.container.networks.keys() - found.container.networks.keys()
    return found.fingerprint != wanted.fingerprint or bool(lost)


def _wanted(world: World, document: Document, project: str, name: str, number: int, image: ImageInfo) -> Held:
    service = document["services"][name]
    variables = documents.variables(service)
    container = Container(
        id=world.new_id(),
        name=service.get("container_name") or f"{project}-{name}-{number}",
        compose_project=project,
        service=name,
        number=number,
        image=service["image"],
        image_id=image.id,
        state=State.CREATED,
        health=EngineHealth.NONE,
        exit_code=0,
        restart_count=0,
        is_oom_killed=False,
        started_at=None,
        finished_at=None,
        labels={
            **image.labels,
            **documents.labels(service),
            COMPOSE_PROJECT: project,
            COMPOSE_SERVICE: name,
            COMPOSE_NUMBER: str(number),
        },
        networks=_joined(document, project, name, number),
        ports=(),
        revision=variables.get(naming.REVISION, ""),
        memory_limit=documents.memory(service),
        cpu_limit=documents.cpus(service),
        settings=made.settings(service, variables, image, lambda key: _name(document["volumes"][key], project, key)),
    )
    return Held(
        container,
        wanted_ports=documents.ports(service),
        volumes=tuple(_name(document["volumes"][key], project, key) for key in documents.volumes(service)),
        has_healthcheck="healthcheck" in service,
        fingerprint=documents.fingerprint(service, image.id, variables),
    )


def _joined(document: Document, project: str, name: str, number: int) -> dict[str, tuple[str, ...]]:
    used = documents.networks(document["services"][name])
    own = (f"{project}-{name}-{number}", name)
    return {_name(document["networks"][key], project, key): (*own, *aliases) for key, aliases in used.items()}


def _make_networks(world: World, document: Document, project: str, service: Document) -> None:
    for key in documents.networks(service):
        entry = document["networks"][key]
        name = _name(entry, project, key)
        if name in world.networks:
            continue
        if entry.get("external"):
            failure = f"network {name} declared as external, but could not be found"
            raise EngineError(f"docker compose up of {project} failed: {failure}", details=(failure,))
        subnet = ((entry.get("ipam") or {}).get("config") or [{"subnet": "192.0.2.0/24"}])[0]["subnet"]
        world.demand_free(name, subnet)
        labels = {**documents.labels(entry), COMPOSE_PROJECT: project}
        definition = {"Internal": bool(entry.get("internal")), "Options": dict(entry.get("driver_opts") or {})}
        world.networks[name] = HeldNetwork(subnet, definition, labels)


def _make_volumes(world: World, document: Document, project: str, service: Document) -> None:
    for key in documents.volumes(service):
        entry = document["volumes"][key]
        labels = {**documents.labels(entry), COMPOSE_PROJECT: project, COMPOSE_VOLUME: key}
        world.volumes.setdefault(_name(entry, project, key), labels)


def _drop_network(world: World, name: str, entry: Document) -> None:
    if not entry.get("external") and not any(name in it.networks and it.state in HAS_HOLD for it in world.all()):
        world.networks.pop(name, None)


def _drop_volume(world: World, name: str, entry: Document) -> None:
    if not entry.get("external") and not any(name in held.volumes for held in world.held.values()):
        world.volumes.pop(name, None)


def _name(entry: Document, project: str, key: str) -> str:
    return str(entry.get("name") or f"{project}_{key}")
