"""Frozen classes made here behave as the library's: every test is run against both."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace

import pytest

from envmgr.model import value


def declare(dataclass):
    @dataclass(frozen=True, slots=True)
    class Pair:
        """Two things."""

        left: int
        right: tuple[str, ...] = ()
        note: str = field(default="", compare=False)
        hidden: str = field(default="", repr=False)
        made: dict[str, int] = field(default_factory=dict, hash=False)

        def swapped(self):
            return type(self)(len(self.right))

    return Pair


PAIRS = {"ours": declare(value._dataclass_here), "library's": declare(dataclasses.dataclass)}


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest):
    return PAIRS[request.param]


@dataclasses.dataclass(frozen=True, slots=True)
class Other:
    left: int


def test_what_is_given_and_what_is_not(pair):
    one = pair(1, ("a",), made={"x": 1})
    assert (one.left, one.right, one.note, one.made) == (1, ("a",), "", {"x": 1})
    assert pair(left=2).made == {}
    assert pair(2).made is not pair(2).made
    assert one.swapped().left == 1


@pytest.mark.parametrize("given", [((), {}), ((1, (), "", "", {}, 6), {}), ((1,), {"other": 2}), ((1,), {"left": 2})])
def test_a_wrong_call(pair, given):
    with pytest.raises(TypeError, match=r"Pair\.__init__\(\)"):
        pair(*given[0], **given[1])


def test_equality_and_hash(pair):
    assert pair(1, note="a") == pair(1, note="b")
    assert pair(1) != pair(2)
    assert pair(1) != Other(1)
    assert pair(1) != (1, (), "", {})


def test_hash_where_all_can_be_hashed():
    from envmgr.model.stack import Publication, VolumeMount

    assert hash(Publication(80, 8080, name="a")) == hash(Publication(80, 8080, name="b"))
    assert len({VolumeMount("a", "/x"), VolumeMount("a", "/x"), VolumeMount("b", "/x")}) == 2


def test_repr(pair):
    shown = repr(pair(1, ("a",), hidden="secret"))
    assert shown.endswith("Pair(left=1, right=('a',), note='', made={})")


def test_nothing_can_be_changed(pair):
    one = pair(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'left'"):
        one.left = 2
    with pytest.raises((FrozenInstanceError, TypeError)):  # the library of 3.11 stumbles over its own slots
        one.other = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'left'"):
        del one.left
    assert not hasattr(one, "__dict__")


def test_the_librarys_functions(pair):
    one = pair(1, ("a",))
    assert replace(one, left=3) == pair(3, ("a",))
    assert dataclasses.is_dataclass(pair)
    assert [each.name for each in dataclasses.fields(pair)] == ["left", "right", "note", "hidden", "made"]
    assert dataclasses.asdict(one) == {"left": 1, "right": ("a",), "note": "", "hidden": "", "made": {}}
    assert copy.deepcopy(one) == copy.copy(one) == one
    match one:
        case pair(left, right):
            assert (left, right) == (1, ("a",))


def test_pickle():
    from envmgr.model.stack import Publication

    assert pickle.loads(pickle.dumps(Publication(80, 8080))) == Publication(80, 8080)


def test_a_method_of_the_class_itself_stays():
    @value._dataclass_here(frozen=True, slots=True)
    class Odd:
        number: int

        def __repr__(self) -> str:
            return "odd"

        def __post_init__(self) -> None:
            if self.number % 2 == 0:
                raise ValueError("even")

    assert repr(Odd(1)) == "odd"
    with pytest.raises(ValueError, match="even"):
        Odd(2)


def test_only_frozen_classes_with_slots():
    with pytest.raises(TypeError, match="only frozen"):
        value._dataclass_here(frozen=True, slots=False)
