"""Every name and label key that envmgr generates; no other module composes one."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
"""Projects, environments and services: what Compose, DNS and a registry path all accept."""
NAME_LENGTH = 40
"""`<project>-<environment>-<service>-<n>` stays a valid DNS label of 63 characters only when its parts are short."""
_DNS_LABEL = 63
"""RFC 1035, 2.3.4."""
PREFIX = re.compile(r"[a-z][a-z0-9]*_")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")

INFRA = "infra"
"""The target, and the last part of the Compose project, of the shared base."""
COLOURS = ("blue", "green")
"""Of a blue-green deployment; one serves while the other is made ready."""
EDGE = "edge"
"""The service that leads to the colour which serves."""
DEFAULTS = "defaults"
"""`[environments.defaults]` is no environment."""

LABEL_COMPOSE_PROJECT = "com.docker.compose.project"
"""Compose's own; a volume without it makes plain `docker compose` warn at each `up`."""
LABEL_COMPOSE_ONEOFF = "com.docker.compose.oneoff"
"""Compose's own: made by `docker compose run`, beside the service's containers."""
LABEL_PROJECT = "envmgr.project"
LABEL_ENVIRONMENT = "envmgr.env"
LABEL_SERVICE = "envmgr.service"
LABEL_KIND = "envmgr.kind"
LABEL_HASH = "envmgr.hash"
"""Hash of the resolved service and its configuration files. On containers only: a changed label recreates them."""
LABEL_CONFIGS = "envmgr.configs"
"""On containers: `PATH:hash` of each rendered file that they mount."""
LABEL_JOB = "envmgr.job"
LABEL_STAND_IN = "envmgr.stand-in"
"""On images, and so on their containers: what answers there in place of the real server."""
LABEL_RELEASE = "envmgr.release"
"""On the containers of a colour: number of the release that they are."""
LABEL_ONEOFF = "envmgr.oneoff"
"""On a container that was made for one call and removes itself."""
LINT_ACCEPTS = "x-envmgr-lint"
"""Key of a Compose file, anywhere in it: what the linter accepts there, rule → why."""
LABEL_PROTECT = "envmgr.protect"
LABEL_SOURCE = "envmgr.image.source"
"""On volumes: `registry` or `recipes`, what first wrote to it."""
LABEL_MAJOR = "envmgr.image.major"
"""On volumes: major version of the server that first wrote to it."""
KIND_NATIVE = "native"
"""Kind of the container that leads to a service on the desk."""
LABEL_CONTEXT = "envmgr.context"
"""On built images: hash of what they were built from."""
LABEL_RECIPE = "envmgr.recipe"
"""On recipe images: name of the recipe."""

REVISION = "ENVMGR_REVISION"
"""Variable in each service's env file that changes with any of its variables and secrets: Compose sees a changed env
file, and does not see a changed secret file. It is a list of `NAME:digest`, one for each of them."""


def slug(text: str) -> str:
    """Return a valid name near `text`, for a suggestion."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    dashed = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return dashed.lstrip("0123456789-")[:NAME_LENGTH].strip("-") or "app"


def volume_opener(volume: str) -> str:
    """Name the container that lets a service's user write to a volume; while it is there, that is not done."""
    return f"{volume}-opener"


def compose_project(project: str, target: str) -> str:
    """Name the Compose project of an environment, or of the base when `target` is `infra`."""
    return f"{project}-{target}"


def container_name(project: str, target: str, service: str, number: int = 1) -> str:
    """Name a container as Compose does."""
    return f"{project}-{target}-{service}-{number}"


def data_network(project: str, target: str) -> str:
    """Name the internal network on which the services of one target talk."""
    return f"{project}-{target}-data"


def publish_network(project: str, target: str) -> str:
    """Name the bridge through which ports are published on the host."""
    return f"{project}-{target}-publish"


def egress_network(project: str, target: str) -> str:
    """Name the bridge through which services reach the outside."""
    return f"{project}-{target}-egress"


def joined(network: str) -> str:
    """Return the key in a document of a network that is none of envmgr's; no key of ours holds a dot."""
    return f"host.{network}"


def built_image(project: str, build: str, environment: str) -> str:
    """Name the image that an environment builds for itself, so that building for dev never changes prod's."""
    # Linters take a tag such as `dev`, `test` or `latest` for a moving one, and an environment may have any name.
    return f"{project}-{build}:env-{environment}"


def colour(environment: str, name: str) -> str:
    """Name one colour of an environment, as a target and in its Compose project."""
    return f"{environment}-{name}"


def release_image(project: str, name: str, environment: str, release: int) -> str:
    """Name an image that a release keeps, whatever its own name comes to mean."""
    return f"{project}-{name}:release-{environment}-{release}"


def alias(service: str, environment: str) -> str:
    """Name a service for the base, whose containers join the networks of several environments.

    Without a dot, because `dev` is a top-level domain: Docker asks the host's name servers for a name that it does not
    know, and `app.dev` would lead a request for an environment that is down to somebody else's host.
    """
    name = f"{service}--{environment}"
    return name if len(name) <= _DNS_LABEL else f"{name[: _DNS_LABEL - 9]}-{short_hash(name.encode(), 8)}"


def sql_name(text: str) -> str:
    """Turn a name into one that needs no quoting in SQL."""
    return text.replace("-", "_")


def short_hash(data: bytes, length: int = 12) -> str:
    """Return the first hexadecimal digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:length]


def revised(revision: str) -> dict[str, str]:
    """Read a list of `NAME:digest`; what is not written so names nothing."""
    pairs = (part.rpartition(":") for part in revision.split(","))
    return {name: digest for name, _, digest in pairs if name}


def revision(digests: Mapping[str, str]) -> str:
    """Write a list of `NAME:digest`, in order of name."""
    return ",".join(f"{name}:{digest}" for name, digest in sorted(digests.items()))
