"""What cannot be imported ends in one clear sentence, and writes nothing; what is dangerous is told by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envmgr import layout

pytestmark = pytest.mark.docker

GOOD = "services: { web: { image: 'registry.example.com/web:1' } }\n"


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'envmgr'; from envmgr.cli.entry import main; main()"
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ} | variables
    command = [sys.executable, "-c", code, "import", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120, env=environ)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("services: [", 3, "compose.yml cannot be read"),
        ("just words\n", 3, "compose.yml cannot be read"),
        ("", 3, "compose.yml cannot be read"),
        ("services: {}\n", 3, "compose.yml"),
        ("volumes: { a: }\n", 3, "compose.yml"),
        ("services: { web: { image: a, prots: [1] } }\n", 3, "prots"),
        ("services: { web: { command: run } }\n", 3, "web"),
        ("include: [absent.yml]\nservices: { web: { image: a } }\n", 3, "absent.yml"),
        ("services: { web: { extends: { file: absent.yml, service: x } } }\n", 3, "absent.yml"),
        ("services: { web: { image: a, depends_on: [nobody] } }\n", 3, "nobody"),
        ("services: { web: { image: a, ports: ['${PORT:?}:80'] } }\n", 3, "compose.yml cannot be read"),
        (
            "services: { web: { build: 'https://git.example.com/a.git' } }\n",
            3,
            "nothing of compose.yml can be carried over",
        ),
        ("services: { web: { image: a, profiles: [debug] } }\n", 3, "--profile debug"),
    ],
)
def test_a_file_that_cannot_be_imported(tmp_path: Path, text: str, code: int, sentence: str):
    (tmp_path / "compose.yml").write_text(text)
    done = run(tmp_path, "compose.yml")
    assert (done.returncode, done.stdout) == (code, "")
    first = done.stderr.splitlines()[0]
    assert first.startswith("error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert files(tmp_path) == {"compose.yml"}


def test_a_spec_that_is_there_is_never_overwritten(tmp_path: Path):
    (tmp_path / "compose.yml").write_text(GOOD)
    (tmp_path / layout.SPEC).write_text("mine\n")
    done = run(tmp_path, "compose.yml")
    assert done.returncode == 2
    assert "envmgr.toml is there already, and import overwrites nothing" in done.stderr
    assert (tmp_path / layout.SPEC).read_text() == "mine\n"
    assert run(tmp_path, "compose.yml", "--output", "other.toml").returncode == 0
    assert files(tmp_path) == {"compose.yml", layout.SPEC, "other.toml"}


def test_a_dangling_link_in_its_place_is_not_followed(tmp_path: Path):
    (tmp_path / "compose.yml").write_text(GOOD)
    (tmp_path / layout.SPEC).symlink_to(tmp_path / "elsewhere.toml")
    assert run(tmp_path, "compose.yml").returncode == 2
    assert not (tmp_path / "elsewhere.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Missing argument 'FILE…'"),
        (("absent.yml",), "absent.yml is no file"),
        (("compose.yml", "--environment", "Dev!"), "Dev! is no name for an environment"),
        (("compose.yml", "--container", "db"), "there is no service db"),
        (("compose.yml", "--output", "no/where.toml"), "the folder of no/where.toml does not exist"),
    ],
)
def test_a_wrong_call_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...], sentence: str):
    (tmp_path / "compose.yml").write_text(GOOD)
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert files(tmp_path) == {"compose.yml"}


def test_without_docker_it_says_so(tmp_path: Path):
    (tmp_path / "compose.yml").write_text(GOOD)
    done = run(tmp_path, "compose.yml", PATH=str(tmp_path))
    assert done.returncode == 4
    assert "The docker command is not on the PATH" in done.stderr
    assert files(tmp_path) == {"compose.yml"}


def imported(folder: Path, text: str, *arguments: str) -> dict[str, object]:
    (folder / "compose.yml").write_text(text)
    done = run(folder, "compose.yml", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("line", "key", "why"),
    [
        ("privileged: true", "privileged", "this gives the container the whole host"),
        ("network_mode: host", "network_mode", "services are on their environment's networks"),
        ("pid: host", "pid", "this shares the host's processes"),
        ("container_name: fixed", "container_name", "envmgr names containers itself"),
        ("volumes: ['/var/run/docker.sock:/var/run/docker.sock']", "volumes./var/run/docker.sock", "the whole host"),
        ("user: root", "user", "root is refused"),
    ],
)
def test_what_is_dangerous_is_left_out_and_told_with_its_line(tmp_path: Path, line: str, key: str, why: str):
    found = imported(tmp_path, f"services:\n  web:\n    image: registry.example.com/web:1\n    {line}\n")
    told = [one for fate in ("lost", "changed") for one in found[fate] if one["key"] == key]
    assert [one["place"] for one in told] == ["compose.yml:4"]
    assert why in told[0]["why"]
    assert line.partition(":")[0] not in (tmp_path / layout.SPEC).read_text().replace("user = ", "")


def test_a_build_outside_the_folder_is_kept_and_told(tmp_path: Path):
    folder = tmp_path / "project"
    folder.mkdir()
    found = imported(folder, "services: { web: { build: ../elsewhere } }\n")
    outside = str(tmp_path / "elsewhere")
    assert found["decisions"] == [f"web: it is built from {outside}, outside this folder: the spec holds that path"]
    assert f'context = "{outside}"' in (folder / layout.SPEC).read_text()


def test_values_of_the_shell_reach_no_file(tmp_path: Path):
    (tmp_path / "compose.yml").write_text(
        "services:\n  web:\n    image: registry.example.com/web:1\n"
        "    environment: { API_TOKEN: '${API_TOKEN}', COPY_OF_TOKEN: 'x-${API_TOKEN:-none}' }\n"
    )
    done = run(tmp_path, "compose.yml", API_TOKEN="not-a-real-token")
    assert done.returncode == 0, done.stderr
    assert "not-a-real-token" not in done.stdout + (tmp_path / layout.SPEC).read_text()
    assert (tmp_path / ".env.dev").stat().st_mode & 0o777 == 0o600


def test_an_env_file_that_is_missing_is_told_and_the_rest_imported(tmp_path: Path):
    found = imported(tmp_path, "services: { web: { image: 'registry.example.com/web:1', env_file: absent.env } }\n")
    assert "absent.env" in str(found["decisions"])
    assert [one["kind"] for one in found["services"]] == ["container"]


def test_the_shape_of_its_json(tmp_path: Path):
    found = imported(tmp_path, GOOD, "--name", "shop", "--environment", "prod")
    assert set(found) == {
        *("format", "event", "file", "environment", "services", "added", "changed", "lost", "decisions", "values"),
        "compared",
    }
    assert set(found["services"][0]) == {"service", "kind", "table", "runs", "why"}
    assert set(found["added"][0]) == {"service", "key", "before", "after", "why", "place"}
    assert 'name = "shop"' in (tmp_path / layout.SPEC).read_text()
    assert "[environments.prod]" in (tmp_path / layout.SPEC).read_text()
