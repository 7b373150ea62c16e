"""A first spec in a folder: everything or nothing, and nothing that is there is overwritten."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envmgr.errors import EnvmgrError, UsageError
from envmgr.files import write_atomic
from envmgr.model.result import InitResult
from envmgr.operations import init as module
from envmgr.operations.init import ENVIRONMENTS, init, look_around, prepare
from envmgr.operations.project import open_project
from envmgr.operations.schema import write_schema
from envmgr.operations.survey import survey

APPLICATION = {
    "Dockerfile": "FROM python:3.13\n",
    "requirements.txt": "fastapi\nuvicorn\n",
    "main.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/health')\ndef health(): ...\n",
}
WRITTEN = ("envmgr.schema.json", ".env.example", "envmgr.mk", "Makefile", ".gitignore", ".dockerignore", "envmgr.toml")
Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Put files into a folder called `my-shop`."""
    monkeypatch.setattr(module, "schema", lambda: {"title": "envmgr.toml"})  # the whole one takes a moment

    def filled(files: dict[str, str] = APPLICATION) -> Path:
        folder = tmp_path / "my-shop"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        folder.mkdir(exist_ok=True)
        return folder

    return filled


def began(folder: Path, name: str = "", environments: tuple[str, ...] = ENVIRONMENTS) -> InitResult:
    found = look_around(folder / "envmgr.toml")
    return init(prepare(found, name or found.name, environments))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_written_and_the_spec_opens(fill: Fill):
    folder = fill()
    result = began(folder)
    assert result == InitResult("envmgr.toml", WRITTEN, (), (), ENVIRONMENTS)
    system = open_project(folder / "envmgr.toml").system
    assert system.project == "my-shop"
    assert [stack.target for stack in system.stacks] == ["infra", *ENVIRONMENTS]
    assert json.loads((folder / "envmgr.schema.json").read_text())["title"] == "envmgr.toml"
    assert {(folder / path).stat().st_mode & 0o777 for path in WRITTEN} == {0o644}


def test_names_are_the_operators(fill: Fill):
    folder = fill()
    began(folder, "shop", ("test", "live", "test"))
    system = open_project(folder / "envmgr.toml").system
    assert (system.project, [stack.target for stack in system.stacks]) == ("shop", ["infra", "test", "live"])


def test_what_is_there_stays_and_is_named(fill: Fill):
    mine = dict.fromkeys((".env.example", "envmgr.mk", "envmgr.schema.json"), "mine\n")
    folder = fill({**APPLICATION, **mine, "makefile": "dev:\n\ttrue\n", ".gitignore": ".env\n"})
    result = began(folder)
    assert result.written == (".gitignore", ".dockerignore", "envmgr.toml")
    assert set(result.kept) == set(mine)
    assert all((folder / name).read_text() == "mine\n" for name in mine)
    assert (folder / "makefile").read_text() == "dev:\n\ttrue\n"
    assert (folder / ".gitignore").read_text().startswith(".env\n\n# envmgr")
    assert result.notes == (
        "makefile stays as it is: add the line `include envmgr.mk` for the docker-* targets",
        "makefile has targets of its own called dev: envmgr.mk leaves them",
    )


def test_what_gitignore_holds_keeps_its_bytes_and_its_mode(fill: Fill):
    folder = fill()
    ignored = folder / ".gitignore"
    ignored.write_bytes(b"\xff\xfe caf\xe9\r\n")
    ignored.chmod(0o600)
    began(folder)
    assert ignored.read_bytes().startswith(b"\xff\xfe caf\xe9\r\n\n# envmgr")
    assert ignored.stat().st_mode & 0o777 == 0o600


def test_a_link_is_left_alone(fill: Fill, tmp_path: Path):
    folder = fill()
    for name in (".gitignore", ".env.example"):
        (folder / name).symlink_to(tmp_path / "nowhere")
    result = began(folder)
    assert ".gitignore" not in result.written
    assert result.kept == (".env.example",)
    assert not (tmp_path / "nowhere").exists()


def test_an_include_that_is_there_is_not_asked_for(fill: Fill):
    assert began(fill({**APPLICATION, "Makefile": "include envmgr.mk\n"})).notes == ()


def test_a_compose_file_leads_to_import(fill: Fill):
    (note,) = began(fill({**APPLICATION, "compose.yaml": "services: {}\n"})).notes
    assert note == "compose.yaml is there: to make a spec of it, remove envmgr.toml, then: envmgr import compose.yaml"


def test_an_image_from_elsewhere_needs_no_dockerignore(fill: Fill):
    folder = fill({f"api/{path}": text for path, text in APPLICATION.items()})
    assert ".dockerignore" not in began(folder).written


def test_a_folder_with_nothing_in_it(fill: Fill):
    result = began(fill({}))
    assert result.notes == ("no program was found: describe one under [services.NAME]",)


# ---- refused


def test_a_spec_that_is_there_is_refused(fill: Fill):
    folder = fill()
    began(folder)
    before = contents(folder)
    with pytest.raises(UsageError, match=r"envmgr\.toml is there already") as caught:
        look_around(folder / "envmgr.toml")
    assert caught.value.state == "Nothing was written."
    assert contents(folder) == before


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="is no folder"):
        look_around(tmp_path / "no" / "envmgr.toml")


@pytest.mark.parametrize(("name", "environments"), [("My Shop", ("dev",)), ("shop", ("dev", "Live!")), ("", ("dev",))])
def test_a_name_that_nothing_could_have_is_refused(fill: Fill, name: str, environments: tuple[str, ...]):
    found = look_around(fill() / "envmgr.toml")
    with pytest.raises(UsageError, match="cannot be a name here") as caught:
        prepare(found, name, environments)
    assert caught.value.help.startswith('such as "')


def test_an_environment_called_like_the_base_is_refused_with_the_place(fill: Fill):
    found = look_around(fill() / "envmgr.toml")
    with pytest.raises(EnvmgrError, match="does not make a valid spec") as caught:
        prepare(found, "shop", ("infra",))
    assert caught.value.details == ('environments.infra: "infra" names the shared base: choose another name',)
    assert caught.value.state == "Nothing was written."


@pytest.mark.parametrize("failing", WRITTEN)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "/x"), KeyboardInterrupt()])
def test_all_or_nothing(fill: Fill, monkeypatch: pytest.MonkeyPatch, failing: str, error: BaseException):
    folder = fill({**APPLICATION, ".gitignore": "*.pyc\n"})
    before = contents(folder)
    found = look_around(folder / "envmgr.toml")
    start = prepare(found, "shop", ENVIRONMENTS)

    def write(path: Path, data: bytes, mode: int) -> bool:
        if path.name == failing and data != before.get(failing):
            raise error
        return write_atomic(path, data, mode)

    monkeypatch.setattr(module, "write_atomic", write)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else UsageError) as caught:
        init(start)
    if isinstance(caught.value, UsageError):
        assert str(caught.value) == "/x cannot be written: No space left on device"
        assert caught.value.state == "Nothing was written."
    assert contents(folder) == before


def test_a_file_that_came_in_the_meantime_is_not_overwritten(fill: Fill):
    folder = fill()
    start = prepare(look_around(folder / "envmgr.toml"), "shop", ENVIRONMENTS)
    (folder / "envmgr.toml").write_text("somebody else's")
    with pytest.raises(UsageError, match=r"envmgr\.toml cannot be written: it is there already"):
        init(start)
    assert (folder / "envmgr.toml").read_text() == "somebody else's"
    assert set(contents(folder)) == {*APPLICATION, "envmgr.toml"}


# ---- what is read


def test_only_small_text_of_known_names_is_read(fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = fill(
        {
            **APPLICATION,
            **{f"{name}/x.py": "" for name in ("node_modules", ".venv", "venv", "a/b", "dist", ".git")},
            ".env": "SECRET=1",
            "notes.md": "",
            "requirements/base.txt": "a",
            "a/base.txt": "b",
            "big.py": "x" * (256 * 1024 + 1),
        }
    )
    (folder / "linked.py").symlink_to(folder / "main.py")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "bad.py").write_bytes(b"\xff")
    assert set(survey(folder)) == {*APPLICATION, "a/b/x.py", "requirements/base.txt", "bad.py"}
    assert survey(folder)["bad.py"] == "\ufffd"


def test_a_limit_cuts_off_what_lies_deepest(fill: Fill, monkeypatch: pytest.MonkeyPatch):
    folder = fill({f"{'d/' * depth}m.py": "" for depth in range(9)})
    assert len(survey(folder)) == 7
    monkeypatch.setattr("envmgr.operations.survey._FILES", 2)
    assert set(survey(folder)) == {"m.py", "d/m.py"}


def test_a_folder_that_cannot_be_read_is_left_out(fill: Fill, monkeypatch: pytest.MonkeyPatch):
    folder = fill({"a/m.py": "", "b/m.py": ""})
    listed = os.scandir

    def refusing(path: str | Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert set(survey(folder)) == {"b/m.py"}


# ---- the schema beside the spec


def test_the_schema_is_written_once(tmp_path: Path):
    assert write_schema(tmp_path) == ("envmgr.schema.json", True)
    assert write_schema(tmp_path) == ("envmgr.schema.json", False)


def test_a_folder_that_takes_no_schema_is_an_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"envmgr\.schema\.json cannot be written: No such file"):
        write_schema(tmp_path / "no")
