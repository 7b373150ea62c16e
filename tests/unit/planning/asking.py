"""A system of a base and environments as it runs, and the question that a plan answers; each part can be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from envmgr import naming
from envmgr.model.observed import (
    Container,
    EngineHealth,
    ImageInfo,
    Mount,
    Observed,
    ObservedHealthcheck,
    ObservedNetwork,
    ObservedVolume,
    Settings,
)
from envmgr.model.plan import Place
from envmgr.model.stack import Image, Network, Service, Stack, System, Volume, VolumeMount
from envmgr.planning.inputs import Question, Wanted, Written
from tests.making import container, observed, service, stack

IMAGE = "sha256:1"
BRIDGE = "com.docker.network.bridge."
TOKEN = naming.revision({"TOKEN": "0123456789ab"})


def app(name: str = "app", target: str = "dev", **fields: Any) -> Service:
    """Return a service that listens, uses redis, and whose keys stand in the spec."""
    given = {
        "networks": ("data",),
        "aliases": (f"{name}--{target}",),
        "uses": ("redis",),
        "places": {"": f"services.{name}", "memory": f"environments.{target}.services.{name}.memory"},
    }
    return service(name, **{**given, **fields})


def server(name: str = "redis", **fields: Any) -> Service:
    given = {
        "kind": "redis",
        "networks": ("data",),
        "is_server": True,
        "volumes": (VolumeMount(f"{name}-data", "/data"),),
        "image": Image("registry.example/app:1.0", major="8"),
        "places": {"": f"infra.{name}", "version": f"infra.{name}.version"},
    }
    return service(name, **{**given, **fields})


def data(target: str, number: int) -> Network:
    return Network("data", f"play-{target}-data", f"10.1.{number}.0/25", True, is_external=target != "infra")


def environment(target: str, number: int = 1, *services: Service, **fields: Any) -> Stack:
    mine = services or (app(target=target),)
    return stack(*mine, target=target, networks=(data(target, number),), **fields)


def base(*services: Service) -> Stack:
    mine = services or (server(),)
    volumes = tuple(Volume(f"{s.name}-data", f"play-infra-{s.name}-data", s.name) for s in mine)
    return stack(*mine, target="infra", networks=(data("infra", 9),), volumes=volumes)


def wanted_of(one: Service) -> Wanted:
    return Wanted(image=one.image.reference, hash=f"hash of {one.name}", revision=TOKEN, image_id=IMAGE)


def made(stack_: Stack, one: Service, number: int = 1, **fields: Any) -> Container:
    """Return the container that a service should have, running and healthy."""
    volumes = {volume.key: volume.name for volume in stack_.volumes}
    labels = {
        naming.LABEL_KIND: one.kind,
        naming.LABEL_HASH: f"hash of {one.name}",
        naming.LABEL_PROJECT: "play",
    }
    given = {
        "number": number,
        "image": one.image.reference,
        "image_id": IMAGE,
        "revision": TOKEN,
        "health": EngineHealth.HEALTHY if one.healthcheck else EngineHealth.NONE,
        "labels": labels,
        "networks": {stack_.network(key).name: (one.name, *one.aliases) for key in one.networks},
        "settings": Settings(
            command=one.command,
            user=one.user,
            variables=one.variables,
            healthcheck=ObservedHealthcheck(one.healthcheck, one.start_seconds) if one.healthcheck else None,
            ports=one.ports,
            mounts=tuple(Mount(volumes[mount.volume], mount.target) for mount in one.volumes),
            tmpfs={"/tmp": "size=16m,uid=10001,gid=10001,mode=1777,noexec,nosuid,nodev"},
            cpus=one.resources.cpus,
            memory=one.resources.memory,
            pids=one.resources.pids,
            shm=64 << 20,
            restart="no" if one.is_job else "unless-stopped",
            stop_seconds=int(one.stop_seconds),
            is_read_only=True,
            has_init=True,
            dropped=one.dropped,
            security=("no-new-privileges:true",),
            logging={"": "json-file", "max-file": "3", "max-size": "10m"},
        ),
    }
    return container(one.name, stack_.target, id=f"{stack_.target}-{one.name}-{number}", **{**given, **fields})


def running(system: System) -> Observed:
    """Return what is there when everything of a system runs as it should."""
    containers = [
        made(one, each, n) for one in system.stacks for each in one.services for n in range(1, each.replicas + 1)
    ]
    networks = tuple(network_of(one, network) for one in system.stacks for network in one.networks)
    volumes = tuple(volume_of(one, volume) for one in system.stacks for volume in one.volumes)
    joined = {one.networks[0].name for one in system.environments}
    visiting = [replace(c, networks=_visits(c, joined)) for c in containers]
    return observed(*visiting, networks=networks, volumes=volumes)


def _visits(one: Container, networks: set[str]) -> dict[str, tuple[str, ...]]:
    if one.compose_project != "play-infra":
        return dict(one.networks)
    return {**one.networks, **dict.fromkeys(sorted(networks), (one.service,))}


def network_of(one: Stack, network: Network, **fields: Any) -> ObservedNetwork:
    labels = {naming.LABEL_PROJECT: one.project, naming.LABEL_ENVIRONMENT: one.target}
    options = {f"{BRIDGE}gateway_mode_ipv4": "isolated"}
    given = {"subnets": (network.subnet,), "labels": labels, "is_internal": True, "options": options}
    return ObservedNetwork(network.name, **{**given, **fields})


def volume_of(one: Stack, volume: Volume, **fields: Any) -> ObservedVolume:
    labels = {naming.LABEL_PROJECT: one.project, naming.LABEL_ENVIRONMENT: one.target, naming.LABEL_MAJOR: "8"}
    return ObservedVolume(volume.name, **{"labels": labels, **fields})


def locate(path: str) -> Written:
    """Find everything in line 7."""
    return Written(place(path))


def place(path: str) -> Place:
    return Place(path, "envmgr.toml", 7)


def question(system: System, seen: Observed | None = None, **fields: Any) -> Question:
    """Ask what has to happen so that everything of a system runs."""
    given = {
        "observed": running(system) if seen is None else seen,
        "selected": {one.target: (one.services,) for one in system.stacks if one.services},
        "wanted": {one.target: {each.name: wanted_of(each) for each in one.services} for one in system.stacks},
        "images": {IMAGE: ImageInfo(IMAGE)},
        "locate": locate,
    }
    return Question(system, **{**given, **fields})


def changed(seen: Observed, name: str, **fields: Any) -> Observed:
    """Change one container."""
    assert name in {one.name for one in seen.containers}
    return replace(seen, containers=tuple(replace(c, **fields) if c.name == name else c for c in seen.containers))


def without(seen: Observed, *names: str) -> Observed:
    """Take containers away."""
    return replace(seen, containers=tuple(c for c in seen.containers if c.name not in names))


def system(**environments: bool) -> System:
    """Return a base with redis, and environments by name that are protected or not."""
    numbered = enumerate(environments.items(), 1)
    stacks = tuple(environment(name, n, is_protected=is_protected) for n, (name, is_protected) in numbered)
    return System("play", base(), stacks, {})
