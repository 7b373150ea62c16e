"""What the routes work with, and how a route asks for it; must not open anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request

from chatbot.counts import Counts
from chatbot.db import Messages
from chatbot.health import Ping
from chatbot.jobs import Jobs
from chatbot.settings import WebSettings

if TYPE_CHECKING:  # each is loaded only where it is configured
    from chatbot.files import Files
    from chatbot.search import SearchIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes work with; `search` and `files` are absent where they are not configured."""

    settings: WebSettings
    messages: Messages
    jobs: Jobs
    pings: Mapping[str, Ping]
    read_counts: Callable[[], Awaitable[Counts]]
    request_indexing: Callable[[], None]
    search: SearchIndex | None = None
    files: Files | None = None


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


WithServices = Annotated[Services, Depends(_services)]


def _search(services: WithServices) -> SearchIndex:
    if services.search is None:
        raise HTTPException(501, "Search is not configured: set QDRANT_URL and QDRANT_PREFIX.")
    return services.search


def _files(services: WithServices) -> Files:
    if services.files is None:
        raise HTTPException(501, "Files are not configured: set S3_ENDPOINT_URL, S3_BUCKET and their keys.")
    return services.files


WithSearch = Annotated["SearchIndex", Depends(_search)]
WithFiles = Annotated["Files", Depends(_files)]
