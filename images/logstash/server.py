"""Take events over TCP, send them to Elasticsearch, and tell how many, as Logstash's API does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pipeline import Event, Pipeline, read
from stand_in.settings import WrongSetting
from stand_in.web import run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

VERSION = "9.5.3"
_FOLDER = Path("/usr/share/logstash/pipeline")
_WAITING = 1000
_BATCH = 125
"""Events; Logstash's own default."""
_LINE_LIMIT = 20 * 1024 * 1024
_SECONDS_BETWEEN_TRIES = 2
_SECONDS_TO_DRAIN = 5


class Logstash:
    """One pipeline at work. A full queue stops reading from its senders until Elasticsearch takes events again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._queue: asyncio.Queue[Event] = asyncio.Queue(_WAITING)
        self._counts: Counter[str] = Counter()
        self._client = httpx.AsyncClient(
            trust_env=False, auth=pipeline.target.login, timeout=httpx.Timeout(30, connect=3)
        )

    def app(self) -> Starlette:
        """Return the API's application; the pipeline works while it does."""
        routes = [
            Route("/", self._node),
            Route("/_node/stats", self._stats),
            Route("/_node/stats/{part:path}", self._stats),
        ]
        return Starlette(routes=routes, lifespan=self._working)

    @asynccontextmanager
    async def _working(self, _: Starlette) -> AsyncIterator[None]:
        senders = await asyncio.start_server(self._receive, "0.0.0.0", self._pipeline.port, limit=_LINE_LIMIT)  # noqa: S104
        delivering = asyncio.create_task(self._deliver())
        yield
        senders.close()
        try:
            await asyncio.wait_for(self._queue.join(), _SECONDS_TO_DRAIN)
        except TimeoutError:
            _say(f"{self._queue.qsize()} events or more are lost: Elasticsearch did not take them in time")
        delivering.cancel()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if line.strip():
                    self._counts["in"] += 1
                    await self._queue.put(self._pipeline.filtered(line.rstrip(b"\r\n")))
        except (ValueError, ConnectionError) as error:
            _say(f"a sender is disconnected: {error}")
        finally:
            writer.close()

    async def _deliver(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            self._counts["filtered"] += len(batch)
            while not await self._is_sent(batch):
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            for _ in batch:
                self._queue.task_done()

    async def _is_sent(self, batch: list[Event]) -> bool:
        target = self._pipeline.target
        lines = [one for event in batch for one in ({target.action: {"_index": self._pipeline.index(event)}}, event)]
        content = "".join(json.dumps(line) + "\n" for line in lines)
        headers = {"content-type": "application/x-ndjson"}
        try:
            answer = await self._client.post(f"{target.host}/_bulk", content=content, headers=headers)
        except httpx.HTTPError as error:
            _say(f"{target.host} does not answer, trying again: {type(error).__name__}")
            return False
        if answer.status_code != 200:
            _say(f"{target.host} answers {answer.status_code}, trying again")
            return False
        self._account(answer.json()["items"])
        return True

    def _account(self, items: list[dict[str, dict[str, object]]]) -> None:
        results = [result for item in items for result in item.values()]
        refused = [result["error"] for result in results if "error" in result]
        for error in refused:
            _say(f"an event is dropped: {error}")
        self._counts["out"] += len(results) - len(refused)

    async def _node(self, _: Request) -> Response:
        return JSONResponse({"host": "stand-in", "version": VERSION, "status": "green", "pipeline": {"workers": 1}})

    async def _stats(self, _: Request) -> Response:
        events = {name: self._counts[name] for name in ("in", "filtered", "out")}
        node = {"host": "stand-in", "version": VERSION, "status": "green"}
        return JSONResponse({**node, "events": events, "pipelines": {"main": {"events": events}}})


def _say(sentence: str) -> None:
    sys.stderr.write(f"logstash: {sentence}\n")


def _app() -> Starlette:
    files = sorted(_FOLDER.glob("*.conf"))
    if not files:
        raise WrongSetting(f"{_FOLDER} has no pipeline")
    return Logstash(read("\n".join(file.read_text(encoding="utf-8") for file in files))).app()


if __name__ == "__main__":
    run("logstash", _app, 9600)
