"""Look at and act on single containers, by id."""

from __future__ import annotations

import json
import math
import time
from datetime import datetime

from envmgr.engine import snapshot, stream
from envmgr.engine.api import ANSWER_SECONDS, Answer, Api
from envmgr.errors import EngineError
from envmgr.model.observed import HealthRun, Incident

ABSENT = 404
CONFLICT = 409
TOLD = ("start", "kill", "oom", "die", "stop")
"""What says how a container ended."""


def logs(api: Api, container_id: str, tail: int, since: datetime | None = None, until: datetime | None = None) -> str:
    """Return the last lines of stdout and stderr together."""
    params: dict[str, str | int] = {"stdout": 1, "stderr": 1, "tail": tail}
    params |= {key: f"{at.timestamp():.6f}" for key, at in (("since", since), ("until", until)) if at is not None}
    answer = api.call("GET", f"/containers/{container_id}/logs", params=params)
    return stream.decode(answer.content, answer.content_type)


def health_log(api: Api, container_id: str) -> tuple[HealthRun, ...]:
    """Return the last runs of the healthcheck, oldest first."""
    return snapshot.health_runs(api.get(f"/containers/{container_id}/json"))


def history(api: Api, container_id: str) -> tuple[Incident, ...]:
    """Return what the engine still remembers of how a container started and ended, oldest first."""
    filters = {"type": ["container"], "container": [container_id], "event": list(TOLD)}
    # Without an end the engine goes on telling; one that lies in its past ends the answer at once.
    params = {"filters": json.dumps(filters), "since": "0", "until": f"{time.time():.9f}"}
    answer = api.call("GET", "/events", params=params)
    return tuple(snapshot.incident(json.loads(line)) for line in answer.content.splitlines() if line.strip())


def start(api: Api, container_id: str) -> None:
    """Start a container; the engine answers 304 when it runs already."""
    api.call("POST", f"/containers/{container_id}/start")


def stop(api: Api, container_id: str, stop_seconds: float) -> None:
    """Stop a container; the engine answers 304 when it is stopped already."""
    _end(api, container_id, "stop", stop_seconds)


def restart(api: Api, container_id: str, stop_seconds: float) -> None:
    """Stop a container, then start it."""
    _end(api, container_id, "restart", stop_seconds)


def remove(api: Api, container_id: str, *, takes_nameless: bool = False) -> None:
    """Remove a container, killing it when it runs; `takes_nameless`: with the volumes that only its image asked for."""
    params = {"force": 1, "v": int(takes_nameless)}
    answer = api.call("DELETE", f"/containers/{container_id}", params=params, allowed=(ABSENT, CONFLICT))
    if answer.status == CONFLICT and not _is_going(answer):
        raise EngineError(f"The container could not be removed: {answer.message}")


def _end(api: Api, container_id: str, verb: str, stop_seconds: float) -> None:
    whole = math.ceil(stop_seconds)
    path = f"/containers/{container_id}/{verb}"
    api.call("POST", path, params={"t": whole}, timeout=whole + ANSWER_SECONDS)


def _is_going(answer: Answer) -> bool:
    # Another removal of the same container is under way: what was asked for happens.
    return "already in progress" in answer.message
