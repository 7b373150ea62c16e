"""Maintenance: what visitors get, and who is served all the same."""

from __future__ import annotations

import pytest

from envmgr.errors import EngineError, LockedError, UsageError
from envmgr.operations.maintenance import begin, beginnings, end
from tests.house import House, house

__all__ = ["house"]


@pytest.fixture
def shop(house: House) -> House:
    house.edit("protected = true", 'ports = { app = 8002 }\n[environments.prod.deploy]\nstrategy = "blue-green"')
    house.engine.has_image("nginx:1.26")
    return house


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("203.0.113.7", ["203.0.113.7"]),
        ("203.0.113.7/24", ["203.0.113"]),
        ("10.1.0.0/16", ["10.1"]),
        ("10.0.0.0/15", ["10.0", "10.1"]),
        ("10.0.0.0/8", ["10"]),
        ("192.168.4.0/22", ["192.168.4", "192.168.5", "192.168.6", "192.168.7"]),
        ("192.168.4.8/31", ["192.168.4.8", "192.168.4.9"]),
        ("128.0.0.0/1", [str(number) for number in range(128, 256)]),
    ],
)
def test_a_network_is_told_by_how_its_addresses_begin(network: str, expected: list[str]):
    assert list(beginnings(network)) == expected


@pytest.mark.parametrize("network", ["nonsense", "10.0.0.0/33", "10.0.0", "::1", "", "10.0.0.0/a; rm -rf /"])
def test_what_is_no_network_changes_nothing(shop: House, network: str):
    shop.up("prod")
    with pytest.raises(UsageError, match="--allow") as caught:
        begin(shop.session(), "prod", "Back soon", (network,))
    assert caught.value.state == "Nothing was changed."
    assert shop.edges.page == ""


def test_too_many_are_refused(shop: House):
    shop.up("prod")
    with pytest.raises(UsageError, match="more than 256") as caught:
        begin(shop.session(), "prod", "Back soon", ("0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/17", "10.1.0.0/17"))
    assert caught.value.help == "Allow a /24, a /16 or single addresses."


def test_on_and_off(shop: House):
    shop.up("prod")
    result = begin(shop.session(), "prod", "Back at <10:30>", ("10.0.0.0/15", "10.1.0.0/16"))
    assert (result.is_on, result.allowed) == (True, ("10.0.0.0/15", "10.1.0.0/16"))
    assert "<p>Back at &lt;10:30&gt;</p>" in shop.edges.page
    assert shop.edges.allowed == ("10.0", "10.1")
    assert end(shop.session(), "prod").is_on is False
    assert shop.edges.page == ""


def test_a_page_of_the_projects_own_takes_the_place_of_ours(shop: House):
    shop.up("prod")
    (shop.folder / "templates/edge").mkdir(parents=True)
    (shop.folder / "templates/edge/maintenance.html.j2").write_text("<b>{{ message | e }}</b>")
    begin(shop.session(), "prod", "Later", ())
    assert shop.edges.page == "<b>Later</b>"


def test_it_needs_an_edge_that_runs_and_the_environment_for_itself(shop: House):
    with pytest.raises(UsageError, match="dev has no releases"):
        begin(shop.session(), "dev", "", ())
    with pytest.raises(EngineError, match="the edge of prod does not run"):
        begin(shop.session(), "prod", "", ())
    shop.up("prod")
    holder = shop.session()
    with holder.locks.acquire("prod"), pytest.raises(LockedError):
        end(shop.session(), "prod")
