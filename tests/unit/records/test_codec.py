"""Resolved values as text and back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.model.secret import SecretRef, SecretValue, SignedToken
from envmgr.model.stack import Condition, Dependency, Image, Publication, Service
from envmgr.operations.spec_file import SpecFile
from envmgr.records.codec import decode, encode
from tests.making import service

REPOSITORY = Path(__file__).resolve().parents[3]
SPECS = sorted([*REPOSITORY.glob("tests/golden/*/envmgr.toml"), *REPOSITORY.glob("examples/*/envmgr.toml")])


@pytest.mark.parametrize("file", [*SPECS, REPOSITORY / "envmgr.toml"], ids=lambda file: file.parent.name)
def test_every_system_comes_back_as_it_was(file: Path):
    resolved = SpecFile(file).resolved
    back = decode(encode(resolved))
    assert back == resolved
    assert repr(back) == repr(resolved), "what is compared by no field, and 1 is not True"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_whatever_a_spec_can_hold_comes_back(value: object):
    one = service("app", compose={"x-any": value})
    back = decode(encode(one))
    assert isinstance(back, Service)
    assert repr(back) == repr(one)


@given(st.lists(st.text() | st.builds(SecretRef, st.text(), st.text()), max_size=4))
def test_templates(parts: list[object]):
    assert decode(encode(tuple(parts))) == tuple(parts)


@pytest.mark.parametrize(
    "value",
    [
        Dependency("app", Condition.HEALTHY),
        Publication(80, 8080, name="told apart although not compared"),
        SignedToken(SecretRef("KEY", "dev"), "{}"),
        {"map": {"list": [], "Service": 1}},
        [("list",), {"Image": ["x"]}],
        math.inf,
        (),
    ],
)
def test_values_of_every_kind(value: object):
    assert repr(decode(encode(value))) == repr(value)


class Subclass(str):
    """Equal to a text, and not the same."""


@pytest.mark.parametrize(
    "value", [SecretValue("hunter2"), {1: "a"}, {"a", "b"}, b"bytes", Path("x"), Subclass("x"), object(), Image]
)
def test_nothing_else_is_written(value: object):
    with pytest.raises(TypeError, match="is not kept") as caught:
        encode((value,))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"Image": ["a"], "map": {}}',
        '{"SecretValue": ["x"]}',
        '{"Path": ["/"]}',
        '{"os.system": ["true"]}',
        '{"Image": []}',
        '{"Image": ["a", null, "", "", "too many"]}',
        '{"Condition": "none of these"}',
        '{"map": []}',
        "[" * 100_000,
    ],
)
def test_nothing_else_is_read(text: str):
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError, RecursionError)):
        decode(text)
