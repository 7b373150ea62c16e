"""The HTTP interface: routes, their input rules and what an error looks like; must not open connections."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, field_validator

from chatbot import health, receipts
from chatbot.db import DatabaseNotMigrated, DatabaseUnavailable, Message, Messages
from chatbot.jobs import Job, Jobs, QueueUnavailable
from chatbot.metrics import RequestMetrics, exposition
from chatbot.settings import WebSettings

MAX_ID = 2**63 - 1  # bigint
UNAVAILABLE = {
    DatabaseUnavailable: "The database is not available.",
    DatabaseNotMigrated: "The database has no such table: run `alembic upgrade head`.",
    QueueUnavailable: "The task queue is not available.",
}

router = APIRouter()
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with."""

    settings: WebSettings
    messages: Messages
    jobs: Jobs
    pings: Mapping[str, health.Ping]


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
    """A stored message; the receipt is signed with SECRET_KEY."""

    id: int
    text: str
    created_at: datetime
    receipt: str


class MessagePage(BaseModel):
    """The number of all messages, and some of them."""

    count: int
    messages: list[MessageOut]


class JobOut(BaseModel):
    """A task: QUEUED, STARTED, SUCCESS, FAILURE, RETRY or REVOKED."""

    id: UUID
    state: str
    result: Any = None
    error: str | None = None


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


WithServices = Annotated[Services, Depends(_services)]


@router.get("/health")
async def get_health(services: WithServices) -> JSONResponse:
    """Answer 200 when PostgreSQL and Redis answer this application's own users, otherwise 503."""
    checks = await health.check(services.pings)
    healthy = all(verdict == health.OK for verdict in checks.values())
    return JSONResponse({"status": "ok" if healthy else "failed", "checks": checks}, 200 if healthy else 503)


@router.get("/whoami")
async def whoami(services: WithServices) -> dict[str, str]:
    """Tell which environment and release answers."""
    settings = services.settings
    return {"environment": settings.environment, "prefix": settings.prefix, "release": settings.release}


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """Answer in Prometheus's text format."""
    return Response(exposition(), media_type="text/plain; version=0.0.4")


@router.post("/messages", status_code=201)
async def add_message(body: Text, services: WithServices) -> MessageOut:
    """Store a message."""
    return _signed(services, await services.messages.add(body.text))


@router.get("/messages")
async def list_messages(
    services: WithServices,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[int, Query(ge=0, le=100)] = 50,
) -> MessagePage:
    """Count all messages and list those after an id, oldest first."""
    count, messages = await services.messages.page(after, limit)
    return MessagePage(count=count, messages=[_signed(services, message) for message in messages])


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
    return MessageOut(id=message.id, text=message.text, created_at=message.created_at, receipt=receipt)


async def _answer_unavailable(request: Request, error: Exception) -> JSONResponse:
    cause = error.__cause__
    logger.warning("%s %s: %s: %s", request.method, request.url.path, type(cause).__name__, cause)
    return JSONResponse({"detail": UNAVAILABLE[type(error)]}, 503)


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
    app.add_middleware(RequestMetrics)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    for error in UNAVAILABLE:
        app.add_exception_handler(error, _answer_unavailable)
    return app
