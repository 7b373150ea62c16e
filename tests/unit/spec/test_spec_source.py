"""Whatever bytes the file holds, there is a spec or one clear error."""

from __future__ import annotations

import datetime
import json
import math
import random
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envmgr.errors import Problem, SpecError

SAMPLE = """\
[project]
name = "chat"
[infra.postgres]
version = "16"
port = 5432
[variables]
KEY = { secret = true, generate = true }
[services.app]
kind = "asgi"
module = "a:b"
uses = ["postgres"]
memory = "512M"
[[services.app.edges]]
host = "x"
[environments.defaults]
log_level = "INFO"
[environments.dev]
ports.app = 8000
[environments.dev.services.app]
variables = { A = "b" }
"""


class TestSyntax:
    @pytest.mark.parametrize(
        ("text", "line", "column", "message"),
        [
            ("name = chat", 1, 8, "expected a value: text stands in quotes; numbers, true and false stand without"),
            ("a = 1\nb = yes", 2, 5, "expected a value: text stands in quotes; numbers, true and false stand without"),
            ("a = 1\na = 2\n", 2, 6, "this key is set twice"),
            ("[a.b]\n[a.b]\n", 2, 5, "[a.b] is there twice"),
            ("a\n", 1, 2, "expected [a.table] or key = value"),
            ("= 1", 1, 1, "expected [a.table] or key = value"),
            ('a = "x\nb = 1', 1, 7, "a text is not closed with its quote on this line"),
            ("a = 'x", 1, 7, "a text is not closed with its quote"),
            ('a = """x\ny', 2, 2, "a text is not closed with its quotes"),
            ("a = 1 2", 1, 7, "expected the end of the line after this value"),
            ("a = 010", 1, 6, "expected the end of the line after this value"),
            ("[a", 1, 3, "expected ']' at the end of a table declaration"),
            ("a = 2024-02-31", 1, 5, "invalid date or datetime"),
        ],
    )
    def test_first_thing_that_is_no_toml(self, refused, text, line, column, message):
        error = refused(text.encode())
        assert str(error) == "envmgr.toml is not valid TOML"
        assert error.problems == (Problem(message, "", "envmgr.toml", line, column),)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a = " + "[" * 5000, "arrays or tables are nested more than 32 deep"),
            ("a = " + "{a=" * 5000, "arrays or tables are nested more than 32 deep"),
            ("a = " + "9" * 5000, "a number has too many digits"),
        ],
    )
    def test_what_exhausts_the_parser(self, refused, text, message):
        assert refused(text.encode()).problems == (Problem(message, "", "envmgr.toml"),)

    def test_a_key_that_would_exhaust_the_memory(self, refused):
        key = ".".join(["a"] * 100_000)
        problem = Problem("a key has more than 200 parts", "", "envmgr.toml", 2)
        assert refused(f"x = 1\n{key} = 1\n".encode()).problems == (problem,)
        assert refused(f"x = 1\n[{key}]\n".encode()).problems == (problem,)

    def test_dots_in_text_and_comments_are_no_keys(self, load_text):
        dots = "." * 300
        text = SAMPLE.replace('"a:b"', f'"{dots}" # {dots}')
        assert load_text(text + f"# {dots}\n").spec.environments["dev"].services["app"].options.module == dots


class TestRubbish:
    def test_empty(self, problems):
        assert problems(b"") == [
            "1:1 environments: declare at least one, such as [environments.dev]",
            '1:1 project: missing: begin the file with [project] and name = "…"',
        ]

    @pytest.mark.parametrize(("data", "line"), [(b"\xff\xfe[\0p\0", 1), (b'[project]\n\nname = "\xe9"\n', 3)])
    def test_another_encoding(self, refused, data, line):
        error = refused(data)
        problem = Problem("expected UTF-8 text: save the file in that encoding", "", "envmgr.toml", line)
        assert (str(error), error.problems) == ("envmgr.toml is not UTF-8 text", (problem,))

    def test_more_than_a_megabyte(self, refused):
        assert str(refused(b"#" * (1024 * 1024 + 1))) == "envmgr.toml is larger than 1 MiB, which no spec is"

    @pytest.mark.parametrize("unit", [b"x", b"[", b"[[", b"a=", b'"', b"\0", b".", b"a.", b"{", b"\\", b"1,", b"'"])
    def test_a_megabyte(self, refused, unit):
        assert refused(unit * (1024 * 1024 // len(unit))).exit_code == 3

    def test_a_megabyte_of_anything(self, refused):
        assert refused(random.Random(7).randbytes(1024 * 1024)).exit_code == 3

    def test_a_megabyte_of_tables(self, refused):
        text = "".join(f"[services.s{number}]\nkind='job'\nx=1\n" for number in range(500))
        assert len(refused(SAMPLE + text).problems) == 500


def outcome(load_text: Any, text: str) -> None:
    """Load a text; a traceback would be the failure, an error has to be a clear one."""
    try:
        load_text(text.encode())
    except SpecError as caught:
        error = caught
    else:
        return
    assert error.message
    for problem in error.problems:
        assert problem.message
        assert "pydantic" not in str(problem)
        assert "\n" not in problem.message


def toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
        case float() if not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf"
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
        case _:
            return value.isoformat()


WORDS = sorted({word for word in SAMPLE.replace('"', " ").replace(".", " ").split() if word.isidentifier()})
KEYS = st.sampled_from([*WORDS, "build", "builds", "context", "after", "cpus", "a b", "", "a.b", "[", "Ж"])
LETTERS = st.sampled_from([*string.printable, *"éЖ漢😀", "\0", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff"])
"""Not every character: hypothesis needs seconds to make the table of them all."""
SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.just(datetime.time(1, 2))
    | st.text(LETTERS, max_size=8)
    | st.sampled_from(WORDS)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=8)
ANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@ANY
@given(document=DOCUMENTS)
def test_any_document(load_text, document):
    outcome(load_text, "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items()))


@ANY
@given(place=st.sampled_from(["project", "infra", "services", "environments", "variables"]), value=VALUES)
def test_any_value_beside_a_good_spec(load_text, place, value):
    outcome(load_text, f'[{place}."x y"]\nz = {toml(value)}\n{SAMPLE}')


@ANY
@given(data=st.data())
def test_any_value_in_place_of_a_good_one(load_text, data):
    lines = SAMPLE.splitlines()
    index = data.draw(st.sampled_from([number for number, line in enumerate(lines) if " = " in line]))
    lines[index] = f"{lines[index].split(' = ')[0]} = {toml(data.draw(VALUES))}"
    outcome(load_text, "\n".join(lines))


@ANY
@given(place=st.integers(0, len(SAMPLE)), length=st.integers(0, 30), text=st.text(LETTERS, max_size=5))
def test_any_slip_of_the_hand(load_text, place, length, text):
    outcome(load_text, SAMPLE[:place] + text + SAMPLE[place + length :])


@ANY
@given(text=st.text(LETTERS, max_size=60))
def test_any_text(load_text, text):
    outcome(load_text, text)
