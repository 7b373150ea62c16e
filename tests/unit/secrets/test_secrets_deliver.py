"""What reaches a container: files with the right bytes, modes and owner, and a revision that tells when they change."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr import naming
from envmgr.errors import EnvmgrError, SpecError
from envmgr.model.secret import SecretRef
from envmgr.model.stack import SecretMount, Service, Stack
from envmgr.secrets.deliver import deliver, withdraw
from envmgr.secrets.deliver import revisions as peek
from envmgr.secrets.vault import Vault
from tests.making import service, stack

KEY = SecretMount("KEY", (SecretRef("KEY", "dev"),))
URL = SecretMount("URL", ("db://", SecretRef("KEY", "dev", "url"), "@db"))
APP = service("app", supplied=("HOST", "UNSET"), secrets=(KEY, URL))
WORKER = service("worker", user="10002:10003", supplied=("QUEUE",), secrets=(KEY,))
LEGACY = service("legacy", templated={"DATABASE_URL": URL.content})
STACK = stack(APP, WORKER, LEGACY)
PLAIN = {"HOST": "example.com", "QUEUE": "slow", "OTHER": "nobody's"}
VAULT = Vault().with_target("dev", {"KEY": "p@ss/word"})

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def modes(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): oct(stat.S_IMODE(p.stat().st_mode)) for p in folder.rglob("*")}


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "revision.key")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_each_service_gets_its_own_and_nothing_else(tmp_path: Path):
    revisions = deliver(tmp_path, STACK, PLAIN, VAULT)
    revision = {name: f"{naming.REVISION}={value}\n" for name, value in revisions.items()}
    assert contents(tmp_path) == {
        ".envmgr/dev/env/app.env": f"{revision['app']}HOST=example.com\n".encode(),
        ".envmgr/dev/env/worker.env": f"{revision['worker']}QUEUE=slow\n".encode(),
        ".envmgr/dev/env/legacy.env": f"DATABASE_URL=db://p%40ss%2Fword@db\n{revision['legacy']}".encode(),
        ".envmgr/dev/secrets/app/KEY": b"p@ss/word",
        ".envmgr/dev/secrets/app/URL": b"db://p%40ss%2Fword@db",
        ".envmgr/dev/secrets/worker/KEY": b"p@ss/word",
    }


@is_root
def test_root_gives_each_secret_to_its_containers_user_alone(tmp_path: Path):
    deliver(tmp_path, STACK, PLAIN, VAULT)
    folder = tmp_path / ".envmgr"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes(folder) == {
        "dev": "0o700",
        "dev/revision.key": "0o600",
        "dev/env": "0o700",
        "dev/env/app.env": "0o600",
        "dev/env/worker.env": "0o600",
        "dev/env/legacy.env": "0o600",
        "dev/secrets": "0o700",
        "dev/secrets/app": "0o700",
        "dev/secrets/app/KEY": "0o400",
        "dev/secrets/app/URL": "0o400",
        "dev/secrets/worker": "0o700",
        "dev/secrets/worker/KEY": "0o400",
    }
    owners = {path.relative_to(folder).as_posix(): path.stat().st_uid for path in folder.rglob("*")}
    assert {path: uid for path, uid in owners.items() if uid} == {
        "dev/secrets/app/KEY": 10001,
        "dev/secrets/app/URL": 10001,
        "dev/secrets/worker/KEY": 10002,
    }


def test_another_operators_secrets_are_kept_by_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    deliver(tmp_path, STACK, PLAIN, VAULT)
    found = modes(tmp_path / ".envmgr")
    secrets = {path: mode for path, mode in found.items() if path.startswith("dev/secrets")}
    assert secrets == {
        "dev/secrets": "0o700",
        "dev/secrets/app": "0o700",
        "dev/secrets/app/KEY": "0o444",
        "dev/secrets/app/URL": "0o444",
        "dev/secrets/worker": "0o700",
        "dev/secrets/worker/KEY": "0o444",
    }
    assert {path.stat().st_uid for path in (tmp_path / ".envmgr").rglob("*")} == {os.getuid()}


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_the_umask_changes_nothing(tmp_path: Path, mask: int):
    deliver(tmp_path / "usual", STACK, PLAIN, VAULT)
    old = os.umask(mask)
    try:
        (tmp_path / "other").mkdir(0o700)
        (tmp_path / "other").chmod(0o700)
        deliver(tmp_path / "other", STACK, PLAIN, VAULT)
    finally:
        os.umask(old)
    assert modes(tmp_path / "other" / ".envmgr") == modes(tmp_path / "usual" / ".envmgr")


def test_open_folders_and_files_of_before_are_closed(tmp_path: Path):
    path = tmp_path / ".envmgr/dev/secrets/app/KEY"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"p@ss/word")
    path.chmod(0o644)
    for folder in path.parents[:4]:
        folder.chmod(0o755)
    deliver(tmp_path, STACK, PLAIN, VAULT)
    assert stat.S_IMODE(path.stat().st_mode) in (0o400, 0o444)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:4]} == {0o700}


def test_nothing_is_touched_when_nothing_changes(tmp_path: Path):
    deliver(tmp_path, STACK, PLAIN, VAULT)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    deliver(tmp_path, STACK, PLAIN, VAULT)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before


# ---- bytes

line = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\0"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@given(line)
def test_a_variable_arrives_byte_for_byte(folder: Path, value: str):
    deliver(folder, stack(service("app", supplied=("HOST",))), {"HOST": value}, VAULT)
    text = (folder / ".envmgr/dev/env/app.env").read_bytes()
    # As Compose reads `format: raw`: by line feed, up to the first equals sign.
    assert dict(entry.split(b"=", 1) for entry in text.removesuffix(b"\n").split(b"\n"))[b"HOST"] == value.encode()


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_secret_arrives_byte_for_byte(folder: Path, value: str):
    deliver(folder, stack(service("app", secrets=(KEY,))), {}, Vault().with_target("dev", {"KEY": value}))
    assert (folder / ".envmgr/dev/secrets/app/KEY").read_bytes() == value.encode()


# ---- what an env file cannot carry


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "\n", "trailing\n"])
def test_a_line_break_in_a_variable_is_refused_before_anything_is_written(tmp_path: Path, value: str):
    with pytest.raises(SpecError) as caught:
        deliver(tmp_path, STACK, PLAIN | {"QUEUE": value}, VAULT)
    assert (caught.value.message, caught.value.state, caught.value.help) == (
        "QUEUE of worker holds a line break, which an env file cannot carry",
        "Nothing was written.",
        "Declare it with `secret = true` under [variables.QUEUE]: a file carries it as it is.",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_compose_does_not_read_is_refused(tmp_path: Path):
    longest = "ü" * (30 * 1024)
    deliver(tmp_path / "longest", STACK, PLAIN | {"QUEUE": longest}, VAULT)
    with pytest.raises(SpecError, match=r"^QUEUE of worker is longer than 60 KiB$"):
        deliver(tmp_path / "longer", STACK, PLAIN | {"QUEUE": longest + "x"}, VAULT)
    assert not (tmp_path / "longer").exists()


def test_a_secret_in_a_variable_that_breaks_the_line_is_refused_without_being_told(tmp_path: Path):
    as_variable = stack(service("app", templated={"KEY": KEY.content}))
    with pytest.raises(SpecError) as caught:
        deliver(tmp_path, as_variable, {}, Vault().with_target("dev", {"KEY": "hunter2\nhunter2"}))
    assert "hunter2" not in f"{caught.value!r}{caught.value}{caught.value.details}{caught.value.help}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["env/app.env", "secrets/app/KEY"])
def test_what_is_in_a_files_place_is_named(tmp_path: Path, place: str):
    path = tmp_path / ".envmgr/dev" / place
    path.mkdir(parents=True)
    with pytest.raises(EnvmgrError) as caught:
        deliver(tmp_path, STACK, PLAIN, VAULT)
    assert (caught.value.message, caught.value.state) == (
        f"{path} cannot be written: Is a directory",
        "Nothing of dev was started or changed.",
    )


# ---- revisions


def revisions(folder: Path, one: Stack = STACK, plain: Mapping[str, str] = PLAIN, **secrets: str) -> dict[str, str]:
    return deliver(folder, one, plain, Vault().with_target("dev", {"KEY": "p@ss/word", **secrets}))


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_a_revision_stays_while_nothing_of_the_service_changes(tmp_path: Path):
    before = revisions(tmp_path)
    assert revisions(tmp_path) == before
    assert revisions(tmp_path, plain=PLAIN | {"OTHER": "changed"}, UNUSED="new") == before
    assert peek(tmp_path, STACK, PLAIN, Vault().with_target("dev", {"KEY": "p@ss/word"})) == before


def test_a_revision_names_what_it_stands_for(tmp_path: Path):
    found = {name: naming.revised(revision) for name, revision in revisions(tmp_path).items()}
    assert {name: set(digests) for name, digests in found.items()} == {
        "app": {"HOST", "KEY", "URL"},
        "worker": {"QUEUE", "KEY"},
        "legacy": {"DATABASE_URL"},
    }
    assert {len(digest) for digests in found.values() for digest in digests.values()} == {12}


def test_to_look_at_revisions_writes_nothing(tmp_path: Path):
    found = peek(tmp_path, STACK, PLAIN, VAULT)
    assert list(tmp_path.iterdir()) == []
    assert changed(found, deliver(tmp_path, STACK, PLAIN, VAULT)) == {"app", "worker", "legacy"}
    assert peek(tmp_path, STACK, PLAIN, VAULT) == deliver(tmp_path, STACK, PLAIN, VAULT)


def test_a_key_that_cannot_be_read_is_an_error_with_its_name(tmp_path: Path):
    (tmp_path / ".envmgr").write_text("")
    with pytest.raises(EnvmgrError, match=r"\.envmgr/dev/revision\.key cannot be read: Not a directory"):
        peek(tmp_path, STACK, PLAIN, VAULT)


@pytest.mark.parametrize(
    ("plain", "secrets", "expected"),
    [
        ({"HOST": "example.org"}, {}, {"app"}),
        ({"UNSET": ""}, {}, {"app"}),
        ({"QUEUE": "fast"}, {}, {"worker"}),
        ({}, {"KEY": "other"}, {"app", "worker", "legacy"}),
    ],
)
def test_a_revision_changes_with_what_its_service_gets(tmp_path: Path, plain, secrets, expected: set[str]):
    before = revisions(tmp_path)
    assert changed(before, revisions(tmp_path, plain=PLAIN | plain, **secrets)) == expected


@pytest.mark.parametrize(
    "other",
    [
        service("app", supplied=("HOST",), secrets=(SecretMount("NEW_NAME", KEY.content), URL)),
        service("app", supplied=("HOST",), secrets=(KEY,)),
        service("app", supplied=("HOST",), templated={"KEY": KEY.content, "URL": URL.content}),
    ],
)
def test_a_revision_changes_with_how_its_service_gets_it(tmp_path: Path, other: Service):
    assert changed(revisions(tmp_path, stack(APP)), revisions(tmp_path, stack(other))) == {"app"}


def test_a_revision_tells_nothing_to_who_has_not_the_hosts_key(tmp_path: Path):
    assert changed(revisions(tmp_path / "one"), revisions(tmp_path / "two")) == {"app", "worker", "legacy"}
    key = (tmp_path / "one/.envmgr/dev/revision.key").read_bytes()
    assert (len(key), key != (tmp_path / "two/.envmgr/dev/revision.key").read_bytes()) == (32, True)


def test_withdraw_removes_what_was_delivered_to_one_target(tmp_path: Path):
    deliver(tmp_path, STACK, PLAIN, VAULT)
    deliver(tmp_path, stack(service("app"), target="stage"), {}, VAULT)
    withdraw(tmp_path, "dev")
    withdraw(tmp_path, "never-delivered")
    assert [path.name for path in (tmp_path / ".envmgr").iterdir()] == ["stage"]
