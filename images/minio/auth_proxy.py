"""Tell rclone, which runs this for each access key that it does not know, the key's secret and its buckets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from state import State, User


def backend(state: State, user: User) -> dict[str, Any]:
    """Return rclone's configuration for a user: a folder that holds the user's buckets and no others."""
    names = state.visible(user)
    shared = {"_root": "", "_secret_access_key": user.secret}
    if user.is_root:
        return {**shared, "type": "local", "_root": str(state.buckets)}
    if not names:
        return {**shared, "type": "memory"}
    return {**shared, "type": "combine", "upstreams": " ".join(f"{name}={state.buckets / name}" for name in names)}


if __name__ == "__main__":
    state = State(Path(os.environ["STAND_IN_DATA"]))
    user = state.user(json.load(sys.stdin)["user"])
    json.dump(backend(state, user) if user else {"type": "memory", "_root": ""}, sys.stdout)
