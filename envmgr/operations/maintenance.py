"""Maintenance: visitors get a page instead of an answer, health paths and allowed networks the answer as ever."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from envmgr.catalog.edge import ALLOWED, FOLDER, PAGE
from envmgr.errors import UsageError
from envmgr.model.release import MaintenanceResult
from envmgr.operations.deploy import in_colours
from envmgr.operations.edge import Edge
from envmgr.operations.session import Session
from envmgr.render.files import render_text

_TEMPLATE = "edge/maintenance.html.j2"
_MOST = 256
"""Files for allowed networks; a network that is no whole number of bytes needs several."""
_WRITE = """\
set -eu
cd "$FOLDER"
rm -rf .allowed.next
mkdir .allowed.next
for name in $NAMES; do : >".allowed.next/$name"; done
rm -rf .allowed.old
if [ -d "$ALLOWED" ]; then mv "$ALLOWED" .allowed.old; fi
mv .allowed.next "$ALLOWED"
rm -rf .allowed.old
printf '%s' "$CONTENT" >.page.next
mv .page.next "$PAGE"
sync "$FOLDER"
"""
_REMOVE = 'cd "$FOLDER" && rm -f "$PAGE" && rm -rf "$ALLOWED" && sync "$FOLDER"'


def begin(session: Session, target: str, message: str, allowed: tuple[str, ...]) -> MaintenanceResult:
    """Show visitors a page from the next request on; requests that are on their way end as they would have.

    Raises: `UsageError` for a network that is none; `EngineError` when the edge does not run; `LockedError`.
    """
    stack = in_colours(session, target)
    names = tuple(dict.fromkeys(name for text in allowed for name in beginnings(text)))
    if len(names) > _MOST:
        raise UsageError(
            f"--allow {' '.join(allowed)} are {len(names)} networks of 8, 16, 24 or 32 bits, more than {_MOST}",
            state="Nothing was changed.",
            help="Allow a /24, a /16 or single addresses.",
        )
    page = render_text(_TEMPLATE, session.project.folder, message=message)
    with session.locks.acquire(target):
        variables = {"FOLDER": FOLDER, "PAGE": PAGE, "ALLOWED": ALLOWED, "NAMES": " ".join(names), "CONTENT": page}
        Edge(session, stack).run(_WRITE, variables)
    return MaintenanceResult(target, True, message, allowed)


def end(session: Session, target: str) -> MaintenanceResult:
    """Answer everybody again.

    Raises: `EngineError` when the edge does not run; `LockedError`.
    """
    stack = in_colours(session, target)
    with session.locks.acquire(target):
        Edge(session, stack).run(_REMOVE, {"FOLDER": FOLDER, "PAGE": PAGE, "ALLOWED": ALLOWED})
    return MaintenanceResult(target, False, "", ())


def beginnings(text: str) -> Iterator[str]:
    """Yield how the addresses of a network begin, in whole bytes: `10.1.0.0/15` is `10.0` and `10.1`.

    Raises: `UsageError` for what is no IPv4 network.
    """
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise UsageError(
            f"--allow {text}: {error}",
            state="Nothing was changed.",
            help="An IPv4 address or network: 203.0.113.7, 10.1.0.0/16",
        ) from error
    size = next(size for size in (8, 16, 24, 32) if size >= max(network.prefixlen, 1))
    for part in network.subnets(new_prefix=size) if network.prefixlen < size else (network,):
        yield ".".join(str(part.network_address).split(".")[: size // 8])
