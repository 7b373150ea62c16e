"""Compose itself reads the committed documents, as a fresh clone has them: without any env file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from envmgr import layout

pytestmark = pytest.mark.docker

DOCUMENTS = (
    ("docker-compose.base.yml",),
    ("docker-compose.base.yml", "docker-compose.base.recipes.yml"),
    *((f"docker-compose.app.{environment}.yml",) for environment in ("dev", "stage", "prod")),
)


def config(folder: Path, documents: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    flags = [part for document in documents for part in ("-f", document)]
    command = ["docker", "compose", *flags, "config", "--no-env-resolution", "-q"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def fresh(tmp_path: Path, repository: Path) -> Path:
    return Path(shutil.copytree(repository / layout.COMPOSE, tmp_path / layout.COMPOSE))


@pytest.mark.parametrize("documents", DOCUMENTS, ids=" ".join)
def test_compose_takes_it_without_a_word(fresh: Path, documents: tuple[str, ...]):
    done = config(fresh, documents)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose_would_say_so(fresh: Path):
    document = fresh / "docker-compose.app.dev.yml"
    document.write_text(document.read_text().replace("    read_only: true", "    read_onyl: true", 1))
    done = config(fresh, (document.name,))
    assert done.returncode != 0
    assert "read_onyl" in done.stderr
