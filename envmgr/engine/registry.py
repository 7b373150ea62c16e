"""Ask a registry what it has under a reference now: through the engine, or with the operator's login."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from envmgr.engine import process
from envmgr.engine.api import Answer, Api
from envmgr.engine.images import REFUSALS, REFUSING, path_of
from envmgr.engine.snapshot import platform
from envmgr.errors import EngineError
from envmgr.model.observed import RegistryImage

_FAILURES = (*REFUSALS, 500, 502, 503, 504)
_LOGIN = (401, 403)


def find(api: Api, command: str, environ: Mapping[str, str], reference: str, timeout: float) -> RegistryImage:
    """Return the digest that a pull of the reference would fetch, and the platforms behind it.

    Raises: `EngineError` when the registry refuses, has nothing of that name, or does not answer.
    """
    answer = _ask(api, reference, timeout)
    if answer.status == 200:
        found = answer.json()
        return RegistryImage(found["Descriptor"]["digest"], _platforms(found.get("Platforms") or ()))
    if answer.status in _LOGIN or any(word in answer.message for word in REFUSING):
        # The engine knows no passwords; the docker command does.
        return _with_login(command, environ, reference, timeout)
    raise EngineError(f"{reference} could not be asked of its registry: {answer.message}")


def _ask(api: Api, reference: str, timeout: float) -> Answer:
    try:
        return api.call("GET", f"/distribution/{path_of(reference)}/json", allowed=_FAILURES, timeout=timeout)
    except EngineError as error:
        if isinstance(error.__cause__, TimeoutError):
            raise EngineError(f"The registry of {reference} did not answer within {timeout:g} s") from error
        raise


def _with_login(command: str, environ: Mapping[str, str], reference: str, timeout: float) -> RegistryImage:
    argv = (command, "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", reference)
    said = process.run_checked(argv, environ, deadline=timeout, what=f"Asking the registry for {reference}")
    return described(json.loads(said))


def described(manifest: Mapping[str, Any]) -> RegistryImage:
    """Read what `docker buildx imagetools inspect` says of an image of one platform, or of several."""
    platforms = (one.get("platform") or {} for one in manifest.get("manifests") or ())
    return RegistryImage(manifest["digest"], _platforms(platforms))


def _platforms(found: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    names = (platform(one.get("os", ""), one.get("architecture", ""), one.get("variant", "")) for one in found)
    # Attestations stand beside the platforms, under a platform that is none.
    return tuple(sorted({name for name in names if name and not name.startswith("unknown")}))
