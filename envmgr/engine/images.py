"""Look for images, ask whether their registry answers, pull and build them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from envmgr.engine import process, snapshot
from envmgr.engine.api import Api
from envmgr.engine.process import KEPT_LINES
from envmgr.engine.protocol import BuildRequest, OnLine
from envmgr.errors import EngineError
from envmgr.model.observed import ImageInfo

if TYPE_CHECKING:
    from python_on_whales import DockerClient

SCRIPT_SECONDS = 900.0
"""A whole base image from packages, on a slow mirror."""
ABSENT = 404
REFUSALS = (401, 403, 404, 429)
"""Who refuses has answered."""
REFUSING = ("no basic auth credentials", "unauthorized", "denied", "toomanyrequests")
"""Refusals that the engine itself reports as an internal error."""
OWN_BUILDER = "default"
"""The engine's. One that the operator chose with `docker buildx use` does not see the engine's images."""


def find(api: Api, reference: str) -> ImageInfo | None:
    """Return an image that the engine has."""
    answer = api.call("GET", f"/images/{path_of(reference)}/json", allowed=(ABSENT,))
    return None if answer.status == ABSENT else snapshot.image(answer.json())


def tag(api: Api, reference: str, name: str) -> None:
    """Give an image one more name."""
    repository, _, version = name.rpartition(":")
    api.call("POST", f"/images/{path_of(reference)}/tag", params={"repo": repository, "tag": version})


def registry_answers(api: Api, reference: str, timeout: float) -> bool:
    """Ask the engine to ask the registry for the reference; the way there is the engine's, not this machine's."""
    refusals = (*REFUSALS, 500, 502, 503, 504)
    try:
        answer = api.call("GET", f"/distribution/{path_of(reference)}/json", allowed=refusals, timeout=timeout)
    except EngineError as error:
        if isinstance(error.__cause__, TimeoutError):
            return False
        raise
    return answer.status in (200, *REFUSALS) or any(word in answer.message for word in REFUSING)


def pull(client: DockerClient, reference: str, on_line: OnLine) -> None:
    """Fetch an image."""
    pairs = cast("Iterable[tuple[str, bytes]]", client.image.pull(reference, stream_logs=True))
    _follow((line for _, line in pairs), on_line, f"The image {reference} could not be pulled")


def build(client: DockerClient, request: BuildRequest, on_line: OnLine) -> None:
    """Build an image with buildx."""
    lines = client.buildx.build(
        request.context,
        file=request.dockerfile,
        tags=list(request.tags),
        target=request.target,
        labels=dict(request.labels),
        build_args=dict(request.build_args),
        build_contexts=dict(request.build_contexts),
        network=request.network,
        cache=request.uses_cache,
        builder=OWN_BUILDER,
        load=True,
        provenance=False,
        progress="plain",
        stream_logs=True,
    )
    _follow(cast("Iterable[str]", lines), on_line, f"{', '.join(request.tags)} could not be built")


def run_script(script: Path, reference: str, labels: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Run a program that makes an image."""
    lines = "\n".join(f"{key}={value}" for key, value in labels.items())
    process.run_checked(
        (str(script), reference),
        {**environ, "ENVMGR_LABELS": lines},
        deadline=SCRIPT_SECONDS,
        what=f"{script.name} for {reference}",
    )


def _follow(lines: Iterable[str | bytes], on_line: OnLine, failure: str) -> None:
    from python_on_whales.exceptions import DockerException

    kept: deque[str] = deque(maxlen=KEPT_LINES)
    try:
        for raw in lines:
            line = _text(raw)
            kept.append(line)
            on_line(line)
    # UnicodeDecodeError: the library decodes what a failed command wrote, strictly, to build its exception.
    except (DockerException, UnicodeDecodeError) as error:
        reason = next((line for line in reversed(kept) if line.strip()), "no output")
        raise EngineError(f"{failure}: {reason}", details=tuple(kept)) from error


def _text(raw: str | bytes) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return text.rstrip("\r\n")


def path_of(reference: str) -> str:
    """Write a reference as a part of the Engine API's paths."""
    return quote(reference, safe="/:@")
