"""The HTTP interface: routes, their input rules and what an error looks like; must not open connections."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, field_validator

from chatbot import file_routes, health, receipts
from chatbot.db import Message
from chatbot.embedding import embed
from chatbot.errors import Unavailable
from chatbot.jobs import Job
from chatbot.metrics import MESSAGES_STORED, RequestMetrics, exposition
from chatbot.services import Services, WithSearch, WithServices

MAX_ID = 2**63 - 1  # bigint

router = APIRouter()
logger = logging.getLogger(__name__)


OpenServices = Callable[[], AbstractAsyncContextManager[Services]]


class Text(BaseModel, extra="forbid"):
    """A text of a user."""

    text: str = Field(min_length=1, max_length=2000)

    @field_validator("text")
    @classmethod
    def storable(cls, text: str) -> str:
        """PostgreSQL's text type cannot hold NUL."""
        if "\0" in text:
            raise ValueError("the text must not contain NUL")
        return text


class ReverseRequest(Text):
    """A text to reverse, and how long the task takes for it (to watch a worker being stopped)."""

    seconds: float = Field(default=0.0, ge=0, le=30)


class MessageOut(BaseModel):
    """A stored message; the receipt is signed with SECRET_KEY. A message becomes searchable soon after it is stored."""

    id: int
    text: str
    created_at: datetime
    searchable: bool
    receipt: str


class HitOut(MessageOut):
    """A message that was found; the score is the cosine of the two texts' vectors."""

    score: float


class MessagePage(BaseModel):
    """The number of all messages, and some of them."""

    count: int
    messages: list[MessageOut]


class SearchResult(BaseModel):
    """The nearest messages, nearest first."""

    messages: list[HitOut]


class JobOut(BaseModel):
    """A task: QUEUED, STARTED, SUCCESS, FAILURE, RETRY or REVOKED."""

    id: UUID
    state: str
    result: Any = None
    error: str | None = None


@router.get("/health")
async def get_health(services: WithServices) -> JSONResponse:
    """Answer 200 when every server that is configured answers this application's own users, otherwise 503."""
    checks = await health.check(services.pings)
    healthy = all(verdict == health.OK for verdict in checks.values())
    return JSONResponse({"status": "ok" if healthy else "failed", "checks": checks}, 200 if healthy else 503)


@router.get("/whoami")
async def whoami(services: WithServices) -> dict[str, str]:
    """Tell which environment and release answers."""
    settings = services.settings
    return {"environment": settings.environment, "prefix": settings.prefix, "release": settings.release}


@router.get("/metrics", include_in_schema=False)
async def metrics(services: WithServices) -> Response:
    """Answer in Prometheus's text format."""
    return Response(exposition(await services.read_counts()), media_type="text/plain; version=0.0.4")


@router.post("/messages", status_code=201)
async def add_message(body: Text, services: WithServices) -> MessageOut:
    """Store a message; the worker makes it searchable, now or when the servers for that are back."""
    message = await services.messages.add(body.text)
    MESSAGES_STORED.inc()
    services.request_indexing()
    return _signed(services, message)


@router.get("/messages")
async def list_messages(
    services: WithServices,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[int, Query(ge=0, le=100)] = 50,
) -> MessagePage:
    """Count all messages and list those after an id, oldest first."""
    count, messages = await services.messages.page(after, limit)
    return MessagePage(count=count, messages=[_signed(services, message) for message in messages])


@router.get("/messages/search")
async def search_messages(
    services: WithServices,
    index: WithSearch,
    q: Annotated[str, Query(min_length=1, max_length=2000)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> SearchResult:
    """Find the messages whose spelling is nearest to a text."""
    hits = await index.nearest(embed(q), limit)
    stored = await services.messages.find([hit.id for hit in hits])
    # An index restored from another day may know messages that the database does not.
    found = [(stored[hit.id], hit.score) for hit in hits if hit.id in stored]
    return SearchResult(messages=[_scored(services, message, score) for message, score in found])


@router.get("/messages/{message_id}")
async def get_message(message_id: Annotated[int, Path(ge=1, le=MAX_ID)], services: WithServices) -> MessageOut:
    """Show one message."""
    message = await services.messages.get(message_id)
    if message is None:
        raise HTTPException(404, f"There is no message {message_id}.")
    return _signed(services, message)


# Celery's client blocks: these two are not coroutines, so they run in a thread.
@router.post("/tasks/reverse", status_code=202)
def queue_reverse(body: ReverseRequest, services: WithServices) -> JobOut:
    """Queue a task that reverses the text."""
    return JobOut(id=services.jobs.send_reverse(body.text, body.seconds), state="QUEUED")


@router.get("/tasks/{job_id}")
def get_task(job_id: UUID, services: WithServices) -> JobOut:
    """Show a task's state and, when it has ended, its result."""
    job: Job | None = services.jobs.find(job_id)
    if job is None:
        raise HTTPException(404, f"There is no task {job_id}, or its result has expired.")
    return JobOut(id=job.id, state=job.state, result=job.result, error=job.error)


def _signed(services: Services, message: Message) -> MessageOut:
    receipt = receipts.sign(services.settings.secret_key, message.id, message.text)
    return MessageOut(
        id=message.id,
        text=message.text,
        created_at=message.created_at,
        searchable=message.indexed_at is not None,
        receipt=receipt,
    )


def _scored(services: Services, message: Message, score: float) -> HitOut:
    return HitOut(**_signed(services, message).model_dump(), score=score)


async def _answer_unavailable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unavailable)
    cause = error.__cause__ or error
    first_line = str(cause).partition("\n")[0]  # the S3 client adds a page
    logger.warning("%s %s: %s: %s", request.method, request.url.path, type(cause).__name__, first_line)
    return JSONResponse({"detail": error.sentence}, 503)


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The input stays out of the answer: it may not even be encodable (a lone surrogate).
    problems = [{"loc": [str(part) for part in found["loc"]], "msg": found["msg"]} for found in error.errors()]
    return JSONResponse({"detail": problems}, 422)


def create_app(debug: bool, open_services: OpenServices) -> FastAPI:
    """Return the application; `open_services` is entered at startup and left at shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services() as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="chatbot",
        lifespan=lifespan,
        docs_url="/docs" if debug else None,
        redoc_url=None,
        openapi_url="/openapi.json" if debug else None,
    )
    app.include_router(router)
    app.include_router(file_routes.router)
    app.add_middleware(RequestMetrics)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(Unavailable, _answer_unavailable)
    return app
