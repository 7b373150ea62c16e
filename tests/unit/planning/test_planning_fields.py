"""The words of a field, as the spec would write them."""

from __future__ import annotations

import pytest

from envmgr import naming
from envmgr.planning import fields


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0"), (1, "1"), (1024, "1K"), (1536, "1536"), (64 << 20, "64M"), (3 << 29, "1536M"), (2 << 30, "2G")],
)
def test_sizes(number: int, expected: str):
    assert fields.size(number) == expected


@pytest.mark.parametrize(("number", "expected"), [(15, "15s"), (0.5, "0.5s"), (1.5, "1.5s"), (3600.0, "3600s")])
def test_durations(number: float, expected: str):
    assert fields.seconds(number) == expected


def test_nothing_is_not_there():
    assert fields.present({"a": "", "b": None, "c": "0"}) == {"c": "0"}
    assert fields.healthcheck(None) == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", {}),
        ("A:1", {"A": "1"}),
        ("config/a:b.conf:1,B:2", {"config/a:b.conf": "1", "B": "2"}),
        ("0123456789abcdef", {}),
    ],
)
def test_a_list_of_digests_names_what_it_stands_for(text: str, names: dict):
    assert naming.revised(text) == names
    if names:
        assert naming.revised(naming.revision(names)) == names
