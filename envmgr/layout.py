"""Where things lie: paths inside a project's folder that several rooms have to agree on."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from envmgr import naming

SPEC = "envmgr.toml"
LOCK = "envmgr.lock"
"""Digests of the images, beside the spec; committed."""
COMPOSE = "compose"
"""Rendered and committed."""
RUNTIME = ".envmgr"
"""Written on the host at `up`, never committed: what reaches containers."""
SECRETS = "secrets"
"""The operator's: a folder for each target that is never committed, and encrypted files that may be."""
SCHEMA = "envmgr.schema.json"
"""What an editor completes and checks the spec with."""


def shipped(name: str) -> Path:
    """Return a folder that comes with envmgr: inside the package when installed, at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name


def compose_file(target: str) -> str:
    """Name the Compose document of a target, as in `compose/`."""
    return "docker-compose.base.yml" if target == naming.INFRA else f"docker-compose.app.{target}.yml"


def substitutes_file(target: str) -> str:
    """Name the document that puts recipe images in place of official ones."""
    return compose_file(target).removesuffix(".yml") + ".recipes.yml"


def env_file(target: str, service: str) -> PurePosixPath:
    """Return the path of a service's env file, relative to the project's folder."""
    return PurePosixPath(RUNTIME, target, "env", f"{service}.env")


def secret_file(target: str, service: str, name: str) -> PurePosixPath:
    """Return the path of one secret of one service, relative to the project's folder."""
    return PurePosixPath(RUNTIME, target, "secrets", service, name)


def operator_file(folder: Path, target: str) -> Path:
    """Return the operator's own file of values for a target."""
    return folder / f".env.{target}"


def secrets_folder(folder: Path, target: str) -> Path:
    """Return the operator's folder of a target's secrets, one file each."""
    return folder / SECRETS / target


def ages_file(target: str) -> PurePosixPath:
    """Return the path of the record of how old a target's secrets are, relative to the project's folder."""
    return PurePosixPath(RUNTIME, target, "secrets.json")


def releases_folder(target: str) -> PurePosixPath:
    """Return where an environment's releases lie, relative to the project's folder."""
    return PurePosixPath(RUNTIME, target, "releases")


def native_folder(target: str) -> PurePosixPath:
    """Return where everything lies that concerns services on the desk, relative to the project's folder."""
    return PurePosixPath(RUNTIME, target, "native")
