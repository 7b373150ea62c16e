"""Strings keep their value through a YAML 1.2 reader, a YAML 1.1 reader and Compose's interpolation."""

from __future__ import annotations

import unicodedata

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from envmgr import naming
from envmgr.render.quoting import key, scalar

# What readers of YAML 1.1 or 1.2 take for numbers, booleans, dates, nothing, or syntax when it stands bare.
TRAPS = (
    *("1e3", "1.5e3", "08", "0o17", "0x1F", "1_000", ".nan", "-.inf", "22:22", "2024-01-01", "3.10", "+1", "01234"),
    *("no", "y", "on", "True", "null", "~", "", "=", "<<", "- a", "a: b", "a #b", "&a", "*a", "!!int 3", "%TAG", "---"),
    *("$HOME", "${HOME:-x}", "$$", "pa$", "a\u0085b", "a\u2028b", "a\u2029b", "\ufeffa", "\ufffe", "\uffff"),
    *(
        "\x00",
        "\x1b[31m",
        "\x7f",
        "\x9f",
        "a\tb",
        " both ",
        'a"b',
        "a'b",
        "a\\b",
        "\\u0041",
        "a\nb",
        "a\r\nb",
        "👩‍👩‍👧",
        "𐀀",
    ),
)
anything = st.text(st.characters(exclude_categories=("Cs",)))


def read(text: str) -> list[object]:
    """Read with YAML 1.2, with YAML 1.1, and with PyYAML's own YAML 1.1."""
    older = YAML(typ="safe", pure=True)
    older.version = (1, 1)
    return [YAML(typ="safe", pure=True).load(text), older.load(text), yaml.load(text, yaml.CSafeLoader)]


def with_examples(values: tuple[object, ...]):
    def decorated(test):
        for value in values:
            test = example(value)(test)
        return test

    return decorated


@with_examples(TRAPS)
@given(anything)
def test_a_string_reads_back_as_itself_with_dollars_doubled(value: str):
    doubled = value.replace("$", "$$")
    assert read(f"value: {scalar(value)}\n") == [{"value": doubled}] * 3


@given(anything)
def test_a_string_stays_on_one_line_without_control_characters(value: str):
    assert len(scalar(value).splitlines()) == 1
    assert not [char for char in scalar(value) if unicodedata.category(char) == "Cc" or char in "\u2028\u2029\ufeff"]


@with_examples(("no", "on", "y", "null", "true", "off", "e3", "a-1", "a.b_c", "x"))
@given(st.from_regex(naming.NAME, fullmatch=True) | st.from_regex(r"[A-Z][A-Z0-9_]*", fullmatch=True))
def test_a_key_reads_back_as_itself(name: str):
    assert read(f"{key(name)}: 1\n") == [{name: 1}] * 3


def test_ordinary_keys_stand_bare_and_words_of_yaml_do_not():
    assert [key(name) for name in ("app", "cap_drop", "envmgr.env")] == ["app", "cap_drop", "envmgr.env"]
    assert [key(name) for name in ("no", "y", "on", "null", "A", "1", "")] == [
        *('"no"', '"y"', '"on"', '"null"', '"A"', '"1"', '""'),
    ]


def test_numbers_and_booleans_stand_bare():
    assert [scalar(value) for value in (True, False, 0, -1, 10**30)] == ["true", "false", "0", "-1", str(10**30)]


@with_examples((1e22, -1e22, 1e-7, 5e-324, 1.5e300, 1.0, -0.0, 100000000000000000.0))
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself_and_as_no_whole_one(value: float):
    assert [repr(one) for one in read(f"value: {scalar(value)}\n")] == [repr({"value": value})] * 3


@with_examples(("$HOME", "a$b", "${x}", "$$"))
@given(anything)
def test_any_key_reads_back_as_itself_for_compose_interpolates_values_alone(name: str):
    assert read(f"{key(name)}: 1\n") == [{name: 1}] * 3


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), b"bytes", ["list"], {"a": 1}, object()])
def test_anything_else_is_refused(value: object):
    with pytest.raises(TypeError, match=f"^{type(value).__name__} has no place in a Compose document$"):
        scalar(value)
