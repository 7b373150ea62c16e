"""The rendered folder: what differs from what should be there, and what one write does and leaves alone."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from envmgr.errors import EnvmgrError, StaleError
from envmgr.render.folder import MANIFEST, Change, FileChange, compare, write

FILES = {"a.yml": "a: 1\n", "config/dev/b.conf": "b 1\n", "config/dev/c.sh": "c\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds FILES, as envmgr wrote them."""
    written = tmp_path / "project" / "compose"
    write(written, FILES)
    return written


def content(folder: Path) -> dict[str, str]:
    """What is on disk, without envmgr's own list."""
    paths = (p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): p.read_text() for p in paths}


def told(changes: tuple[FileChange, ...]) -> dict[str, Change]:
    return {change.path: change.change for change in changes}


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


def test_a_first_write_makes_the_folder(tmp_path: Path):
    folder = tmp_path / "not" / "yet" / "compose"
    assert told(write(folder, FILES)) == dict.fromkeys(FILES, Change.NEW)
    assert content(folder) == FILES
    assert beside(folder) == ["compose"]


def test_a_second_write_changes_nothing(folder: Path):
    before = {path: path.stat() for path in (folder, *folder.rglob("*"))}
    assert write(folder, FILES) == ()
    assert {path: path.stat() for path in (folder, *folder.rglob("*"))} == before


def test_what_the_spec_no_longer_says_is_stale_new_or_obsolete(folder: Path):
    wanted = {"a.yml": "a: 2\n", "config/dev/b.conf": "b 1\n", "config/stage/d.conf": "d\n"}
    assert compare(folder, wanted) == (
        FileChange(
            "a.yml", Change.STALE, ("--- a.yml (on disk)", "+++ a.yml (from the spec)", "@@ -1 +1 @@", "-a: 1", "+a: 2")
        ),
        FileChange("config/dev/b.conf", Change.UNCHANGED),
        FileChange(
            "config/dev/c.sh",
            Change.OBSOLETE,
            ("--- config/dev/c.sh (on disk)", "+++ config/dev/c.sh (from the spec)", "@@ -1 +0,0 @@", "-c"),
        ),
        FileChange(
            "config/stage/d.conf",
            Change.NEW,
            ("--- config/stage/d.conf (on disk)", "+++ config/stage/d.conf (from the spec)", "@@ -0,0 +1 @@", "+d"),
        ),
    )
    assert content(folder) == FILES


def test_a_write_brings_the_whole_set_and_removes_what_is_obsolete(folder: Path):
    wanted = {"a.yml": "a: 2\n", "config/stage/d.conf": "d\n"}
    write(folder, wanted)
    assert content(folder) == wanted
    assert not (folder / "config" / "dev").exists()
    assert told(compare(folder, wanted)) == dict.fromkeys(wanted, Change.UNCHANGED)


def test_a_file_edited_by_hand_is_kept_and_nothing_is_written(folder: Path):
    (folder / "config/dev/b.conf").write_text("b 2\n")
    with pytest.raises(StaleError) as caught:
        write(folder, FILES | {"a.yml": "a: 2\n"})
    assert (caught.value.message, caught.value.state) == (
        "edited by hand: compose/config/dev/b.conf",
        "Nothing was written.",
    )
    assert caught.value.details[-2:] == ("-b 2", "+b 1")
    assert "envmgr render --force" in caught.value.help
    assert content(folder) == FILES | {"config/dev/b.conf": "b 2\n"}


def test_an_edited_file_that_is_no_longer_wanted_is_kept_too(folder: Path):
    (folder / "config/dev/c.sh").write_text("mine\n")
    wanted = {path: text for path, text in FILES.items() if path != "config/dev/c.sh"}
    assert told(compare(folder, wanted))["config/dev/c.sh"] is Change.EDITED
    with pytest.raises(StaleError, match=r"^edited by hand: compose/config/dev/c\.sh$"):
        write(folder, wanted)


def test_force_drops_what_was_edited(folder: Path):
    (folder / "config/dev/b.conf").write_text("b 2\n")
    assert told(write(folder, FILES, force=True)) == {"config/dev/b.conf": Change.EDITED}
    assert content(folder) == FILES


def test_an_edit_that_is_what_the_spec_says_is_no_edit(folder: Path):
    (folder / "a.yml").write_text("a: 2\n")
    assert write(folder, FILES | {"a.yml": "a: 2\n"}) == ()


@pytest.mark.parametrize(
    "manifest",
    ["", "no json", "[]", '{"format": 99, "files": {}}', '{"format": 1}', '{"format": 1, "files": []}', b"\xff\xfe"],
)
def test_without_a_readable_list_every_file_that_differs_counts_as_edited(folder: Path, manifest: str | bytes):
    (folder / MANIFEST).write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    wanted = FILES | {"a.yml": "a: 2\n"}
    assert told(compare(folder, wanted))["a.yml"] is Change.EDITED
    with pytest.raises(StaleError):
        write(folder, wanted)
    write(folder, wanted, force=True)
    assert content(folder) == wanted
    assert set(json.loads((folder / MANIFEST).read_text())["files"]) == set(wanted)


def test_files_of_others_stay_as_they_are(folder: Path):
    notes, deep, link, dangling = folder / "NOTES.md", folder / "own/deep/x", folder / "link", folder / "dangling"
    notes.write_text("mine")
    notes.chmod(0o640)
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"\x00\xff")
    link.symlink_to("NOTES.md")
    dangling.symlink_to("/nowhere")
    inodes = {path: path.lstat().st_ino for path in (notes, deep, link, dangling)}
    write(folder, FILES | {"a.yml": "a: 2\n"})
    assert {path: path.lstat().st_ino for path in inodes} == inodes
    assert (stat.S_IMODE(notes.stat().st_mode), deep.read_bytes()) == (0o640, b"\x00\xff")
    assert (link.readlink(), dangling.readlink()) == (Path("NOTES.md"), Path("/nowhere"))


def test_an_unchanged_file_stays_the_same_file(folder: Path):
    before = {path: (folder / path).stat().st_ino for path in FILES}
    write(folder, FILES | {"a.yml": "a: 2\n"})
    after = {path: (folder / path).stat().st_ino for path in FILES}
    assert {path for path in FILES if before[path] != after[path]} == {"a.yml"}
    assert all((folder / path).stat().st_nlink == 1 for path in FILES)


def test_files_can_be_read_in_a_container_whatever_the_umask(tmp_path: Path):
    mask = os.umask(0o077)
    try:
        write(tmp_path / "compose", FILES)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE((tmp_path / "compose" / path).stat().st_mode) for path in FILES} == {0o644}


def test_bytes_are_written_as_they_are(tmp_path: Path):
    text = "a\r\nb\u2028c\u0085\ttab\n"
    write(tmp_path / "compose", {"a": text})
    assert (tmp_path / "compose" / "a").read_bytes() == text.encode()
    assert write(tmp_path / "compose", {"a": text}) == ()


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_in_the_place_of_a_file_is_named_and_kept(folder: Path, force: bool):
    # What Docker makes of a bind mount whose source is missing.
    (folder / "a.yml").unlink()
    (folder / "a.yml").mkdir()
    (folder / "a.yml" / "inside").write_text("mine")
    with pytest.raises(StaleError) as caught:
        write(folder, FILES, force=force)
    assert (caught.value.message, caught.value.state) == ("compose/a.yml is a folder", "Nothing was written.")
    assert (folder / "a.yml" / "inside").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_place_of_a_folder_is_named_and_kept(folder: Path, force: bool):
    write(folder, {"a.yml": "a: 1\n"})
    (folder / "config").write_text("mine")
    with pytest.raises(StaleError) as caught:
        write(folder, FILES, force=force)
    assert (caught.value.message, caught.value.state) == (
        "compose/config/dev/b.conf has a file in its way",
        "Nothing was written.",
    )
    assert content(folder) == {"a.yml": "a: 1\n", "config": "mine"}


def test_a_folder_that_is_a_link_stays_one(folder: Path):
    real = folder.rename(folder.with_name("rendered"))
    folder.symlink_to("rendered")
    write(folder, FILES | {"a.yml": "a: 2\n"})
    assert (folder.readlink(), content(real)["a.yml"]) == (Path("rendered"), "a: 2\n")
    assert beside(folder) == ["compose", "rendered"]


def test_a_link_in_the_place_of_a_file_is_an_edit_and_what_it_points_at_stays(folder: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (folder / "a.yml").unlink()
    (folder / "a.yml").symlink_to(elsewhere)
    with pytest.raises(StaleError):
        write(folder, FILES)
    write(folder, FILES, force=True)
    assert not (folder / "a.yml").is_symlink()
    assert (content(folder), elsewhere.read_text()) == (FILES, "mine")


def test_a_dangling_link_in_the_place_of_a_file_gives_way(folder: Path):
    (folder / "a.yml").unlink()
    (folder / "a.yml").symlink_to("/nowhere")
    write(folder, FILES, force=True)
    assert content(folder) == FILES


def test_what_a_killed_run_left_is_removed_even_when_nothing_is_to_be_written(folder: Path):
    dead = folder.with_name(".compose.new-999999999")
    dead.mkdir()
    (dead / "half.yml").write_text("half")
    assert write(folder, FILES) == ()
    assert beside(folder) == ["compose"]


def test_what_a_running_one_is_writing_stays(folder: Path):
    other = folder.with_name(f".compose.new-{os.getppid()}")
    other.mkdir()
    write(folder, FILES | {"a.yml": "a: 2\n"})
    assert beside(folder) == [other.name, "compose"]


def test_a_full_disk_leaves_the_old_set(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvmgrError) as caught:
        write(folder, FILES | {"a.yml": "a: 2\n"})
    assert (caught.value.message, caught.value.state) == (
        f"{folder} cannot be written: No space left on device",
        "Its files are all as before, or all as the spec says.",
    )
    assert (content(folder), beside(folder)) == (FILES, ["compose"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvmgrError, match=r"/file/compose cannot be written: File exists$"):
        write(tmp_path / "file" / "compose", FILES)
