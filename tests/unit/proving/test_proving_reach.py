"""Where containers must not get, and what the engine's own word says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envmgr.model.needed import Needed, Origin
from envmgr.model.observed import (
    Container,
    EngineHealth,
    HostPort,
    Mount,
    Observed,
    ObservedNetwork,
    Settings,
    State,
)
from envmgr.model.proof import Finding, Outcome
from envmgr.model.secret import SecretValue
from envmgr.model.stack import Image, Network, Publication, Resources, Service, Stack, System, Volume
from envmgr.proving import inspection, reach
from envmgr.proving.scan import Seen
from envmgr.proving.sockets import Listener

MODE = "com.docker.network.bridge.gateway_mode_ipv4"
NUMBERS = {"infra": 0, "dev": 1, "prod": 2}


def service(name: str, **more: Any) -> Service:
    return Service(name, "asgi", Image("play:1"), "1:1", (), Resources(1, 1 << 20, 8), 10, 10, **more)


def stack(target: str, *services: Service) -> Stack:
    number = NUMBERS[target]
    return Stack(
        project="play",
        target=target,
        compose_project=f"play-{target}",
        services=services,
        networks=(
            Network("data", f"play-{target}-data", f"10.0.{number}.0/25", is_internal=True),
            Network("publish", f"play-{target}-publish", f"10.0.{number}.128/26", is_internal=False),
        ),
        volumes=(Volume("app-data", f"play-{target}-app-data", "app"),),
        needed=(Needed("PASSWORD", target, True, Origin.GENERATED),),
        is_base=target == "infra",
    )


def container(target: str, name: str, last: int, **more: Any) -> Container:
    networks = {f"play-{target}-data": f"10.0.{NUMBERS[target]}.{last}"} | more.pop("addresses", {})
    known: dict[str, Any] = {
        "id": f"{target}-{name}",
        "name": f"play-{target}-{name}-1",
        "compose_project": f"play-{target}",
        "service": name,
        "number": 1,
        "image": "play:1",
        "image_id": "sha256:1",
        "state": State.RUNNING,
        "health": EngineHealth.HEALTHY,
        "exit_code": 0,
        "restart_count": 0,
        "is_oom_killed": False,
        "started_at": None,
        "finished_at": None,
        "labels": {},
        "ports": (),
        "revision": "",
    }
    return Container(**{**known, "networks": dict.fromkeys(networks, ()), "addresses": networks, **more})


APP = service("app", uses=("redis",), aliases=("app--dev",))
BASE = stack("infra", service("redis", is_server=True), service("minio", is_server=True))
DEV, PROD = stack("dev", APP), stack("prod", replace(APP, aliases=("app--prod",)))
REDIS = container("infra", "redis", 2, addresses={"play-dev-data": "10.0.1.2", "play-prod-data": "10.0.2.2"})
MINIO = container("infra", "minio", 3, ports=(HostPort("127.0.0.1", 9000),))
DEV_APP = container("dev", "app", 4, addresses={"play-dev-publish": "10.0.1.130"})
PROD_APP = container("prod", "app", 4)
NETWORKS = (
    ObservedNetwork("play-dev-data", ("10.0.1.0/25",), {}, options={MODE: "isolated"}),
    ObservedNetwork("play-prod-data", ("10.0.2.0/25",), {}, options={MODE: "isolated"}),
    ObservedNetwork("play-dev-publish", ("10.0.1.128/26", "fd00::/64"), {}),
)


def scene(*containers: Container, host: tuple[Listener, ...] = (), is_known: bool = True) -> reach.Scene:
    found = containers or (REDIS, MINIO, DEV_APP, PROD_APP)
    return reach.Scene(
        System("play", BASE, (DEV, PROD), {}),
        Observed(found, (), NETWORKS, ()),
        reach.Machine(("192.0.2.9",), host, is_known),
        {
            "infra-redis": (Listener("::", 6379),),
            "infra-minio": (Listener("10.0.0.3", 9000), Listener("10.9.9.9", 1)),
            "dev-app": (Listener("0.0.0.0", 8000),),
            "prod-app": (Listener("0.0.0.0", 8000), Listener("127.0.0.1", 9)),
        },
    )


def test_a_round_knocks_at_everything_that_is_not_its_own():
    tried = reach.round_of(scene(host=(Listener("0.0.0.0", 22), Listener("127.0.0.1", 25))), DEV, DEV_APP)
    assert {(one.other, one.what, one.place) for one in tried.targets} == {
        ("prod", "reach containers", "10.0.2.4:8000"),
        ("prod", "resolve names", "play-prod-app-1"),
        ("prod", "resolve names", "app--prod"),
        # Of the base: where it is not for dev. What dev uses, it reaches in its own network.
        ("infra", "reach containers", "10.0.0.2:6379"),
        ("infra", "reach containers", "10.0.2.2:6379"),
        ("infra", "reach containers", "10.0.0.3:9000"),
        ("infra", "resolve names", "minio"),
        # An isolated bridge has no address of the host.
        ("infra", "reach published ports", "10.0.1.129:9000"),
        ("infra", "reach published ports", "192.0.2.9:9000"),
        ("host", "reach listeners", "10.0.1.129:22"),
        ("host", "reach listeners", "192.0.2.9:22"),
    }
    assert {one.decoy for one in tried.targets if one.place == "10.0.2.4:8000"} == {"10.0.2.126:8000"}
    assert tried.own_places == ("10.0.1.2:6379",)
    assert tried.own_names == ("redis", "app--dev")


def shown(seen: Seen | None, **more: Any) -> dict[tuple[str, str], Finding]:
    here = scene(**more)
    tried = reach.round_of(here, DEV, DEV_APP)
    return {(one.other, one.what): one for one in reach.findings(here, DEV, DEV_APP, tried, seen)}


def refused(**more: str) -> Seen:
    tried = reach.round_of(scene(host=(Listener("0.0.0.0", 22),)), DEV, DEV_APP)
    places = dict.fromkeys(tried.places, "ENETUNREACH") | {"10.0.1.2:6379": "open"}
    return Seen(places | more, dict.fromkeys(tried.names, "none") | {"redis": "10.0.1.2"})


def test_what_does_not_answer_is_refused_when_its_own_answers():
    found = shown(refused(), host=(Listener("0.0.0.0", 22),))
    assert {one.outcome for one in found.values()} == {Outcome.REFUSED}
    assert found["infra", "reach containers"].detail == "3 addresses: ENETUNREACH"
    assert found["prod", "resolve names"].detail == "2 names unknown"


def test_what_answers_is_open_and_says_where_and_what_closes_it():
    found = shown(refused(**{"10.0.2.4:8000": "open", "192.0.2.9:22": "open"}), host=(Listener("0.0.0.0", 22),))
    crossed = {key: (one.outcome, one.detail, one.closes) for key, one in found.items() if one.closes}
    line = "iptables -I INPUT -s 10.0.1.128/26 -m conntrack --ctstate NEW -j REJECT"
    assert crossed == {
        ("prod", "reach containers"): (Outcome.OPEN, "10.0.2.4:8000 (prod app)", "envmgr up dev prod"),
        ("host", "reach listeners"): (Outcome.EXPOSED, "192.0.2.9:22 (port 22 of the host)", line),
    }


def test_one_listener_at_many_addresses_is_named_once():
    both = {"10.0.1.129:22": "open", "192.0.2.9:22": "open"}
    found = shown(refused(**both), host=(Listener("0.0.0.0", 22),))
    assert found["host", "reach listeners"].detail == "10.0.1.129:22 and 1 more (port 22 of the host)"


def test_what_the_spec_publishes_for_everybody_is_for_containers_too():
    public = replace(scene().system.base.service("minio"), ports=(Publication(9000, 9000, "0.0.0.0"),))
    here = scene()
    base = replace(here.system.base, services=(public,))
    asked = reach.round_of(replace(here, system=replace(here.system, base=base)), DEV, DEV_APP)
    assert "reach published ports" not in {one.what for one in asked.targets}


def test_who_answers_for_any_address_is_not_the_other():
    found = shown(refused(**{"10.0.2.4:8000": "open", "10.0.2.126:8000": "open"}))
    assert found["prod", "reach containers"].outcome is Outcome.REFUSED
    assert found["prod", "reach containers"].detail == "1 addresses: answered from outside"


def test_a_name_crosses_only_with_an_address_of_the_other():
    seen = refused()
    elsewhere = replace(seen, names={**seen.names, "app--prod": "203.0.113.7"})
    assert shown(elsewhere)["prod", "resolve names"].outcome is Outcome.REFUSED
    theirs = replace(seen, names={**seen.names, "app--prod": "10.0.2.4"})
    assert shown(theirs)["prod", "resolve names"].outcome is Outcome.OPEN


def test_silence_proves_nothing_where_its_own_is_silent_too():
    silent = replace(refused(), places=dict.fromkeys(refused().places, "silence"), names={})
    found = shown(silent)
    assert found["prod", "reach containers"].outcome is Outcome.NOT_TRIED
    assert found["prod", "reach containers"].detail == "nothing of its own answers either"
    assert found["prod", "resolve names"].detail == "it finds no name of its own either"


def test_an_address_that_nobody_knocked_at_was_not_tried():
    seen = refused()
    fewer = replace(seen, places={k: v for k, v in seen.places.items() if k != "10.0.2.4:8000"})
    assert shown(fewer)["prod", "reach containers"].outcome is Outcome.NOT_TRIED


@pytest.mark.parametrize("key", [("prod", "reach containers"), ("infra", "resolve names")])
def test_without_a_program_nothing_was_tried(key: tuple[str, str]):
    assert shown(None)[key].outcome is Outcome.NOT_TRIED
    assert "no image of the project has a program" in shown(None)[key].detail


def test_a_host_elsewhere_and_one_without_listeners_are_told_apart():
    assert "another machine" in shown(refused(), is_known=False)["host", "reach listeners"].detail
    assert "no listener beyond loopback" in shown(refused())["host", "reach listeners"].detail


def test_an_environment_that_is_down_cannot_be_reached_and_proves_nothing():
    here = scene(REDIS, MINIO, DEV_APP)
    tried = reach.round_of(here, DEV, DEV_APP)
    found = [one for one in reach.findings(here, DEV, DEV_APP, tried, refused()) if one.detail == "prod does not run"]
    assert [(one.what, one.outcome) for one in found] == [("reach containers", Outcome.NOT_TRIED)]


# ---- without asking


def test_networks_of_others_are_told():
    stray = replace(DEV_APP, networks={**DEV_APP.networks, "play-prod-data": ()})
    found = {one.other: one for one in inspection.networks(scene(), DEV, stray)}
    assert (found["prod"].outcome, found["prod"].detail) == (Outcome.OPEN, "play-prod-data")
    assert found["infra"].outcome is Outcome.REFUSED


def test_mounts_of_others_and_the_engines_socket_are_told():
    binds = {"/run/docker.sock": "/var/run/docker.sock", "/run/secrets/x": "/srv/play/.envmgr/prod/secrets/app/X"}
    mounts = (Mount("play-prod-app-data", "/data"), Mount("play-dev-app-data", "/own"))
    held = replace(DEV_APP, binds=binds, settings=Settings(mounts=mounts))
    found = {(one.other, one.what): one for one in inspection.mounts(scene(), DEV, held, "/srv/play")}
    assert found["host", "hold the engine's socket"].outcome is Outcome.OPEN
    assert found["prod", "mount files or volumes"].detail == "play-prod-app-data, /srv/play/.envmgr/prod/secrets/app/X"
    assert found["infra", "mount files or volumes"].outcome is Outcome.REFUSED


def values(**texts: str) -> dict[str, dict[str, SecretValue]]:
    return {target: {"PASSWORD": SecretValue(text)} for target, text in texts.items()}


def test_a_secret_of_another_in_a_file_is_told_by_name_and_never_by_value():
    known = values(dev="of-dev-alone", prod="of/prod alone", infra="of-infra-alone")
    seen = Seen(files={"URL": b"redis://x:of%2Fprod%20alone@redis", "OWN": b"of-dev-alone"})
    found = {one.other: one for one in inspection.secrets(scene(), DEV, DEV_APP, seen, known)}
    assert (found["prod"].outcome, found["prod"].detail) == (Outcome.OPEN, "PASSWORD of prod in /run/secrets/URL")
    assert found["infra"].outcome is Outcome.REFUSED


def test_one_value_in_two_environments_is_told():
    known = values(dev="the same value", prod="the same value", infra="another value")
    found = {one.other: one for one in inspection.same_secrets(scene(), DEV, known)}
    assert (found["prod"].outcome, found["prod"].detail) == (Outcome.OPEN, "PASSWORD")
    assert found["infra"].outcome is Outcome.REFUSED


def publication(ports: tuple[HostPort, ...], host: tuple[Listener, ...] = ()) -> Finding:
    here = scene(replace(DEV_APP, ports=ports), host=host)
    return next(iter(inspection.publications(here, (DEV,))))


def test_what_is_published_beyond_loopback_is_told_by_the_engine_and_by_the_socket_table():
    assert publication((HostPort("127.0.0.1", 8000),)).outcome is Outcome.REFUSED
    assert publication((HostPort("0.0.0.0", 8000),)).detail == "app on 0.0.0.0:8000"
    told = publication((HostPort("127.0.0.1", 8000),), (Listener("::", 8000), Listener("::", 22)))
    assert (told.outcome, told.detail) == (Outcome.OPEN, "app on :::8000")


def test_what_the_spec_publishes_is_no_crossing():
    for said in (
        replace(APP, ports=(Publication(443, 443, "0.0.0.0"),)),
        replace(APP, compose={"ports": ["0.0.0.0:443:443"]}),
    ):
        here = scene(replace(DEV_APP, ports=(HostPort("0.0.0.0", 443),)))
        (found,) = inspection.publications(here, (replace(DEV, services=(said,)),))
        assert found.outcome is Outcome.REFUSED
