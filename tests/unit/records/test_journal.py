"""What an operation of several steps writes down, and what is made of it after a kill."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from envmgr.errors import EnvmgrError
from envmgr.records.journal import FORMAT, Entry, Journal, Stage

NAMES = ("added", "kept", "retired")
FACTS = {"old": {"PASSWORD": "before"}, "new": {"PASSWORD": "after"}}


class Killed(BaseException):
    """The process ends here: nothing catches it."""


def dying() -> None:
    raise Killed


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, "dev")


def begun(journal: Journal) -> Journal:
    journal.begin("rotate", "redis", "envmgr secrets rotate dev", FACTS)
    return journal


def stages(done: list[str], **instead: Callable[[], None]) -> tuple[Stage, ...]:
    """Return three steps that note themselves, or do something else."""
    return tuple(Stage(name, f"doing {name}", instead.get(name, lambda name=name: done.append(name))) for name in NAMES)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_where_nothing_was_begun_there_is_nothing_to_go_on_with(journal: Journal, tmp_path: Path):
    assert journal.read() is None
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_begun_is_read_by_the_next_process(journal: Journal, tmp_path: Path):
    entry = begun(journal).entry
    assert entry is not None
    assert entry == Entry("rotate", "redis", "envmgr secrets rotate dev", entry.began, (), FACTS)
    assert entry.began.endswith("+00:00")
    assert Journal(tmp_path, "dev").read() == entry
    assert Journal(tmp_path, "prod").read() is None


def test_steps_are_done_in_order_said_and_forgotten_at_the_end(journal: Journal):
    done: list[str] = []
    said: list[str] = []
    begun(journal).carry_out(stages(done), said.append)
    assert done == list(NAMES)
    assert said == ["doing added", "doing kept", "doing retired"]
    assert (journal.entry, journal.read(), journal.path.exists()) == (None, None, False)


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_after_a_kill_the_step_that_was_cut_is_done_again_and_those_before_are_not(
    journal: Journal, tmp_path: Path, place: int
):
    done: list[str] = []
    with pytest.raises(Killed):
        begun(journal).carry_out(stages(done, **{NAMES[place]: dying}), lambda _: None)
    again = Journal(tmp_path, "dev")
    entry = again.read()
    assert entry is not None
    assert (entry.done, entry.facts) == (NAMES[:place], FACTS)
    again.carry_out(stages(done), lambda _: None)
    assert done == list(NAMES)
    assert not again.path.exists()


def test_a_kill_while_a_step_is_written_down_leaves_what_was_known_before(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    begun(journal)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            journal.carry_out(stages(done), lambda _: None)
    entry = Journal(journal.folder, "dev").read()
    assert entry is not None
    assert (done, entry.done) == (["added"], ())


def test_a_step_is_on_the_disk_before_the_next_begins(journal: Journal):
    seen: list[list[str]] = []

    def look() -> None:
        seen.append(json.loads(journal.path.read_text())["done"])

    begun(journal).carry_out(tuple(Stage(name, name, look) for name in NAMES), lambda _: None)
    assert seen == [[], ["added"], ["added", "kept"]]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_it_is_the_operators_alone(journal: Journal, tmp_path: Path, mask: int):
    before = os.umask(mask)
    try:
        begun(journal)
    finally:
        os.umask(before)
    assert mode(journal.path) == 0o600
    assert (mode(tmp_path / ".envmgr"), mode(tmp_path / ".envmgr" / "dev")) == (0o700, 0o700)


def test_folders_that_were_open_are_closed(journal: Journal, tmp_path: Path):
    (tmp_path / ".envmgr").mkdir(mode=0o755)
    (tmp_path / ".envmgr" / "dev").mkdir(mode=0o755)
    begun(journal)
    assert (mode(tmp_path / ".envmgr"), mode(tmp_path / ".envmgr" / "dev")) == (0o700, 0o700)


def written(journal: Journal, text: str | bytes) -> Journal:
    begun(journal)
    journal.path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Journal(journal.folder, journal.target)


def refusal(journal: Journal) -> EnvmgrError:
    with pytest.raises(EnvmgrError) as caught:
        journal.read()
    return caught.value


def test_what_another_version_wrote_is_refused(journal: Journal):
    known = json.loads(begun(journal).path.read_text())
    assert known["format"] == FORMAT
    error = refusal(written(journal, json.dumps(known | {"format": 2})))
    assert str(error) == (f"{journal.path} cannot be read: it has format 2, which this version of envmgr does not know")
    assert error.state == "An operation on dev was cut, and how far it came is not known. Nothing was changed."
    assert error.help == "Put it back, or move it away and bring dev to its spec: envmgr up dev"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "5",
        '"rotate"',
        b"\xff\xfe\x00",
        "{}",
        '{"format": 1}',
        '{"format": 1, "operation": "rotate", "subject": "", "command": "", "began": "", "done": 5, "facts": {}}',
    ],
)
def test_a_broken_file_is_refused_and_stays(journal: Journal, text: str | bytes):
    broken = written(journal, text)
    before = broken.path.read_bytes()
    assert f"{broken.path} cannot be read: " in str(refusal(broken))
    assert broken.path.read_bytes() == before


@pytest.mark.parametrize("facts", [[], 5, None, {"old": 5}])
def test_facts_of_another_form_are_refused(journal: Journal, facts: object):
    known = json.loads(begun(journal).path.read_text())
    refusal(written(journal, json.dumps(known | {"facts": facts})))


def test_a_path_that_leads_through_a_file_holds_nothing(journal: Journal, tmp_path: Path):
    (tmp_path / ".envmgr").write_text("")
    assert journal.read() is None


def test_what_cannot_be_read_or_written_is_said_with_its_reason(journal: Journal, tmp_path: Path):
    journal.path.mkdir(parents=True)
    assert str(refusal(journal)) == f"{journal.path} cannot be read: Is a directory"
    with pytest.raises(EnvmgrError, match=r"journal\.json cannot be written: Is a directory"):
        begun(journal)
    journal.path.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    journal.path.symlink_to(elsewhere)
    with pytest.raises(EnvmgrError, match=r"cannot be written: is a symbolic link"):
        begun(journal)
    assert elsewhere.read_text() == "kept"


def test_what_cannot_be_begun_says_that_nothing_changed_and_what_to_type(journal: Journal, tmp_path: Path):
    (tmp_path / ".envmgr").write_text("")
    with pytest.raises(EnvmgrError, match=r"journal\.json cannot be written: ") as caught:
        begun(journal)
    assert caught.value.state == "Nothing was changed."
    assert caught.value.help.startswith("Make it writable, or make room; then: envmgr ")
    assert (tmp_path / ".envmgr").read_text() == ""
