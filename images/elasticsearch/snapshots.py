"""Snapshots in folders of a shared file system: one file each, with the indices and all their documents."""

from __future__ import annotations

import gzip
import json
import re
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from errors import ApiError
from store import Store

_NAME = re.compile(r"(?!_)[a-z0-9._-]+")

Body = dict[str, Any]


class Snapshots:
    """The repositories of one server; a folder counts only below those that `path.repo` names."""

    def __init__(self, store: Store, roots: list[Path]) -> None:
        self._store = store
        self._roots = roots

    def put_repository(self, name: str, body: Body) -> None:
        """Keep a repository. Raises: `ApiError` unless it is a folder that can be written."""
        if body.get("type") != "fs":
            raise ApiError(500, "repository_exception", f"[{name}] this stand-in has repositories of the type fs only")
        folder = Path(body.get("settings", {}).get("location", ""))
        roots = [root for root in self._roots if (root / folder).is_relative_to(root) and ".." not in folder.parts]
        if not roots:
            reason = f"[{name}] location [{folder}] doesn't match any of the locations specified by path.repo"
            raise ApiError(500, "repository_exception", reason)
        try:
            (roots[0] / folder).mkdir(parents=True, exist_ok=True)
            probe = roots[0] / folder / ".probe"
            probe.touch()
            probe.unlink()
        except OSError as error:
            reason = f"[{name}] path [{folder}] is not accessible: {error.strerror}"
            raise ApiError(500, "repository_verification_exception", reason) from error
        self._store.keep("repository", name, {**body, "folder": str(roots[0] / folder)})

    def repository(self, name: str) -> Body:
        """Return a repository as it was given. Raises: `ApiError` when there is none."""
        found = self._store.entry("repository", name)
        if found is None:
            raise ApiError(404, "repository_missing_exception", f"[{name}] missing")
        return {key: value for key, value in found.items() if key != "folder"}

    def create(self, repository: str, name: str, body: Body) -> Body:
        """Write a snapshot of all indices, or of those that `indices` names; return its description."""
        path = self._path(repository, name)
        if path.exists():
            reason = f"[{repository}:{name}] Invalid snapshot name [{name}], snapshot with the same name already exists"
            raise ApiError(400, "invalid_snapshot_name_exception", reason)
        started = time.time()
        chosen = _chosen(list(self._store.entries("index")), body.get("indices", "*"))
        held = {index: {"body": self._store.entry("index", index), "documents": self._all(index)} for index in chosen}
        document = {"started": started, "ended": time.time(), "indices": held}
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(gzip.compress(json.dumps(document).encode()))
        unfinished.rename(path)
        return self.described(repository, name)

    def described(self, repository: str, name: str) -> Body:
        """Return what may be told of a snapshot."""
        document = self._read(repository, name)
        shards = len(document["indices"])
        return {
            "snapshot": name,
            "repository": repository,
            "indices": list(document["indices"]),
            "state": "SUCCESS",
            "start_time_in_millis": int(document["started"] * 1000),
            "end_time_in_millis": int(document["ended"] * 1000),
            "failures": [],
            "shards": {"total": shards, "failed": 0, "successful": shards},
        }

    def names(self, repository: str) -> list[str]:
        """Return the snapshots of a repository, oldest first."""
        paths = self._folder(repository).glob("*.snapshot")
        return [path.stem for path in sorted(paths, key=lambda path: path.stat().st_mtime)]

    def restore(self, repository: str, name: str, body: Body) -> list[str]:
        """Bring indices back, under other names where `rename_pattern` says so; return their names."""
        held = self._read(repository, name)["indices"]
        names = {index: _renamed(index, body) for index in _chosen(list(held), body.get("indices", "*"))}
        for index in names.values():
            if self._store.entry("index", index) is not None:
                reason = f"[{repository}:{name}] cannot restore index [{index}] because an open index with same name"
                raise ApiError(500, "snapshot_restore_exception", f"{reason} already exists in the cluster.")
        for index, target in names.items():
            self._store.create_index(target, held[index]["body"])
            for identity, source in held[index]["documents"]:
                self._store.put(target, identity, source)
        return list(names.values())

    def delete(self, repository: str, name: str) -> None:
        """Remove a snapshot."""
        self._read(repository, name)
        self._path(repository, name).unlink()

    def _all(self, index: str) -> list[tuple[str, Body]]:
        return [(identity, source) for identity, _, source in self._store.documents(index)]

    def _folder(self, repository: str) -> Path:
        self.repository(repository)
        return Path((self._store.entry("repository", repository) or {})["folder"])

    def _path(self, repository: str, name: str) -> Path:
        if not _NAME.fullmatch(name):
            reason = f"[{repository}:{name}] Invalid snapshot name [{name}]"
            raise ApiError(400, "invalid_snapshot_name_exception", reason)
        return self._folder(repository) / f"{name}.snapshot"

    def _read(self, repository: str, name: str) -> Body:
        try:
            document: Body = json.loads(gzip.decompress(self._path(repository, name).read_bytes()))
        except FileNotFoundError as error:
            raise ApiError(404, "snapshot_missing_exception", f"[{repository}:{name}] is missing") from error
        except (OSError, EOFError, ValueError) as error:
            raise ApiError(500, "snapshot_exception", f"[{repository}:{name}] cannot be read") from error
        return document


def _chosen(names: list[str], expression: str | list[str]) -> list[str]:
    patterns = expression.split(",") if isinstance(expression, str) else expression
    patterns = ["*" if one == "_all" else one for one in patterns]
    for pattern in patterns:
        if "*" not in pattern and pattern not in names:
            raise ApiError(404, "index_not_found_exception", f"no such index [{pattern}]")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _renamed(index: str, body: Body) -> str:
    if "rename_pattern" not in body:
        return index
    # Java writes $1 where Python writes \1.
    return re.sub(body["rename_pattern"], re.sub(r"\$(\d)", r"\\\1", body.get("rename_replacement", "")), index)
