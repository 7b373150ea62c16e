"""The fields that are compared, each as one text: the names and the words that both sides share."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from envmgr.model.observed import Mount, ObservedHealthcheck
from envmgr.model.stack import Publication

Fields = Mapping[str, str]
"""Name → text; a name that is missing means that the thing is not there."""

NETWORK = "networks."
FILE = "files."
SECRETS = "/run/secrets/"
_UNITS = ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


def command(words: Iterable[str]) -> str:
    """Write a command as a shell would read it."""
    return shlex.join(words)


def size(number: int) -> str:
    """Write bytes as the spec does: `512M`."""
    return next((f"{number // unit}{letter}" for unit, letter in _UNITS if number and number % unit == 0), str(number))


def seconds(number: float) -> str:
    """Write a duration: `15s`, `0.5s`."""
    return f"{number:g}s"


def ports(found: Iterable[Publication]) -> str:
    """Write publications: `127.0.0.1:8000→8000/tcp`."""
    texts = (f"{one.host_ip}:{one.published}→{one.target}/{one.protocol}" for one in found)
    return ", ".join(sorted(texts))


def volumes(found: Iterable[Mount]) -> str:
    """Write the named volumes among mounts: `play-dev-data:/data`."""
    return ", ".join(sorted(f"{one.source}:{one.target}" for one in found if one.source))


def tmpfs(found: Mapping[str, str]) -> str:
    """Write places in memory: `/tmp (size=16m,…)`."""
    return ", ".join(f"{target} ({options})" for target, options in sorted(found.items()))


def healthcheck(found: ObservedHealthcheck | None) -> dict[str, str]:
    """Write a healthcheck: what is run, how often, and how patiently; `start_seconds` is a key of its own."""
    if found is None:
        return {}
    check = found.check
    timing = f"every {seconds(check.interval)}, {seconds(check.start_interval)} while it starts"
    patience = f"within {seconds(check.timeout)}, {check.retries} tries"
    return {
        "healthcheck": command(check.test),
        "healthcheck timing": f"{timing}, {patience}",
        "start_seconds": seconds(found.start_seconds),
    }


def present(fields: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is not there."""
    return {name: text for name, text in fields.items() if text}
