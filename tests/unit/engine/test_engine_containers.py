from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from envmgr.engine import containers, host, observation
from envmgr.engine.stream import HEADER, MULTIPLEXED
from envmgr.engine.wire import Request
from envmgr.errors import EngineError
from envmgr.model.observed import HealthRun, Incident
from tests.fakes.played import Told, api_of, api_playing, params_of, refusal, reply

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str):
    return json.loads((RECORDED / f"{name}.json").read_text())


def test_logs_of_both_streams():
    data = HEADER.pack(1, 4) + b"out\n" + HEADER.pack(2, 4) + b"err\n"
    answer = Told(200, data, headers={"Content-Type": MULTIPLEXED})
    api, played = api_of({"GET /containers/c/logs": answer})
    assert containers.logs(api, "c", 20) == "out\nerr\n"
    assert played.asked == [("GET /containers/c/logs", {"stdout": "1", "stderr": "1", "tail": "20"})]


def test_logs_between_two_moments():
    api, played = api_of({"GET /containers/c/logs": Told(200)})
    begins, ends = datetime(2026, 1, 2, microsecond=250000, tzinfo=UTC), datetime(2026, 1, 2, second=1, tzinfo=UTC)
    assert containers.logs(api, "c", 20, begins, ends) == ""
    asked = played.asked[0][1]
    assert (asked["since"], asked["until"]) == ("1767312000.250000", "1767312001.000000")


def test_history_is_read_from_what_the_engine_remembers():
    lines = [
        {"Action": "start", "timeNano": 1767312000_000000001, "Actor": {"ID": "c", "Attributes": {"name": "a"}}},
        {"Action": "kill", "timeNano": 1767312001_000000000, "Actor": {"ID": "c", "Attributes": {"signal": "15"}}},
        {"Action": "die", "timeNano": 1767312002_500000000, "Actor": {"ID": "c", "Attributes": {"exitCode": "143"}}},
        {"Action": "oom", "timeNano": 1767312003_000000000, "Actor": {"ID": "c"}},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    api, played = api_of({"GET /events": Told(200, content)})
    assert containers.history(api, "c") == (
        Incident("start", datetime(2026, 1, 2, tzinfo=UTC)),
        Incident("kill", datetime(2026, 1, 2, second=1, tzinfo=UTC), signal=15),
        Incident("die", datetime(2026, 1, 2, second=2, microsecond=500000, tzinfo=UTC), exit_code=143),
        Incident("oom", datetime(2026, 1, 2, second=3, tzinfo=UTC)),
    )
    ((_, params),) = played.asked
    assert json.loads(params["filters"])["container"] == ["c"]
    assert params["until"], "without an end the engine would go on telling"


def test_an_engine_that_remembers_nothing():
    assert containers.history(api_of({"GET /events": Told(200)})[0], "c") == ()
    with pytest.raises(EngineError, match="bad filter"):
        containers.history(api_of({"GET /events": refusal(400, "bad filter")})[0], "c")


def test_logs_that_the_engine_does_not_keep():
    words = "configured logging driver does not support reading"
    with pytest.raises(EngineError, match=words):
        containers.logs(api_of({"GET /containers/c/logs": refusal(500, words)})[0], "c", 20)


def test_health_log():
    api, _ = api_of({"GET /containers/c/json": reply(200, recorded("container_app"))})
    assert containers.health_log(api, "c")[-1] == HealthRun(0, "fine\n")


@pytest.mark.parametrize("status", [204, 304])
def test_start_and_stop_are_fine_with_what_is_so_already(status):
    replies = {"POST /containers/c/start": reply(status), "POST /containers/c/stop": reply(status)}
    api, played = api_of(replies)
    containers.start(api, "c")
    containers.stop(api, "c", 2.5)
    assert played.paths == list(replies)


def test_a_fraction_of_a_second_to_stop_is_rounded_up():
    asked = []

    def answer(request: Request) -> Told:
        asked.append((params_of(request), request.seconds))
        return Told(204, headers={"Api-Version": "1.51"})

    containers.restart(api_playing(answer), "c", 0.2)
    assert asked[1:] == [({"t": "1"}, 61)]


def test_a_container_that_is_gone_cannot_start():
    with pytest.raises(EngineError, match="No such container: c"):
        containers.start(api_of({"POST /containers/c/start": refusal(404, "No such container: c")})[0], "c")


@pytest.mark.parametrize(
    "answer",
    [reply(204), refusal(404, "No such container"), refusal(409, "removal of container c is already in progress")],
)
def test_remove_is_fine_with_what_is_gone_or_going(answer):
    api, played = api_of({"DELETE /containers/c": answer})
    containers.remove(api, "c")
    assert played.asked == [("DELETE /containers/c", {"force": "1", "v": "0"})]


def test_a_removal_that_is_refused():
    with pytest.raises(EngineError, match="could not be removed: device busy"):
        containers.remove(api_of({"DELETE /containers/c": refusal(409, "device busy")})[0], "c")


# ---- snapshot


def listed(number: int, project: str | None = "chatbot"):
    labels = {} if project is None else {"envmgr.project": project, "com.docker.compose.project": "chatbot-dev"}
    return {"Id": f"id{number}", "Names": [f"/name{number}"], "Labels": labels, "Ports": []}


def inspected(number: int):
    return reply(200, {**recorded("container_app"), "Id": f"id{number}", "Name": f"/name{number}"})


@pytest.fixture
def workers():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_a_snapshot_leaves_out_what_vanished_meanwhile(workers):
    api, played = api_of(
        {
            "GET /containers/json": reply(200, [listed(2), listed(1), listed(3), listed(9, None), listed(8, "other")]),
            "GET /containers/id1/json": inspected(1),
            "GET /containers/id2/json": inspected(2),
            "GET /containers/id3/json": refusal(404, "No such container: id3"),
            "GET /networks": reply(200, recorded("networks")),
            "GET /volumes": reply(200, recorded("volumes")),
        }
    )
    found = observation.take(api, "chatbot", workers)
    assert [it.name for it in found.containers] == ["name1", "name2"]
    assert [it.name for it in found.foreign] == ["name9", "name8"]
    assert "chatbot-dev-data" in [it.name for it in found.networks]
    assert [it.name for it in found.volumes] == ["chatbot-dev-app-data"]
    assert dict(played.asked)["GET /volumes"] == {"filters": '{"label": ["envmgr.project=chatbot"]}'}


def test_a_snapshot_of_an_empty_host(workers):
    replies = {
        "GET /containers/json": reply(200, []),
        "GET /networks": reply(200, []),
        "GET /volumes": reply(200, {"Volumes": None}),
    }
    found = observation.take(api_of(replies)[0], "chatbot", workers)
    assert (found.containers, found.foreign, found.networks, found.volumes) == ((), (), (), ())


def test_a_snapshot_that_fails_halfway_fails(workers):
    replies = {
        "GET /containers/json": reply(200, [listed(1)]),
        "GET /containers/id1/json": refusal(500, "database is locked"),
        "GET /networks": reply(200, []),
        "GET /volumes": reply(200, {"Volumes": None}),
    }
    with pytest.raises(EngineError, match="database is locked"):
        observation.take(api_of(replies)[0], "chatbot", workers)


# ---- host


def describe(**changed):
    return host.describe(api_of({"GET /info": reply(200, recorded("info") | changed)})[0], lambda: "v5.6.1\n")


def test_the_host():
    found = describe(DockerRootDir="/")
    assert (found.cpus, found.engine_version, found.compose_version, found.is_local) == (
        2,
        "28.5.2+dfsg4",
        "5.6.1",
        True,
    )
    assert found.memory > 1 << 30
    assert found.runtimes == ()
    assert describe(Runtimes={"runc": {}, "nvidia": {}}).runtimes == ("nvidia", "runc")
    assert describe(Runtimes=None).runtimes == ()
    assert found.free_disk is not None


def test_free_disk_is_unknown_where_the_engine_keeps_its_data_elsewhere():
    assert describe(DockerRootDir="/no/such/folder").free_disk is None
    assert describe(DockerRootDir="/", OperatingSystem="Docker Desktop").free_disk is None
