"""Rules about images, and about the names of projects and containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from envmgr.rules.document import Document, Service, is_open
from envmgr.rules.rule import HIGH, LOW, MEDIUM, Breach, Rule, Said, of_document, of_service, refs


def _tag(service: Service) -> Iterator[Said]:
    image = service.body.get("image")
    if not isinstance(image, str) or is_open(image) or "@" in image or "build" in service.body:
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if not tag:
        yield ("image",), "its image has no tag, which means latest"
    elif tag == "latest":
        yield ("image",), "latest is another image tomorrow"


def _build_and_image(service: Service) -> Iterator[Said]:
    if {"build", "image"} <= service.body.keys() and "pull_policy" not in service.body:
        yield ("build",), "it has build and image: whether Compose builds or pulls depends on what the host has"


def _name(document: Document) -> Iterator[Said]:
    if not document.name:
        yield (), "the project is named after its folder: two folders of one name share containers and volumes"


def _version(document: Document) -> Iterator[Said]:
    if "version" in document.data:
        yield ("version",), "version says nothing any more"


def _container_name(service: Service) -> Iterator[Said]:
    if "container_name" in service.body:
        yield ("container_name",), "a fixed container name exists once on a host, whatever the environment"


def _collide(documents: tuple[Document, ...]) -> Iterator[Breach]:
    """Yield project and container names that two of the files give."""
    projects: dict[str, Document] = {}
    containers: dict[str, tuple[Document, str]] = {}
    for one in documents:
        other = projects.setdefault(one.name, one) if one.name else one
        if other is not one:
            yield one, ("name",), f"{other.files[0]} has a project {one.name} too: each removes the other's containers"
        for service in one.services:
            name = service.body.get("container_name")
            if isinstance(name, str) and not is_open(name):
                first, holder = containers.setdefault(name, (one, service.name))
                if (first, holder) != (one, service.name):
                    message = f"{service.name}: the container name {name} is that of {holder} in {first.files[0]} too"
                    yield one, (*service.keys, "container_name"), message


def _variables(document: Document) -> Iterator[Said]:
    for keys in document.places:
        value = _at(document, keys)
        if isinstance(value, str):
            for name in _UNSET.findall(value.replace("$$", "")):
                yield keys, f"while {name} is not set, it stands for nothing"


_UNSET = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)(?![A-Za-z0-9_]|:?[?+])")


def _at(document: Document, keys: tuple[str | int, ...]) -> object:
    value: object = document.data
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


RULES = (
    Rule(
        "EM-S01-unset-variable",
        LOW,
        "A variable that is not set is empty, and nobody says so",
        "${NAME:?} where it must be set, ${NAME:-default} where it may be left out",
        of_document(_variables),
    ),
    Rule(
        "EM-S02-project-name",
        LOW,
        "A project has a name of its own",
        'name: "PROJECT-ENVIRONMENT" at the top',
        of_document(_name),
    ),
    Rule("EM-S02-version", LOW, "No version at the top", "nothing: leave the line out", of_document(_version)),
    Rule(
        "EM-S02-container-name",
        MEDIUM,
        "No fixed container names",
        "nothing: other services reach it by its service name",
        of_service(_container_name),
    ),
    Rule(
        "EM-S02-names-collide",
        HIGH,
        "No name belongs to two environments",
        "a name for each environment, as in PROJECT-prod",
        _collide,
    ),
    Rule(
        "EM-S02-build-and-image",
        MEDIUM,
        "It is said whether an image is built or pulled",
        'build alone, or pull_policy: "build" beside both',
        of_service(_build_and_image),
    ),
    Rule(
        "EM-S03-tag",
        MEDIUM,
        "An image has a tag that is not latest",
        'image: "NAME:1.2.3", or its digest',
        of_service(_tag),
        refs(cis="5.28", owasp="13"),
    ),
)
