"""Start containers of the recipe images by hand, as the tests of their contracts do, and leave nothing behind."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from envmgr.operations.images import recipe_hash, recipe_labels
from envmgr.spec.recipes import Recipe, read_recipes

IMAGES = Path(__file__).parents[2] / "images"

Run = subprocess.CompletedProcess[str]


def docker(*arguments: str, check: bool = True, stdin: bytes | str = b"", seconds: float = 60) -> Run:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(["docker", *arguments], input=data, capture_output=True, timeout=seconds, check=False)
    run = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert not check or run.returncode == 0, f"docker {arguments}: {run.stderr}"
    return run


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def archive(files: Mapping[str, tuple[str | bytes, int]]) -> bytes:
    """Make a tar of path → (content, mode) for `docker cp`, owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Bench:
    """Containers, volumes and networks of one test, with names of its own, all removed after it."""

    def __init__(self) -> None:
        self.prefix = f"envmgr-contract-{secrets.token_hex(4)}"
        self.containers: list[str] = []
        self.volumes: list[str] = []
        self.networks: list[str] = []

    def volume(self) -> str:
        name = f"{self.prefix}-v{len(self.volumes)}"
        docker("volume", "create", name)
        self.volumes.append(name)
        return name

    def network(self) -> str:
        name = f"{self.prefix}-n{len(self.networks)}"
        docker("network", "create", name)
        self.networks.append(name)
        return name

    def start(self, image: str, *options: str, command: tuple[str, ...] = (), files: bytes = b"") -> str:
        name = f"{self.prefix}-c{len(self.containers)}"
        self.containers.append(name)
        docker("create", "--name", name, *options, image, *command)
        if files:
            docker("cp", "-", f"{name}:/", stdin=files)
        docker("start", name)
        return name

    def refused(self, image: str, *options: str, command: tuple[str, ...] = (), files: bytes = b"") -> str:
        """Return what a container wrote that was expected to stop by itself with a failure."""
        name = self.start(image, *options, command=command, files=files)
        assert docker("wait", name).stdout.strip() != "0", "started, but was to be refused"
        return output(name)

    def remove(self) -> None:
        for kind, names in (("container", self.containers), ("volume", self.volumes), ("network", self.networks)):
            options = ("--force", "--volumes") if kind == "container" else ("--force",)
            if names:
                docker(kind, "rm", *options, *names, check=False)


class Images(dict[str, str]):
    """Name → image of every recipe, each built when it is first asked for and not there as its recipe says."""

    def __init__(self) -> None:
        super().__init__()
        self.recipes = read_recipes(IMAGES)

    def __missing__(self, name: str) -> str:
        recipe = self.recipes[name]
        for needed in recipe.needs:
            assert self[needed]
        labels = recipe_labels(name, recipe, self._hash(name))
        if not labels.items() <= _labels(recipe.image).items():
            _build(recipe, labels)
        self[name] = recipe.image
        return recipe.image

    def _hash(self, name: str) -> str:
        recipe = self.recipes[name]
        return recipe_hash(IMAGES, recipe, {needed: self._hash(needed) for needed in recipe.needs})


def _labels(image: str) -> dict[str, str]:
    found = docker("image", "inspect", "--format", "{{json .Config.Labels}}", image, check=False)
    return (json.loads(found.stdout) or {}) if found.returncode == 0 else {}


def _build(recipe: Recipe, labels: Mapping[str, str]) -> None:
    lines = [f"{key}={value}" for key, value in labels.items()]
    if recipe.script:
        environment = {**os.environ, "ENVMGR_LABELS": "\n".join(lines)}
        subprocess.run([IMAGES / recipe.script, recipe.image], check=True, timeout=300, env=environment)
    else:
        named = [word for line in lines for word in ("--label", line)]
        docker("build", "--tag", recipe.image, *named, str(IMAGES / (recipe.context or "")), seconds=300)


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return docker("run", "--rm", *options, image, *command).stdout.strip()


def output(container: str) -> str:
    logs = docker("logs", container)
    return logs.stdout + logs.stderr


def inspect(subject: str, template: str) -> str:
    return docker("inspect", "--format", template, subject).stdout.strip()


def stop_seconds(container: str) -> float:
    """Stop as the image asks, and return how long that took."""
    begin = time.monotonic()
    docker("stop", "--timeout", "30", container)
    return time.monotonic() - begin


def confinement(container: str) -> set[tuple[str, ...]]:
    """Return what the processes of a container have: uid, effective and reachable capabilities, no-new-privileges."""
    status = docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status").stdout
    fields = ("Uid", "CapEff", "CapBnd", "NoNewPrivs")
    columns = (re.findall(rf"^{field}:\t(\w+)", status, re.MULTILINE) for field in fields)
    return set(zip(*columns, strict=True))


def confined_to(uid: str) -> set[tuple[str, ...]]:
    return {(uid, "0" * 16, "0" * 16, "1")}


def mounted(folder: Path, path: str, content: str) -> str:
    """Mount a text at a path as a file that everybody may read; the folder keeps it."""
    file = folder / f"{len(list(folder.iterdir()))}"
    file.write_text(content)
    file.chmod(0o644)
    return f"--volume={file}:{path}:ro"
