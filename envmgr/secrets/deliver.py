"""Variables and secrets become files on the host that exactly one service mounts or reads.

The operator's `.env.<environment>` never reaches a container: each service gets an env file with its own variables, and
one file per secret, below `.envmgr/`, which is never committed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from envmgr import layout, naming
from envmgr.errors import EnvmgrError, SpecError
from envmgr.files import write_atomic
from envmgr.model.stack import Service, Stack
from envmgr.secrets.vault import Vault

_KEY = "revision.key"
_LONGEST = 60 * 1024
"""Compose reads no env file with a line above 64 KiB."""


def deliver(folder: Path, stack: Stack, plain: Mapping[str, str], vault: Vault) -> dict[str, str]:
    """Write the files of every service; return each service's revision, which its containers should carry.

    `plain` are the values of the stack's declared variables that are no secrets.
    Raises: `SpecError` when a value cannot be carried by an env file, nothing is written then; `EnvmgrError` when a
    file cannot be written.
    """
    contents = {service.name: _contents(service, plain, vault) for service in stack.services}
    with _told(folder, stack, "written"):
        return _write_all(folder, stack, contents)


@contextmanager
def _told(folder: Path, stack: Stack, what: str) -> Iterator[None]:
    """Turn what the file system refuses into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise EnvmgrError(
            # Of a rename, the second name is the one that the operator knows.
            f"{error.filename2 or error.filename or folder / layout.RUNTIME} cannot be {what}: {error.strerror}",
            state=f"Nothing of {stack.target} was started or changed.",
            help="Correct its owner or permissions, or move away what is in its place.",
        ) from error


def _write_all(
    folder: Path, stack: Stack, contents: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]
) -> dict[str, str]:
    key = key_of(folder / layout.RUNTIME / stack.target, makes=True)
    revisions = {}
    for service in stack.services:
        variables, files = contents[service.name]
        revisions[service.name] = _revision(key, variables, files)
        _write_env(folder, stack, service, {**variables, naming.REVISION: revisions[service.name]})
        _write_secrets(folder, stack, service, files)
    return revisions


def revisions(folder: Path, stack: Stack, plain: Mapping[str, str], vault: Vault) -> dict[str, str]:
    """Return what `deliver` would return, and write nothing; before its first time, what no container carries.

    Raises: `SpecError` and `EnvmgrError` as `deliver` does.
    """
    contents = {service.name: _contents(service, plain, vault) for service in stack.services}
    with _told(folder, stack, "read"):
        key = key_of(folder / layout.RUNTIME / stack.target, makes=False)
    return {name: _revision(key, variables, files) for name, (variables, files) in contents.items()}


def withdraw(folder: Path, target: str) -> None:
    """Remove everything that was delivered to a target."""
    shutil.rmtree(folder / layout.RUNTIME / target, ignore_errors=True)


def _contents(service: Service, plain: Mapping[str, str], vault: Vault) -> tuple[dict[str, str], dict[str, str]]:
    variables = {name: plain[name] for name in service.supplied if name in plain}
    variables |= vault.fill_all(service.templated)
    for name, value in variables.items():
        _check_line(service, name, value)
    return variables, {mount.name: vault.fill(mount.content) for mount in service.secrets}


def _check_line(service: Service, name: str, value: str) -> None:
    if "\n" in value or "\r" in value or "\0" in value:
        raise SpecError(
            f"{name} of {service.name} holds a line break, which an env file cannot carry",
            state="Nothing was written.",
            help=f"Declare it with `secret = true` under [variables.{name}]: a file carries it as it is.",
        )
    if len(value.encode()) > _LONGEST:
        raise SpecError(f"{name} of {service.name} is longer than 60 KiB", state="Nothing was written.")


def key_of(folder: Path, *, makes: bool) -> bytes:
    """Return the host's own key for revisions: with it, a revision in a container's environment tells nothing."""
    path = folder / _KEY
    with suppress(FileNotFoundError):
        return path.read_bytes()
    key = secrets.token_bytes(32)
    if makes:
        private_folder(folder)
        write_atomic(path, key, 0o600)
    return key


def _revision(key: bytes, variables: Mapping[str, str], files: Mapping[str, str]) -> str:
    """Return a digest for each name, so that a change can be told by name, and never by value."""
    parts = {
        name: [str(name in files), files.get(name, ""), str(name in variables), variables.get(name, "")]
        for name in {*files, *variables}
    }
    return naming.revision({name: digest(key, name, *values) for name, values in parts.items()})


def digest(key: bytes, *parts: str) -> str:
    """Return what tells two values apart and nothing else."""
    return hmac.new(key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:12]


def _write_env(folder: Path, stack: Stack, service: Service, variables: Mapping[str, str]) -> None:
    path = folder / layout.env_file(stack.target, service.name)
    private_folder(path.parent)
    text = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
    write_atomic(path, text.encode(), 0o600)


def _write_secrets(folder: Path, stack: Stack, service: Service, files: Mapping[str, str]) -> None:
    # Root can give a file to the container's user; another operator cannot, so the folder keeps others out instead.
    is_root = os.geteuid() == 0
    uid = int(service.user.split(":")[0]) if is_root else None
    for name, text in files.items():
        path = folder / layout.secret_file(stack.target, service.name, name)
        private_folder(path.parent)
        write_atomic(path, text.encode(), 0o400 if is_root else 0o444, uid=uid)


def private_folder(folder: Path) -> None:
    """Make a folder and what is above it, up to `.envmgr`, for the operator alone."""
    root = next(parent for parent in (folder, *folder.parents) if parent.name == layout.RUNTIME)
    folder.mkdir(parents=True, exist_ok=True)
    for one in (folder, *folder.parents):
        one.chmod(0o700)
        if one == root:
            return
