"""The hash of what an image is built from: changes when the build would see a change, and only then."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from envmgr.operations.build_context import tree_hash

TREE = {
    "Dockerfile": "FROM scratch\n",
    "README.md": "top",
    "app/main.py": "print()",
    "app/README.md": "deep",
    "app/data/big.bin": "0",
    "docs/index.md": "index",
    "docs/keep.txt": "keep",
    ".env": "SECRET=1",
}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for path, text in TREE.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def seen(context: Path, ignore: str | None = None) -> set[str]:
    """Which files of TREE the hash depends on."""
    if ignore is not None:
        (context / ".dockerignore").write_text(ignore)
    before = tree_hash(context)
    found = set()
    for path, text in TREE.items():
        (context / path).write_text(text + "changed")
        if tree_hash(context) != before:
            found.add(path)
        (context / path).write_text(text)
    assert tree_hash(context) == before
    return found


def test_it_is_twelve_digits_and_the_same_twice(context: Path):
    assert re.fullmatch(r"[0-9a-f]{12}", tree_hash(context))
    assert tree_hash(context) == tree_hash(context)


def test_every_file_counts(context: Path):
    assert seen(context) == set(TREE)


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        ("", set()),
        ("# README.md\n\n", set()),
        ("docs", {"docs/index.md", "docs/keep.txt"}),
        ("docs/\n", {"docs/index.md", "docs/keep.txt"}),
        ("/docs\n", {"docs/index.md", "docs/keep.txt"}),
        # Docker anchors a pattern at the context.
        ("README.md", {"README.md"}),
        ("*.md", {"README.md"}),
        ("data", set()),
        ("**/*.md", {"README.md", "app/README.md", "docs/index.md"}),
        ("**/data", {"app/data/big.bin"}),
        ("app/data/*", {"app/data/big.bin"}),
        ("*/*.md", {"app/README.md", "docs/index.md"}),
        ("docs\n!docs/keep.txt", {"docs/index.md"}),
        (".env", {".env"}),
        ("docs\r\n.env\r\n", {"docs/index.md", "docs/keep.txt", ".env"}),
    ],
)
def test_what_dockerignore_leaves_out_does_not_count(context: Path, ignore: str, left_out: set[str]):
    assert seen(context, ignore) == set(TREE) - left_out


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        # The builder gets its Dockerfile whatever .dockerignore says.
        ("*\n!app", {"README.md", "docs/index.md", "docs/keep.txt", ".env"}),
        ("Dockerfile", set()),
        # An exception is anchored as well: this one keeps the upper README alone.
        ("**/*.md\n!README.md", {"app/README.md", "docs/index.md"}),
        ("./docs", {"docs/index.md", "docs/keep.txt"}),
        ("  docs  ", {"docs/index.md", "docs/keep.txt"}),
    ],
)
def test_dockerignore_in_dockers_own_reading(context: Path, ignore: str, left_out: set[str]):
    assert seen(context, ignore) == set(TREE) - left_out


def test_a_name_counts(context: Path):
    before = tree_hash(context)
    (context / "app/main.py").rename(context / "app/other.py")
    assert tree_hash(context) != before


def test_where_a_name_ends_and_a_content_begins_counts(tmp_path: Path):
    hashes = set()
    for number, files in enumerate(({"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "", "b": "c"})):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        hashes.add(tree_hash(folder))
    assert len(hashes) == 4


def test_the_executable_bit_counts_and_other_bits_and_times_do_not(context: Path):
    path = context / "app/main.py"
    path.chmod(0o600)
    before = tree_hash(context)
    path.chmod(0o644)
    os.utime(path, (1, 1))
    assert tree_hash(context) == before
    path.chmod(0o755)
    assert tree_hash(context) != before


def test_byte_code_does_not_count(context: Path):
    before = tree_hash(context)
    (context / "app/__pycache__").mkdir()
    (context / "app/__pycache__/main.cpython-313.pyc").write_bytes(b"\x00")
    assert tree_hash(context) == before


def test_links_are_followed_to_files_and_lead_nowhere_else(context: Path):
    (context / "link").symlink_to("README.md")
    (context / "dangling").symlink_to("nowhere")
    (context / "loop").symlink_to(".")
    before = tree_hash(context)
    (context / "README.md").write_text("changed")
    assert tree_hash(context) != before


def test_an_empty_folder_has_a_hash_too(tmp_path: Path):
    assert re.fullmatch(r"[0-9a-f]{12}", tree_hash(tmp_path))
