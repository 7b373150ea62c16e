from __future__ import annotations

import pytest

from envmgr.engine import networks, volumes
from envmgr.errors import EngineError
from envmgr.model.stack import Network
from tests.fakes.played import api_of, refusal, reply

DATA = Network("data", "chat-dev-data", "10.231.0.0/26", is_internal=True, is_external=True)
LABELS = {"envmgr.project": "chat"}
ISOLATED = {
    "com.docker.network.bridge.gateway_mode_ipv4": "isolated",
    "com.docker.network.bridge.enable_ip_masquerade": "false",
}


def found(subnet="10.231.0.0/26", internal=True, options=None):
    return reply(
        200,
        {
            "Name": "chat-dev-data",
            "Internal": internal,
            "IPAM": {"Config": [{"Subnet": subnet}]},
            "Options": ISOLATED | {"com.docker.network.of.the.engine": "x"} if options is None else options,
        },
    )


def test_an_internal_network_is_isolated_from_the_host():
    assert networks.definition(DATA, LABELS) == {
        "Name": "chat-dev-data",
        "Driver": "bridge",
        "Internal": True,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.231.0.0/26"}]},
        "Options": ISOLATED,
        "Labels": LABELS,
    }


def test_a_publishing_network_has_neither_neighbours_nor_a_way_out():
    publish = Network("publish", "chat-dev-publish", "10.231.0.64/26", is_internal=False, allows_neighbours=False)
    assert networks.definition(publish, {})["Options"] == {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    }


def test_a_network_with_a_way_out():
    egress = Network("egress", "chat-dev-egress", "10.231.0.128/26", is_internal=False, masquerades=True)
    assert networks.definition(egress, {})["Options"] == {}


def test_create():
    api, played = api_of({"POST /networks/create": reply(201, {"Id": "1"})})
    networks.create(api, DATA, LABELS)
    assert played.asked == [("POST /networks/create", networks.definition(DATA, LABELS))]


def test_a_network_that_is_there_and_the_same():
    api, _ = api_of({"POST /networks/create": refusal(409, "already exists"), "GET /networks/chat-dev-data": found()})
    networks.create(api, DATA, LABELS)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (found(subnet="10.9.0.0/26"), "the subnet 10.9.0.0/26 instead of 10.231.0.0/26"),
        (found(internal=False), "internal: False instead of True"),
        (found(options={}), "the options"),
    ],
)
def test_a_network_that_is_there_and_another(there, says):
    api, _ = api_of({"POST /networks/create": refusal(409, "already exists"), "GET /networks/chat-dev-data": there})
    with pytest.raises(EngineError, match=says) as caught:
        networks.create(api, DATA, LABELS)
    assert caught.value.state == "nothing was changed"
    assert "docker network rm chat-dev-data" in caught.value.help


def test_a_subnet_of_somebody_else_is_named():
    others = [
        {"Name": "office", "IPAM": {"Config": [{"Subnet": "10.231.0.0/16"}]}},
        {"Name": "six", "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}},
        {"Name": "host", "IPAM": {"Config": None}},
    ]
    replies = {"POST /networks/create": refusal(403, "Pool overlaps"), "GET /networks": reply(200, others)}
    with pytest.raises(EngineError, match=r"10\.231\.0\.0/26 overlaps with office$"):
        networks.create(api_of(replies)[0], DATA, LABELS)


def test_another_refusal_keeps_its_words():
    replies = {"POST /networks/create": refusal(403, "not on a Sunday"), "GET /networks": reply(200, [])}
    with pytest.raises(EngineError, match="not on a Sunday"):
        networks.create(api_of(replies)[0], DATA, LABELS)


def attached(**at: list[str]):
    return reply(200, {"NetworkSettings": {"Networks": {name: {"Aliases": aliases} for name, aliases in at.items()}}})


def test_connect():
    api, played = api_of({"GET /containers/c/json": attached(), "POST /networks/n/connect": reply(200)})
    networks.connect(api, "n", "c", ("postgres",))
    body = {"Container": "c", "EndpointConfig": {"Aliases": ["postgres"]}}
    assert played.asked[-1] == ("POST /networks/n/connect", body)


def test_connected_under_these_names_already():
    api, played = api_of({"GET /containers/c/json": attached(n=["c", "postgres"])})
    networks.connect(api, "n", "c", ("postgres",))
    assert played.paths == ["GET /containers/c/json"]


def test_connected_under_another_name_is_connected_anew():
    replies = {
        "GET /containers/c/json": attached(n=None),
        "POST /networks/n/disconnect": reply(200),
        "POST /networks/n/connect": reply(200),
    }
    api, played = api_of(replies)
    networks.connect(api, "n", "c", ("postgres",))
    assert played.paths == list(replies)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(404, "network n not found"),
        refusal(404, "No such container: c"),
        refusal(500, "container c is not connected to network n"),
        refusal(500, "container c is not connected to the network n"),
    ],
)
def test_disconnecting_what_is_not_connected(answer):
    networks.disconnect(api_of({"POST /networks/n/disconnect": answer})[0], "n", "c")


def test_a_disconnect_that_fails():
    with pytest.raises(EngineError, match="could not leave n: iptables"):
        networks.disconnect(api_of({"POST /networks/n/disconnect": refusal(500, "iptables")})[0], "n", "c")


def test_removing_a_network_that_is_gone():
    networks.remove(api_of({"DELETE /networks/n": refusal(404, "not found")})[0], "n")


def test_removing_a_network_in_use_names_the_users():
    message = 'network n has active endpoints (name:"chat-a-1" id:"5d", name:"chat-b-1" id:"6e")'
    with pytest.raises(EngineError, match="chat-a-1, chat-b-1 still use it"):
        networks.remove(api_of({"DELETE /networks/n": refusal(403, message)})[0], "n")


def test_volumes_are_made_with_labels():
    api, played = api_of({"POST /volumes/create": reply(201, {})})
    volumes.create(api, "v", LABELS)
    assert played.asked == [("POST /volumes/create", {"Name": "v", "Labels": LABELS})]


def test_removing_a_volume_in_use_names_the_users():
    replies = {
        "DELETE /containers/v-opener": refusal(404, "No such container"),
        "DELETE /volumes/v": refusal(409, "volume is in use"),
        "GET /containers/json": reply(200, [{"Names": ["/chat-db-1"]}]),
    }
    with pytest.raises(EngineError, match="chat-db-1 still has it"):
        volumes.remove(api_of(replies)[0], "v")


def test_removing_a_volume_that_is_gone():
    gone = {"DELETE /containers/v-opener": refusal(404, "x"), "DELETE /volumes/v": refusal(404, "no such volume")}
    volumes.remove(api_of(gone)[0], "v")
