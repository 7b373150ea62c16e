"""What the kinds that run Python programs share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.model.stack import Healthcheck
from envmgr.spec.schema import Strict

UserId = Annotated[str, Field(pattern=r"^[1-9][0-9]*:[1-9][0-9]*$")]
Path = Annotated[str, Field(pattern=r"^/[!-~]*$")]


class ProgramOptions(Strict):
    """What every kind that runs the project's own image adds to a table."""

    user: UserId = "10001:10001"
    """Numeric uid:gid inside the image."""


def http_healthcheck(port: int, path: str, interval: float = 15) -> Healthcheck:
    """Return a healthcheck that needs nothing but the image's own Python; prints the start of the answer."""
    code = (
        f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}, timeout=4); c.request('GET', {path!r}); "
        "r = c.getresponse(); print(r.status, r.read(300).decode(errors='replace')); raise SystemExit(r.status >= 400)"
    )
    return Healthcheck(("CMD", "python", "-c", code), interval=interval)
