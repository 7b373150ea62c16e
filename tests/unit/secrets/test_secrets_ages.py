"""How old a secret is follows from when its value was first seen, not from any file's time."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from envmgr.errors import EnvmgrError
from envmgr.secrets.ages import ages, ages_of, note_ages

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=40)
FILE = ".envmgr/prod/secrets.json"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


def test_a_value_keeps_its_date_until_it_changes(tmp_path: Path):
    note_ages(tmp_path, "prod", {"A": "one-hush", "B": "two-hush"}, DAY)
    note_ages(tmp_path, "prod", {"A": "one-hush", "B": "other-hush", "C": "three-hush"}, LATER)
    assert ages(tmp_path, "prod") == {"A": DAY, "B": LATER, "C": LATER}
    note_ages(tmp_path, "prod", {"C": "three-hush"}, LATER + timedelta(days=1))
    assert ages(tmp_path, "prod") == {"C": LATER}


def test_the_record_tells_nothing_and_is_the_operators_alone(tmp_path: Path):
    note_ages(tmp_path, "prod", {"A": "same-hush"}, DAY)
    note_ages(tmp_path, "dev", {"A": "same-hush"}, DAY)
    assert "hush" not in (tmp_path / FILE).read_text()
    # Keys differ, so that not even equality of two environments' values can be seen.
    assert (tmp_path / FILE).read_text() != (tmp_path / ".envmgr/dev/secrets.json").read_text()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_value_that_was_changed_since_has_no_age_yet(tmp_path: Path):
    note_ages(tmp_path, "prod", {"A": "one-hush", "B": "two-hush"}, DAY)
    assert ages_of(tmp_path, "prod", {"A": "one-hush", "B": "new-hush", "C": "x"}) == {"A": DAY}
    assert ages_of(tmp_path, "dev", {"A": "one-hush"}) == {}


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"secrets": {"A": {"digest": "x"}}}', '{"secrets": {"A": 5}}', "\xff"]
)
def test_a_damaged_record_knows_nothing_and_is_begun_anew(tmp_path: Path, text: str):
    note_ages(tmp_path, "prod", {"A": "one-hush"}, DAY)
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    assert ages(tmp_path, "prod") == {}
    note_ages(tmp_path, "prod", {"A": "one-hush"}, LATER)
    assert ages(tmp_path, "prod") == {"A": LATER}


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path):
    note_ages(tmp_path, "prod", {"A": "one-hush"}, DAY)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(EnvmgrError, match=r"secrets\.json cannot be written"):
        note_ages(tmp_path, "prod", {"A": "two-hush"}, LATER)
