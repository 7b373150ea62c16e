"""Every test that docs/security.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def named(text: str) -> list[tuple[str, str]]:
    return _NAMED.findall(text)


def missing(text: str) -> list[str]:
    return [
        f"{path}::{test}"
        for path, test in named(text)
        if not (ROOT / path).is_file() or f"def {test}(" not in (ROOT / path).read_text()
    ]


def test_every_test_that_is_named_exists():
    text = (ROOT / "docs" / "security.md").read_text()
    assert missing(text) == []
    promises = text.partition("\n## What is promised\n")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise ")]
    assert len(rows) >= 30
    assert [row for row in rows if not named(row)] == []


def test_one_that_is_gone_would_be_seen():
    gone = "`tests/docker/test_prove.py::test_of_nothing` and `tests/docker/test_nothing.py::test_it`"
    assert missing(gone) == ["tests/docker/test_prove.py::test_of_nothing", "tests/docker/test_nothing.py::test_it"]
