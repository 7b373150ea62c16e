"""Follow what happens to a project's containers: one streaming request, read by a thread into a queue."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from envmgr import naming
from envmgr.engine import snapshot
from envmgr.engine.api import Api
from envmgr.engine.failures import engine_error
from envmgr.engine.wire import FAILURES, Response
from envmgr.errors import EngineError
from envmgr.model.observed import Event

WATCHED = ("start", "die", "oom", "health_status", "destroy")
"""Not everything: each run of a healthcheck makes three exec events."""
CLOSE_SECONDS = 2.0


class Events:
    """A subscription; made by `subscribe`."""

    def __init__(self, api: Api, response: Response) -> None:
        self._api = api
        self._response = response
        self._found: queue.SimpleQueue[Event | EngineError | None] = queue.SimpleQueue()
        self._is_closed = False
        self._reader = threading.Thread(target=self._read, name="envmgr-events", daemon=True)
        self._reader.start()

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None after `timeout` seconds without one, or when closed."""
        try:
            found = self._found.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(found, Event):
            return found
        self._found.put(found)  # The end stays the end, for whoever asks again.
        if isinstance(found, EngineError):
            raise found
        return None

    def __iter__(self) -> Iterator[Event]:
        """Yield events until closed."""
        while (found := self.get()) is not None:
            yield found

    def close(self) -> None:
        """End the subscription; idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._response.hang_up()
        self._reader.join(CLOSE_SECONDS)

    def _read(self) -> None:
        end = self._until_the_end()
        self._found.put(None if self._is_closed else end)

    def _until_the_end(self) -> EngineError:
        try:
            for line in _lines(self._response):
                self._found.put(snapshot.event(json.loads(line)))
        except FAILURES as error:
            return engine_error(error, self._api.endpoint, "following events")
        except Exception as error:  # Whatever it is: who waits for events has to hear of it.
            return EngineError(f"Docker sent an event that cannot be read: {error}")
        return EngineError("Docker ended the stream of events", state="events may be missing", help="docker info")


def _lines(response: Response) -> Iterator[bytes]:
    """Yield whole lines, however the content is cut; one that was not finished is none."""
    rest = b""
    for piece in response.pieces():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


@contextmanager
def subscribe(api: Api, project: str) -> Iterator[Events]:
    """Subscribe to the events of a project's containers."""
    filters = {"type": ["container"], "label": [f"{naming.LABEL_PROJECT}={project}"], "event": list(WATCHED)}
    # The engine answers just before it subscribes: asking from now on closes that gap, where the clocks agree.
    params = {"filters": json.dumps(filters), "since": f"{time.time():.9f}"}
    with ExitStack() as stack:
        response = stack.enter_context(api.stream("GET", "/events", params=params))
        events = Events(api, response)
        stack.callback(events.close)
        yield events
