"""What a Dockerfile says of the container that it makes: of its last stage, for only that one runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from envmgr.starting.found import Component


@dataclass(frozen=True, slots=True)
class Container:
    """What is known of a component's container."""

    port: int | None = None
    user: str = ""
    """`uid:gid`, empty when it is root, a name, or not said."""
    is_nginx: bool = False


def container(component: Component) -> Container:
    """Read the last stage; what it does not say is unknown."""
    lines = [line.strip() for line in (component.dockerfile_text or "").splitlines()]
    starts = [index for index, line in enumerate(lines) if re.match(r"FROM\s", line, re.IGNORECASE)]
    stage = lines[starts[-1] :] if starts else []
    return Container(_port(stage), _user(stage), bool(stage) and "nginx" in stage[0].lower())


def options(component: Component, usual_port: int, usual_user: str) -> dict[str, object]:
    """Return the keys of a program's table that differ from what its kind takes by itself."""
    found = container(component)
    port = found.port if found.port and found.port >= 1024 and found.port != usual_port else None
    user = found.user if found.user != usual_user else ""
    return ({"container_port": port} if port else {}) | ({"user": user} if user else {})


def _port(stage: list[str]) -> int | None:
    words = _last(stage, r"EXPOSE\s+(\d{1,5})(?:/tcp)?\b")
    return int(words[0]) if words and 0 < int(words[0]) <= 65535 else None


def _user(stage: list[str]) -> str:
    words = _last(stage, r"USER\s+([1-9]\d{0,8})(?::([1-9]\d{0,8}))?\s*$")
    return f"{words[0]}:{words[1] or words[0]}" if words else ""


def _last(stage: list[str], pattern: str) -> tuple[str, ...]:
    # ASCII: Python's \d takes digits of every script, and a kind's own pattern does not.
    found = [match.groups() for line in stage if (match := re.match(pattern, line, re.IGNORECASE | re.ASCII))]
    return found[-1] if found else ()
