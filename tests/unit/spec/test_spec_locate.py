"""Lines and columns of keys, in every way that TOML writes them."""

from __future__ import annotations

import pytest

from envmgr.errors import Problem
from envmgr.spec.locate import Locator
from envmgr.spec.places import dotted, undotted

TEXT = """\
top = 1
a.b . "c d" = 2
"q.r" = { s = 3, t.u = [4, { v = 5 }] }

[x."y z".'w']
k = 6  # comment
[[arr]]
n = 7
[arr.sub]
m = 8
[[arr]]
n = 9
[[arr.deep]]
o = 10
[[arr.deep]]
o = 11
[x]
late = [
  "one", # comment
  # comment
  "two",
]
"ä\\u0062" = 12; é = 1
[after]
"ключ" = "ж"
inline = { "é" = "ж", plain = 13 }
"""


@pytest.fixture(scope="module")
def locate() -> Locator:
    return Locator("envmgr.toml", TEXT.replace("; é = 1", ""))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("top", (1, 1)),
        ("a", (2, 1)),
        ("a.b", (2, 3)),
        ('a.b."c d"', (2, 7)),
        ('"q.r"', (3, 1)),
        ('"q.r".s', (3, 11)),
        ('"q.r".t', (3, 18)),
        ('"q.r".t.u', (3, 20)),
        ('"q.r".t.u[0]', (3, 25)),
        ('"q.r".t.u[1].v', (3, 30)),
        ('x."y z"', (5, 4)),
        ('x."y z".w.k', (6, 1)),
        ("arr", (7, 3)),
        ("arr[0].n", (8, 1)),
        ("arr[0].sub", (9, 6)),
        ("arr[0].sub.m", (10, 1)),
        ("arr[1]", (11, 3)),
        ("arr[1].n", (12, 1)),
        ("arr[1].deep[0].o", (14, 1)),
        ("arr[1].deep[1]", (15, 7)),
        ("arr[1].deep[1].o", (16, 1)),
        ("x", (17, 2)),
        ("x.late", (18, 1)),
        ("x.late[0]", (19, 3)),
        ("x.late[1]", (21, 3)),
        ("x.äb", (23, 1)),
        ("after.ключ", (25, 1)),
        ("after.inline.é", (26, 12)),
        ("after.inline.plain", (26, 23)),
    ],
)
def test_keys(locate, path, place):
    assert locate(path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("after.inline.plain.more.still", (26, 23)),
        ("x.late[7]", (18, 1)),
        ("arr[5].n", (7, 3)),
        ("a.b.c", (2, 3)),
        ("nowhere", (1, 1)),
        ("", (1, 1)),
    ],
)
def test_the_nearest_parent(locate, path, place):
    assert locate(path) == place


def test_a_problem_is_placed(locate):
    assert locate.problem("x.late[1]", "no", "yes") == Problem("no", "x.late[1]", "envmgr.toml", 21, 3, "yes")
    assert locate.problem(("a", "b", "c d"), "no") == Problem("no", 'a.b."c d"', "envmgr.toml", 2, 7)


def test_how_values_are_written(locate):
    written = {path: locate.place(undotted(path)).written for path in ("top", "after.ключ", "x.late", "x", "arr[1].n")}
    assert written == {"top": "1", "after.ключ": '"ж"', "x.late": "", "x": "", "arr[1].n": "9"}
    assert locate.place(("top", "absent")).written == ""


@pytest.mark.parametrize("text", ["", "\n", "[", "= = =", "a = {", "[a.]\nb = 1", '"\\q" = 1', "a = [1, {"])
def test_text_that_is_no_toml_locates_nothing(text):
    assert Locator("x", text)("a.b[0]")[0] in (1, 2)


def test_deep_nesting_does_not_exhaust_the_stack():
    text = "a = " + "[" * 3000 + "]" * 3000
    assert Locator("x", text).place(("a", *[0] * 2000)).line == 1


@pytest.mark.parametrize(
    "keys", [("a",), ("a", "b-c_1"), ("a", 0, "b", 12), ("a b", "c.d", 'e"f', "g[0]"), ("", "\n", "Ж"), ("a", 0, 1)]
)
def test_dotted_paths_are_read_back(keys):
    assert undotted(dotted(keys)) == keys


def test_dotted_paths_look_as_an_operator_writes_them():
    assert dotted(("services", "app", "uses", 0)) == "services.app.uses[0]"
    assert dotted(("infra", "pg 1", "port")) == 'infra."pg 1".port'
