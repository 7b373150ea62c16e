"""A resolved system is recalled as long as everything that it follows from is as it was, and not a moment longer."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import envmgr
from envmgr import layout
from envmgr.errors import SpecError
from envmgr.model.resolved import Resolved
from envmgr.operations.spec_file import SpecFile
from envmgr.records import codec, evidence, kept

SPEC = """\
[project]
name = "kept"

[images]
recipes = "recipes"

[infra.redis]

[services.app]
kind = "asgi"
image = "app:1"
app = "a:app"
uses = ["redis"]

[environments.dev]
"""
LOCK = {"format": 1, "images": {}, "builds": {}, "recipes": {}}
RECIPES = '[redis]\nimage = "mine/redis:8.0"\nreplaces = "redis:8.0"\ncontext = "redis"\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and code that has long been as it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(evidence, "_FRESH", -1e12)
    return tmp_path / "cache" / "envmgr" / "systems"


@pytest.fixture
def file(tmp_path: Path, cache: Path) -> Path:
    """A project whose system is kept."""
    (tmp_path / "project" / "recipes").mkdir(parents=True)
    path = tmp_path / "project" / "envmgr.toml"
    path.write_text(SPEC)
    (path.parent / layout.LOCK).write_text(json.dumps(LOCK))
    (path.parent / "recipes" / "recipes.toml").write_text(RECIPES)
    assert not is_recalled(path)
    assert is_recalled(path)
    return path


def is_recalled(file: Path) -> bool:
    """Resolve a spec, and tell whether it had not to be read for that."""
    spec = SpecFile(file)
    assert spec.resolved
    return "loaded" not in vars(spec)


def test_what_is_recalled_is_what_was_resolved(file: Path, cache: Path):
    recalled = SpecFile(file).resolved
    for one in cache.iterdir():
        one.unlink()
    resolved = SpecFile(file).resolved
    assert recalled == resolved
    assert repr(recalled) == repr(resolved)
    assert recalled.recipes["redis"].replaces == "redis:8.0"


def test_the_rest_of_the_spec_is_read_when_it_is_asked_for(file: Path):
    spec = SpecFile(file)
    assert spec.resolved
    assert spec.locate("services.app.kind").place.line == 10
    assert spec.loaded.spec.project.name == "kept"


def stamps() -> list[list[object]]:
    """Return what the only kept file says of code."""
    (found,) = kept._folder().iterdir()
    return json.loads(found.read_text().splitlines()[1])["code"]


def touched(path: Path) -> None:
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


# ---- every input


def test_the_specs_text(file: Path):
    file.write_text(SPEC.replace("app:1", "app:2"))
    assert not is_recalled(file)
    assert SpecFile(file).resolved.declared.environments[0].services[0].image.reference == "app:2"
    assert is_recalled(file)
    file.write_text(SPEC)
    assert not is_recalled(file), "one file is kept for each spec, the last"


def test_a_spec_that_is_as_it_was_whatever_its_date(file: Path):
    touched(file)
    assert is_recalled(file)


def test_the_lock(file: Path):
    lock = file.parent / layout.LOCK
    lock.write_text(json.dumps({**LOCK, "images": {"app:1": {"digest": f"sha256:{'a' * 64}", "platforms": []}}}))
    assert not is_recalled(file)
    assert is_recalled(file)
    lock.unlink()
    assert not is_recalled(file)
    lock.write_text("")
    with pytest.raises(SpecError, match="is not a lock"):
        is_recalled(file)


def test_the_recipes(file: Path):
    recipes = file.parent / "recipes" / "recipes.toml"
    recipes.write_text(RECIPES.replace("mine/", "ours/"))
    assert not is_recalled(file)
    assert SpecFile(file).resolved.declared.substitutes == {"redis:8.0": "ours/redis:8.0"}
    recipes.unlink()
    assert not is_recalled(file)
    recipes.write_text("x")
    with pytest.raises(SpecError, match="is not a list of image recipes"):
        is_recalled(file)


@pytest.mark.parametrize(
    ("where", "name", "changed"),
    [(envmgr, "__version__", "99"), (sys, "version", "3.99"), (evidence, "package", lambda: "/elsewhere")],
)
def test_the_program(file: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str, changed: object):
    monkeypatch.setattr(where, name, changed)
    assert not is_recalled(file)


def test_the_format(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_FORMAT", 2)
    assert not is_recalled(file)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that is loaded: as a kind of another package would be."""
    path = tmp_path / "kinds_of_mine.py"
    path.write_text("a = 1\n")
    loaded = ModuleType("kinds_of_mine")
    loaded.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "kinds_of_mine", loaded)
    return path


@pytest.mark.parametrize("change", [touched, lambda path: path.write_text("a = 12\n"), Path.unlink])
def test_code_that_was_loaded(module: Path, file: Path, change: Callable[[Path], object]):
    assert str(module) in {path for path, *_ in stamps()}
    change(module)
    assert not is_recalled(file)


def test_every_file_of_envmgr_that_reads_and_resolves_is_among_it(file: Path):
    package = Path(evidence.package())
    told = {Path(path).relative_to(package).as_posix() for path, *_ in stamps() if Path(path).is_relative_to(package)}
    assert {one.relative_to(package).as_posix() for one in (package / "catalog").glob("*.py")} <= told
    assert {"resolve/system.py", "spec/load.py", "model/stack.py", "naming.py"} <= told
    assert any("pydantic" in path for path, *_ in stamps())


def test_code_that_has_just_changed_may_be_newer_than_what_was_loaded(file: Path, module: Path, monkeypatch):
    monkeypatch.setattr(evidence, "_FRESH", 60)
    file.write_text(SPEC + "# changed\n")
    assert not is_recalled(file)
    assert not is_recalled(file)


def test_packages_that_are_installed_and_removed(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    assert is_recalled(file), "a folder without packages is nothing"
    (folder / "mine-1.0.dist-info").mkdir()
    assert not is_recalled(file)
    assert is_recalled(file)
    touched(folder / "mine-1.0.dist-info")
    assert not is_recalled(file)
    (folder / "mine-1.0.dist-info").rmdir()
    assert not is_recalled(file)


def test_what_changes_while_it_is_resolved_is_not_kept(file: Path, monkeypatch: pytest.MonkeyPatch):
    changed = SPEC + "# changed\n"
    file.write_text(changed)
    real = SpecFile._resolve

    def resolve(self: SpecFile, recipes: object):
        (file.parent / layout.LOCK).unlink(missing_ok=True)
        return real(self, recipes)

    monkeypatch.setattr(SpecFile, "_resolve", resolve)
    assert not is_recalled(file)
    assert not is_recalled(file)
    assert is_recalled(file)


# ---- what is no file of ours


def the_file(cache: Path) -> Path:
    (found,) = cache.iterdir()
    return found


def test_a_file_that_ends_early_or_has_a_wrong_byte(file: Path, cache: Path):
    whole = the_file(cache).read_bytes()
    for at in (0, 1, 63, 64, 65, 200, len(whole) // 2, len(whole) - 1):
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            the_file(cache).write_bytes(broken)
            assert kept.recall(file, SPEC) is None, (at, len(broken))
    the_file(cache).write_bytes(whole)
    assert kept.recall(file, SPEC) is not None


@pytest.mark.parametrize("head", ["", "[]", "null", "{}", '{"format": 1}', "[" * 100_000, "\udcff"])
def test_a_file_of_somebody_else_with_a_good_checksum(file: Path, cache: Path, head: str):
    text = f"{head}\n{{}}".encode("utf-8", "surrogateescape")
    the_file(cache).write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
    assert kept.recall(file, SPEC) is None
    assert not is_recalled(file)
    assert is_recalled(file)


def test_a_folder_or_a_pipe_in_its_place(file: Path, cache: Path):
    path = the_file(cache)
    path.unlink()
    path.mkdir()
    assert not is_recalled(file)
    path.rmdir()
    os.mkfifo(path)
    assert not is_recalled(file)


def test_a_link_is_not_followed(file: Path, cache: Path, tmp_path: Path):
    path = the_file(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert kept.recall(file, SPEC) is None


@pytest.mark.parametrize("bit", [stat.S_IWGRP, stat.S_IWOTH])
def test_what_somebody_else_could_have_written(file: Path, cache: Path, bit: int):
    for path in (the_file(cache), cache):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | bit)
        assert kept.recall(file, SPEC) is None
        path.chmod(mode)
    assert kept.recall(file, SPEC) is not None


def test_another_users_file_is_not_read_and_nothing_is_left_in_another_users_home(file: Path, cache: Path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert kept.recall(file, SPEC) is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[2] / "of-another"))
    (cache.parents[2] / "of-another").mkdir()
    assert not is_recalled(file)
    assert list((cache.parents[2] / "of-another").iterdir()) == []


def test_it_is_the_users_alone(file: Path, cache: Path):
    assert stat.S_IMODE(the_file(cache).stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (cache, cache.parent)} == {0o700}


# ---- where nothing can be kept


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null", "/dev/null/cache"])
def test_a_cache_that_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch, place: str):
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    assert not is_recalled(file)
    assert not is_recalled(file)


def test_a_relative_cache_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kept._folder() == tmp_path / ".cache" / "envmgr" / "systems"


def test_nobody_at_home(file: Path, monkeypatch: pytest.MonkeyPatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert not is_recalled(file)
    assert not is_recalled(file)


def test_a_system_that_cannot_be_written_down_is_not_kept(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    for failing in (TypeError("a Dashboard is not kept"), ValueError(), RecursionError()):

        def encode(_value: object, error: Exception = failing) -> str:
            raise error

        file.write_text(f"{SPEC}# {failing!r}\n")
        monkeypatch.setattr(codec, "encode", encode)
        assert not is_recalled(file)
        assert not is_recalled(file)
    assert len(list(cache.iterdir())) == 1


def test_a_spec_with_problems_is_never_kept(file: Path, cache: Path):
    before = the_file(cache).read_bytes()
    file.write_text(SPEC.replace("asgi", "asgj"))
    for _ in range(2):
        with pytest.raises(SpecError):
            is_recalled(file)
    assert the_file(cache).read_bytes() == before


def test_who_keeps_secrets_is_known_without_the_spec(file: Path):
    file.write_text(SPEC + '[secrets.dev]\nsource = "age"\n[secrets.infra]\nweak = "warn"\n')
    for _ in range(2):
        resolved = SpecFile(file).resolved
        assert (resolved.stores, resolved.base_says_weak) == (("dev",), True)
    assert is_recalled(file)
    file.write_text(SPEC)
    assert (SpecFile(file).resolved.stores, SpecFile(file).resolved.base_says_weak) == ((), False)


# ---- many


def test_only_so_many_are_kept(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept, "_AT_MOST", 3)
    for number in range(5):
        other = file.parent / f"{number}.toml"
        other.write_text(SPEC)
        assert not is_recalled(other)
    assert len(list(cache.iterdir())) == 3
    assert is_recalled(other)
    assert not is_recalled(file)


def test_two_checkouts_have_their_own(file: Path, tmp_path: Path):
    other = tmp_path / "other" / "envmgr.toml"
    other.parent.mkdir()
    other.write_text(SPEC)
    assert not is_recalled(other)
    assert SpecFile(other).resolved.recipes == {}
    assert is_recalled(file)


WRITER = """
import sys
from pathlib import Path
from envmgr.operations.spec_file import SpecFile
from envmgr.records import evidence, kept
evidence._FRESH = -1e12
spec = SpecFile(Path(sys.argv[1]))
resolved = spec._resolved_anew()
sources = kept.sources_of(spec.file, spec._text, resolved.recipes_folder)
for _ in range(40):
    kept.keep(spec.file, spec._text, sources, resolved)
print("done")
"""


@pytest.mark.spawns
def test_two_processes_that_write_at_once(file: Path, cache: Path):
    command = [sys.executable, "-c", WRITER, str(file)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    seen: list[Resolved] = []
    while any(one.poll() is None for one in writers):
        found = kept.recall(file, SPEC)
        assert found is not None, "a reader sees the old one or the new one"
        seen.append(found)
    assert [one.communicate(timeout=60)[0] for one in writers] == ["done\n", "done\n"]
    assert all(found == seen[0] for found in seen)
    assert [one.suffix for one in cache.iterdir()] == [".json"]


# ---- secrets


def test_no_secrets_value_is_kept(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    file.write_text(SPEC + "[variables]\nTOKEN = { secret = true }\n")
    for name in ("TOKEN", "REDIS_PASSWORD"):
        monkeypatch.setenv(name, "hunter2hunter2")
    (file.parent / ".env.dev").write_text("TOKEN=hunter2hunter2\nREDIS_PASSWORD=hunter2hunter2\n")
    (file.parent / ".env").write_text("REDIS_ADMIN_PASSWORD=hunter2hunter2\n")
    assert not is_recalled(file)
    assert is_recalled(file)
    text = the_file(cache).read_text()
    assert "TOKEN" in text
    assert "hunter2" not in text
