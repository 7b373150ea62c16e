"""Subnets: found from names, so that adding an environment moves no other."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from envmgr.errors import Problem, SpecError
from envmgr.model.stack import System
from envmgr.resolve.subnets import Block, allocate, block_of

RANGE = "10.208.0.0/12"
names = st.text("abcdefgh", min_size=1, max_size=8)


def test_a_block_is_cut_into_three():
    assert block_of(ipaddress.IPv4Network("10.1.2.0/24")) == Block("10.1.2.0/25", "10.1.2.128/26", "10.1.2.192/26")


def test_a_name_has_had_this_block_since_the_first_version():
    # A changed derivation would make every running network differ from what the spec says.
    blocks, problems = allocate("shia-chatbot", RANGE, {"infra": None, "dev": None})
    assert blocks == {
        "infra": Block("10.210.246.0/25", "10.210.246.128/26", "10.210.246.192/26"),
        "dev": Block("10.222.67.0/25", "10.222.67.128/26", "10.222.67.192/26"),
    }
    assert problems == ()


@given(st.lists(names, min_size=1, max_size=8, unique=True), st.data())
def test_a_name_has_the_same_block_whoever_else_is_there_and_in_whatever_order(targets: list[str], data):
    whole, _ = allocate("play", RANGE, dict.fromkeys(targets))
    some = data.draw(st.permutations(targets))[: data.draw(st.integers(1, len(targets)))]
    fewer, _ = allocate("play", RANGE, dict.fromkeys(some))
    assert {name: whole[name] for name in some} == fewer


@given(names, names, st.sampled_from(["10.0.0.0/8", "10.208.0.0/12", "172.16.0.0/12", "192.168.4.0/22"]))
def test_a_block_lies_in_its_range(project: str, target: str, within: str):
    blocks, _ = allocate(project, within, {target: None})
    assert ipaddress.IPv4Network(blocks[target].data).subnet_of(ipaddress.IPv4Network(within))


@given(st.lists(names, min_size=2, max_size=6, unique=True))
def test_no_two_targets_share_an_address_without_a_problem(targets: list[str]):
    blocks, problems = allocate("play", "192.168.0.0/16", dict.fromkeys(targets))
    assume(not problems)
    every = [
        ipaddress.IPv4Network(text) for block in blocks.values() for text in (block.data, block.publish, block.egress)
    ]
    assert not [pair for pair in combinations(every, 2) if pair[0].overlaps(pair[1])]


# ---- clashes


def suggested(problem: Problem) -> str:
    return re.findall(r'"([0-9./]+)"', problem.hint)[0]


def test_an_explicit_block_on_a_derived_one_is_a_clash():
    (derived,) = allocate("play", RANGE, {"dev": None})[0].values()
    taken = f"{derived.data.removesuffix('/25')}/24"
    assert allocate("play", RANGE, {"dev": None, "prod": taken})[1] == (
        Problem(
            f"prod and dev both get the networks of {taken}",
            path="environments.prod",
            hint='set environments.prod.subnet to another /24, such as "10.208.0.0/24"',
        ),
    )


@given(st.lists(names, min_size=5, max_size=9, unique=True), st.sampled_from(["192.168.252.0/22", "10.255.252.0/22"]))
def test_what_is_suggested_is_free_private_and_works(targets: list[str], within: str):
    wanted: dict[str, str | None] = dict.fromkeys(targets)
    _, problems = allocate("play", within, wanted)
    assert problems, "nine names do not fit into four blocks"
    for problem in problems:
        wanted[problem.path.removeprefix("environments.")] = suggested(problem)
    assert allocate("play", within, wanted)[1] == ()
    assert all(ipaddress.IPv4Network(suggested(problem)).is_private for problem in problems)


SPEC = """\
[project]
name = "play"

[networks]
range = "{within}"

[services.app]
kind = "asgi"
image = "registry.example/app:1.0"
app = "app:app"
"""


def spec(*environments: str, within: str = RANGE, **subnets: str) -> str:
    tables = [
        f"\n[environments.{name}]\n" + (f'subnet = "{subnets[name]}"\n' if name in subnets else "")
        for name in environments
    ]
    return SPEC.replace("{within}", within) + "".join(tables)


def test_a_clash_is_reported_where_it_stands_and_what_is_suggested_works(system_of: Callable[[str], System]):
    crowd = [f"env{number}" for number in range(5)]
    with pytest.raises(SpecError) as caught:
        system_of(spec(*crowd, within="192.168.252.0/22"))
    assert caught.value.problems
    lines = spec(*crowd, within="192.168.252.0/22").splitlines()
    for problem in caught.value.problems:
        assert lines[problem.line - 1] == f"[{problem.path}]"
    repaired = {problem.path.removeprefix("environments."): suggested(problem) for problem in caught.value.problems}
    assert system_of(spec(*crowd, within="192.168.252.0/22", **repaired))


def test_an_explicit_block_is_taken_as_it_is(system_of: Callable[[str], System]):
    (dev,) = system_of(spec("dev", dev="172.20.9.0/24")).environments
    assert [(network.key, network.subnet) for network in dev.networks] == [("data", "172.20.9.0/25")]


@pytest.mark.parametrize(
    "subnet", ["172.20.9.0/25", "172.20.9.1/24", "8.8.8.0/24", "fd00::/24", "", "10.0.0.0/8", "172.32.0.0/24"]
)
def test_what_is_no_private_block_is_refused(system_of: Callable[[str], System], subnet: str):
    with pytest.raises(SpecError) as caught:
        system_of(spec("dev", dev=subnet))
    assert [problem.path for problem in caught.value.problems] == ["environments.dev.subnet"]
