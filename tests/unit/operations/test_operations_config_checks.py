"""A server that would not take its new configuration keeps the old one, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from envmgr.errors import SpecError
from envmgr.model.observed import Container, ExecResult
from tests.house import SPEC, House, house

__all__ = ["house"]

NGINX = "nginx:1.26"
WRONG = 'nginx: [emerg] unknown directive "lisen" in /tmp/envmgr-next:3\nnginx: configuration file test failed\n'


class Door:
    """What nginx says of the configuration that it is shown."""

    def __init__(self, house: House) -> None:
        self.others = house.servers
        self.answer = ExecResult(0, "")
        self.shown: list[str] = []
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        if container.service not in ("nginx", "prometheus", "alertmanager"):
            return self.others(container, argv, variables)
        if "NEXT" not in variables:
            return ExecResult(0, "")
        self.shown.append(variables["NEXT"])
        self.asked.append(argv)
        return self.answer


@pytest.fixture
def door(house: House) -> Door:
    """The base runs, with a door."""
    house.write(SPEC.replace("[variables.SECRET_KEY]", "[infra.nginx]\n\n[variables.SECRET_KEY]"))
    house.engine.has_image(NGINX)
    one = Door(house)
    house.engine.exec_handler = one
    house.up("infra")
    assert one.shown == []
    return one


def change(house: House) -> None:
    house.edit("[infra.nginx]\n", "[infra.nginx]\ntimeout_seconds = 77\n")


def test_it_is_shown_the_new_file_and_replaced_when_it_accepts_it(house: House, door: Door):
    before = house.ids()["play-infra-nginx-1"]
    change(house)
    house.up("infra")
    assert len(door.shown) == 1
    assert "77" in door.shown[0]
    assert door.asked[0][4:] == ("nginx", "-t", "-q", "-c")
    assert house.ids()["play-infra-nginx-1"] != before


def test_what_it_refuses_changes_nothing(house: House, door: Door):
    before = house.ids()
    files = {path: path.read_bytes() for path in (house.folder / "compose").rglob("*") if path.is_file()}
    change(house)
    door.answer = ExecResult(1, WRONG)
    with pytest.raises(SpecError) as caught:
        house.up("infra")
    assert caught.value.state == "Nothing was changed; what runs keeps the old one."
    (problem,) = caught.value.problems
    assert problem.message == (
        '/etc/nginx/nginx.conf of nginx in infra: nginx: [emerg] unknown directive "lisen" in /etc/nginx/nginx.conf:3'
    )
    assert (problem.path, problem.line is not None) == ("infra.nginx", True)
    assert house.ids() == before
    assert {path: path.read_bytes() for path in (house.folder / "compose").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("code", [124, 126, 127, 137])
def test_an_image_without_the_program_is_taken_at_its_word(house: House, door: Door, code: int):
    change(house)
    door.answer = ExecResult(code, "not found")
    assert house.up("infra").changed == 1


def test_another_reason_to_replace_it_is_none_to_ask(house: House, door: Door):
    house.edit("[infra.nginx]\n", '[infra.nginx]\nmemory = "96M"\n')
    house.up("infra")
    assert door.shown == []


def test_one_that_does_not_run_is_not_asked(house: House, door: Door):
    house.engine.halt(house.engine.get("play-infra-nginx-1"))
    change(house)
    door.answer = ExecResult(1, WRONG)
    house.up("infra")
    assert door.shown == []


PROMTOOL = (
    "Checking /tmp/envmgr-next\n\n"
    "  FAILED: parsing YAML file /tmp/envmgr-next: yaml: unmarshal errors:\n  line 3: no\n  line 4: b\n"
)
AMTOOL = "Checking '/tmp/envmgr-next'  FAILED: undefined receiver \"x\" used in route\n\namtool: error: failed\n"
MONITORS = """\
[infra.prometheus]
uses = ["alertmanager"]

[infra.alertmanager]

[variables.SECRET_KEY]"""


@pytest.fixture
def monitors(house: House) -> Door:
    house.write(SPEC.replace("[variables.SECRET_KEY]", MONITORS))
    for image in ("prom/prometheus:v2.53.3", "prom/alertmanager:v0.28.1"):
        house.engine.has_image(image)
    one = Door(house)
    house.engine.exec_handler = one
    house.up("infra")
    return one


@pytest.mark.parametrize(
    ("table", "key", "check", "said", "message"),
    [
        (
            "prometheus",
            'scrape_interval = "30s"',
            ("promtool", "check", "config", "--syntax-only"),
            PROMTOOL,
            "/etc/prometheus/prometheus.yml of prometheus in infra: "
            "parsing YAML file /etc/prometheus/prometheus.yml: yaml: unmarshal errors: line 3: no",
        ),
        (
            "alertmanager",
            'repeat_interval = "1h"',
            ("amtool", "check-config"),
            AMTOOL,
            '/etc/alertmanager/alertmanager.yml of alertmanager in infra: undefined receiver "x" used in route',
        ),
    ],
)
def test_monitors_are_asked_by_their_own_tools(
    house: House, monitors: Door, table: str, key: str, check: tuple[str, ...], said: str, message: str
):
    house.edit(f"[infra.{table}]\n", f"[infra.{table}]\n{key}\n")
    before = house.ids()
    monitors.answer = ExecResult(1, said)
    with pytest.raises(SpecError) as caught:
        house.up("infra")
    assert [one.message for one in caught.value.problems] == [message]
    assert [argv[4:] for argv in monitors.asked] == [check]
    assert house.ids() == before
    monitors.answer = ExecResult(1, "")
    with pytest.raises(SpecError) as caught:
        house.up("infra")
    assert caught.value.problems[0].message.endswith(": exit code 1")
    monitors.answer = ExecResult(0, "")
    house.up("infra")
    assert house.ids() != before
