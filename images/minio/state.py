"""What the server, `mc` and rclone's authentication share: buckets, users and policies in the data folder."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stand_in.settings import setting

BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class User:
    """An access key: its secret, and what its policies allow; the root user may do everything."""

    key: str
    secret: str
    is_root: bool = False
    statements: tuple[dict[str, Any], ...] = ()

    def may(self, action: str, bucket: str) -> bool:
        """Tell whether an action such as `s3:GetObject` is allowed in a bucket."""
        effects = {one["Effect"] for one in self.statements if _speaks_of(one, action, bucket)}
        return self.is_root or effects == {"Allow"}


def _speaks_of(statement: dict[str, Any], action: str, bucket: str) -> bool:
    """Policies are judged by bucket: of a resource, what follows the bucket's name is not looked at."""
    resources = [one.removeprefix("arn:aws:s3:::").partition("/")[0] for one in _listed(statement["Resource"])]
    return any(fnmatchcase(action, pattern) for pattern in _listed(statement["Action"])) and any(
        fnmatchcase(bucket, pattern) for pattern in resources
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class State:
    """The data folder. Every change is one locked, atomic replacement of one file."""

    def __init__(self, data: Path) -> None:
        self.buckets = data / "buckets"
        self._folder = data / ".stand-in"
        self._file = self._folder / "users.json"

    def prepare(self) -> None:
        """Make the folders; raises `OSError` where that is not possible."""
        for folder in (self.buckets, self._folder):
            folder.mkdir(mode=0o700, exist_ok=True)

    def bucket_names(self) -> list[str]:
        """Return the buckets in the order of their names."""
        return sorted(path.name for path in self.buckets.iterdir() if path.is_dir() and BUCKET.fullmatch(path.name))

    def usage(self) -> dict[str, tuple[int, int]]:
        """Return number and bytes of each bucket's objects."""
        return {name: _sum(self.buckets / name) for name in self.bucket_names()}

    def read(self) -> dict[str, Any]:
        """Return `users` (key → secret and names of policies) and `policies` (name → document)."""
        try:
            document: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            document = {"users": {}, "policies": {}}
        return document

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Give the users and policies to change, and keep them when nothing was raised."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self.read()
            yield document
            unfinished = self._file.with_suffix(".part")
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self._file)

    def user(self, key: str) -> User | None:
        """Return the user of an access key as of now."""
        root = root_user()
        if key == root.key:
            return root
        document = self.read()
        found = document["users"].get(key)
        if found is None:
            return None
        policies = [document["policies"].get(name, {}) for name in found["policies"]]
        statements = [statement for policy in policies for statement in policy.get("Statement", ())]
        return User(key, found["secret"], statements=tuple(statements))

    def visible(self, user: User) -> list[str]:
        """Return the buckets that a user may list or read."""
        reading = ("s3:ListBucket", "s3:GetObject", "s3:PutObject")
        return [name for name in self.bucket_names() if any(user.may(action, name) for action in reading)]

    def fingerprint(self, user: User) -> bytes:
        """Return what changes with all that rclone knows of a user: its secret and its buckets."""
        return hashlib.sha256("\0".join([user.key, user.secret, *self.visible(user)]).encode()).digest()


def _sum(bucket: Path) -> tuple[int, int]:
    # What rclone has not finished is no object yet.
    files = (path for path in bucket.rglob("*") if path.is_file() and not path.name.startswith(".rclone_temp_"))
    sizes = [file.stat().st_size for file in files]
    return len(sizes), sum(sizes)


def root_user() -> User:
    """Return the user that the container was started with."""
    names = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
    key, secret = (setting(name, "minioadmin", folder="/run/secrets") for name in names)
    return User(key, secret, is_root=True)
