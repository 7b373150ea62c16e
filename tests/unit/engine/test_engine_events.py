from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path

import pytest

from envmgr.engine.events import subscribe
from envmgr.errors import EngineError
from tests.fakes.played import Told, api_of, refusal

RECORDED = Path(__file__).parent / "recorded" / "events.jsonl"


class Wire:
    """The engine's side of a subscription: what is put comes out, None ends it, an exception breaks it."""

    def __init__(self) -> None:
        self.coming: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()

    def __iter__(self):
        while (item := self.coming.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def hang_up(self) -> None:
        self.coming.put(None)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def api(wire):
    response = Told(200, pieces_of=lambda: iter(wire), on_hang_up=wire.hang_up)
    api, played = api_of({"GET /events": response})
    api.played = played
    return api


def line(action: str, service: str = "app") -> bytes:
    attributes = {"com.docker.compose.service": service}
    return json.dumps({"Action": action, "Actor": {"ID": "1", "Attributes": attributes}}).encode() + b"\n"


def test_asks_for_the_containers_of_a_project_and_not_for_every_healthcheck(api):
    before = time.time()
    with subscribe(api, "chat"):
        ((_, params),) = api.played.asked
    assert json.loads(params["filters"]) == {
        "type": ["container"],
        "label": ["envmgr.project=chat"],
        "event": ["start", "die", "oom", "health_status", "destroy"],
    }
    assert before <= float(params["since"]) <= time.time()


def test_events_as_the_engine_wrote_them_in_any_pieces(api, wire):
    data = RECORDED.read_bytes()
    for at in range(0, len(data), 700):
        wire.coming.put(data[at : at + 700])
    with subscribe(api, "chatbot") as events:
        found = [events.get(5) for _ in range(3)]
    assert [(it.action, it.service) for it in found] == [("die", "loop"), ("die", "loop"), ("health_status", "app")]


def test_none_when_nothing_happens(api):
    with subscribe(api, "chat") as events:
        assert events.get(0.01) is None
        assert events.get(0) is None


def test_closing_ends_whoever_waits_and_is_idempotent(api):
    with subscribe(api, "chat") as events:
        found = []
        waiting = threading.Thread(target=lambda: found.append(list(events)))
        waiting.start()
        events.close()
        events.close()
        waiting.join(5)
        assert found == [[]]
        assert events.get() is None


def test_the_end_of_the_engine_is_an_error_for_everybody_who_asks(api, wire):
    with subscribe(api, "chat") as events:
        wire.coming.put(line("start"))
        wire.coming.put(None)
        assert events.get(5).action == "start"
        for _ in range(2):
            with pytest.raises(EngineError, match="Docker ended the stream of events"):
                events.get(5)


def test_a_broken_connection(api, wire):
    wire.coming.put(ConnectionResetError("reset"))
    with subscribe(api, "chat") as events, pytest.raises(EngineError, match="broke the connection: following events"):
        list(events)


@pytest.mark.parametrize("junk", [b"{\n", b'{"Action": "start"}\n', b"[]\n"])
def test_an_event_that_cannot_be_read(api, wire, junk):
    wire.coming.put(junk)
    with subscribe(api, "chat") as events, pytest.raises(EngineError, match="event that cannot be read"):
        events.get(5)


def test_a_subscription_that_is_refused():
    api, _ = api_of({"GET /events": refusal(400, "invalid filter 'event'")})
    with pytest.raises(EngineError, match="invalid filter"), subscribe(api, "chat"):
        pass
