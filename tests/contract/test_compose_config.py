"""Compose itself reads the committed documents, as a fresh clone has them: without any env file."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envmgr import layout
from envmgr.operations.project import open_project
from envmgr.render.files import render
from tests.security.systems import documents, subsets, system_of

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


GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("case", sorted(path.parent.name for path in GOLDEN.glob("*/expected")))
def test_compose_takes_every_golden_document(tmp_path: Path, case: str):
    folder = Path(shutil.copytree(GOLDEN / case / "expected", tmp_path / layout.COMPOSE))
    for document in sorted(path.name for path in folder.glob("*.yml") if not path.name.endswith(".recipes.yml")):
        done = config(folder, (document,))
        assert (document, done.returncode, done.stdout, done.stderr) == (document, 0, "", "")


def test_compose_reads_raw_values_as_they_were_meant(tmp_path: Path):
    folder = Path(shutil.copytree(GOLDEN / "raw-keys" / "expected", tmp_path / layout.COMPOSE))
    command = [
        "docker",
        "compose",
        "-f",
        "docker-compose.app.dev.yml",
        "config",
        "--no-env-resolution",
        "--format=json",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    # What it prints can be read again: it doubles every dollar, in keys too.
    found = json.loads(done.stdout)["services"]["app"]
    assert (found["labels"]["com.example.price"], found["labels"]["$$com.example"]) == ("5 $$", "no")
    assert sorted(found["extra_hosts"]) == ["$$HOME=127.0.0.3", "up=127.0.0.2"]
    assert (found["cpu_shares"], found["oom_score_adj"], found["healthcheck"]["retries"]) == (512, -500, 5)


@pytest.mark.parametrize("example", ["arv", "docc2context", "spheroseg"])
def test_compose_takes_the_other_reference_systems(repository: Path, tmp_path: Path, example: str):
    project = open_project(repository / "examples" / example / layout.SPEC)
    for path, text in render(project.system, project.folder).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = sorted(path.name for path in tmp_path.glob("*.yml") if not path.name.endswith(".recipes.yml"))
    assert len(found) == 3
    for document in found:
        done = config(tmp_path, (document,))
        assert (document, done.returncode, done.stdout, done.stderr) == (document, 0, "", "")


def test_compose_takes_every_subset_of_the_optional_services(tmp_path: Path):
    """Each document that a choice leads to in prod or in the base, once."""
    made: dict[str, Path] = {}
    for chosen in subsets():
        for one in documents(system_of(chosen, tmp_path), tmp_path):
            if one.stack.target in ("infra", "prod") and one.text not in made:
                path = tmp_path / str(len(made)) / layout.COMPOSE / "docker-compose.yml"
                path.parent.mkdir(parents=True)
                path.write_text(one.text)
                made[one.text] = path
    assert len(made) > 40
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda path: config(path.parent, (path.name,)), made.values()))
    assert {(one.returncode, one.stdout, one.stderr) for one in done} == {(0, "", "")}
