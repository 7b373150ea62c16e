"""The encrypted file, with the real pyrage: read, written, and every way in which it cannot be."""

from __future__ import annotations

import stat
from pathlib import Path

import pyrage
import pytest

from envmgr.errors import SourceError
from envmgr.secrets.age import AgeStore
from envmgr.spec.secret_tables import AgeTable

MINE = pyrage.x25519.Identity.generate()
OTHER = pyrage.x25519.Identity.generate()
SHELL = {"ENVMGR_AGE_KEY": str(MINE)}
PEM = "-----BEGIN KEY-----\nit's\n-----END KEY-----\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


def store(folder: Path, shell: dict[str, str] | None = None, **table: object) -> AgeStore:
    keys = {"recipients": (str(MINE.to_public()),)} | table
    return AgeStore(AgeTable.model_validate(keys), folder, "prod", SHELL if shell is None else shell)


def values(one: AgeStore) -> dict[str, str]:
    return {name: given.value for name, given in one.read(()).items()}


def test_what_is_written_is_read_and_the_file_shows_nothing(tmp_path: Path):
    one = store(tmp_path)
    assert values(one) == {}
    one.write({"TOKEN": "hush-one", "TLS_KEY": PEM})
    one.write({"TOKEN": "hush-two"})
    assert values(one) == {"TOKEN": "hush-two", "TLS_KEY": PEM}
    data = one.path.read_bytes()
    assert data.startswith(b"age-encryption.org/v1")
    assert b"hush" not in data
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o644
    assert [path.name for path in one.path.parent.iterdir()] == ["prod.env.age"]


def test_decrypted_it_is_never_handed_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written: list[bytes] = []
    from envmgr.secrets import age

    monkeypatch.setattr(age, "write_atomic", lambda path, data, mode: written.append(data))
    store(tmp_path).write({"TOKEN": "hush-one"})
    assert len(written) == 1
    assert b"hush" not in written[0]


def test_comments_and_other_lines_stay(tmp_path: Path):
    one = store(tmp_path)
    one.path.parent.mkdir()
    one.path.write_bytes(pyrage.encrypt(b"# mine\nA='x y'\nTOKEN=old\n# last\n", [MINE.to_public()]))
    one.write({"TOKEN": "new"})
    assert pyrage.decrypt(one.path.read_bytes(), [MINE]) == b"# mine\nA='x y'\nTOKEN=new\n# last\n"


def test_every_recipient_can_read_it_those_of_a_file_too(tmp_path: Path):
    (tmp_path / "keys").write_text(f"# us\n\n{OTHER.to_public()}\n")
    one = store(tmp_path, recipients_file="keys", file="deploy/prod.age")
    one.write({"TOKEN": "hush"})
    path = tmp_path / "deploy" / "prod.age"
    for identity in (MINE, OTHER):
        assert b"TOKEN=hush" in pyrage.decrypt(path.read_bytes(), [identity])


def test_the_key_may_be_a_file_outside_the_project(tmp_path: Path):
    (tmp_path / "key").write_text(f"# created: today\n{MINE}\n")
    folder = tmp_path / "project"
    folder.mkdir()
    store(folder, {"ENVMGR_AGE_KEY_FILE": str(tmp_path / "key")}).write({"A": "1"})
    assert values(store(folder, {}, identity="../key")) == {"A": "1"}


def refused(one: AgeStore, message: str) -> None:
    before = one.path.read_bytes() if one.path.is_file() else None
    with pytest.raises(SourceError) as caught:
        one.write({"TOKEN": "hush"})
    assert message in caught.value.message
    assert caught.value.exit_code == 3
    assert "hush" not in f"{caught.value.message}{caught.value.details}{caught.value.help}"
    assert (one.path.read_bytes() if one.path.is_file() else None) == before


@pytest.mark.parametrize(
    ("shell", "table", "message"),
    [
        ({}, {}, "the key that opens secrets/prod.env.age is not named"),
        ({"ENVMGR_AGE_KEY": "no key"}, {}, "ENVMGR_AGE_KEY holds no key of age"),
        ({"ENVMGR_AGE_KEY": "AGE-SECRET-KEY-1QQQ"}, {}, "ENVMGR_AGE_KEY holds a key that age does not read"),
        ({"ENVMGR_AGE_KEY_FILE": "/nowhere/key"}, {}, "/nowhere/key cannot be read: No such file"),
        ({}, {"identity": "key"}, "the private key key lies inside the project"),
        (SHELL, {"recipients": ()}, "nobody is named who can read secrets/prod.env.age"),
        (SHELL, {"recipients": ("age1qqq",)}, "age1qqq is no public key that age knows"),
        (SHELL, {"recipients": (str(OTHER.to_public()),)}, "the key of this host is none of the recipients"),
        (SHELL, {"recipients_file": "nowhere"}, "nowhere cannot be read"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_changes(
    tmp_path: Path, shell: dict[str, str], table: dict[str, object], message: str
):
    refused(store(tmp_path, shell, **table), message)


def test_a_key_that_is_none_of_the_recipients_reads_nothing(tmp_path: Path):
    store(tmp_path).write({"TOKEN": "hush"})
    refused(
        store(tmp_path, {"ENVMGR_AGE_KEY": str(OTHER)}), "secrets/prod.env.age cannot be decrypted: No matching keys"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not encrypted", "cannot be decrypted"),
        (pyrage.encrypt(b"no line\n", [MINE.to_public()]), "holds what is not NAME=value"),
        (pyrage.encrypt(b"A=\xff\n", [MINE.to_public()]), "holds no UTF-8 text"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, data: bytes, message: str):
    one = store(tmp_path)
    one.path.parent.mkdir()
    one.path.write_bytes(data)
    refused(one, message)
    with pytest.raises(SourceError, match=message):
        one.read(())
