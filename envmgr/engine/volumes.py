"""Make and remove volumes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from envmgr.engine import opener
from envmgr.engine.api import Api
from envmgr.errors import EngineError

ABSENT, CONFLICT = 404, 409


def create(api: Api, name: str, labels: Mapping[str, str]) -> None:
    """Create a volume; the engine answers with the one that is there, unchanged."""
    api.call("POST", "/volumes/create", body={"Name": name, "Labels": dict(labels)})


def remove(api: Api, name: str) -> None:
    """Remove a volume and its data."""
    opener.discard(api, name)
    answer = api.call("DELETE", f"/volumes/{name}", allowed=(ABSENT, CONFLICT))
    if answer.status == CONFLICT:
        raise EngineError(f"The volume {name} could not be removed: {_users(api, name)} still has it")


def _users(api: Api, name: str) -> str:
    filters = json.dumps({"volume": [name]})
    listed = api.get("/containers/json", {"all": 1, "filters": filters})
    return ", ".join(sorted(it["Names"][0].removeprefix("/") for it in listed)) or "something"
