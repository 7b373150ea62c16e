"""Celery: the worker, and Flower that watches it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from envmgr.catalog.kind import Application, Defaults, Draft
from envmgr.catalog.python import ProgramOptions, http_healthcheck
from envmgr.model.secret import SecretRef
from envmgr.model.stack import (
    CommandProbe,
    ConfigMount,
    Healthcheck,
    HttpProbe,
    Needed,
    Origin,
    Resources,
    SecretMount,
)

_MEGABYTE = 1024**2
_FLOWER_PORT = 5555
CeleryApp = Annotated[str, Field(pattern=r"^[\w.]+(:[\w.]+)?$")]


class WorkerOptions(ProgramOptions):
    """What `kind = "celery-worker"` adds to a table."""

    app: CeleryApp
    queues: tuple[Annotated[str, Field(pattern=r"^[\w.-]+$")], ...] = ()
    """Celery's default queue when left out."""
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = None
    """The environment's `workers` when left out."""


class CeleryWorker:
    """The kind `celery-worker`."""

    name = "celery-worker"
    Options = WorkerOptions
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        # A warm shutdown finishes the tasks that the worker holds.
        stop_seconds=60,
        listens=False,
    )

    def draft(self, application: Application) -> Draft:
        """Return the worker; it is healthy when this very worker answers a ping through the broker."""
        options: WorkerOptions = application.options
        ping = f"exec celery -A {options.app} inspect ping -d celery@$HOSTNAME --timeout 5"
        queues = ("--queues", ",".join(options.queues)) if options.queues else ()
        return Draft(
            image=application.image,
            user=options.user,
            command=(
                *("celery", "-A", options.app, "worker", "--loglevel", application.log_level),
                *("--concurrency", str(options.concurrency or application.workers), *queues),
            ),
            # A ping starts an interpreter and imports Celery: seldom, and with time to do it on a busy host.
            healthcheck=Healthcheck(("CMD-SHELL", ping), interval=60, timeout=20, start_interval=2),
            probe=CommandProbe(application.command("/bin/sh", "-c", ping, timeout=20)),
        )


class FlowerOptions(ProgramOptions):
    """What `kind = "flower"` adds to a table."""

    app: CeleryApp
    max_tasks: Annotated[int, Field(ge=100)] = 10_000
    """Finished tasks kept in memory."""
    login: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "admin"


class Flower:
    """The kind `flower`."""

    name = "flower"
    Options = FlowerOptions
    defaults = Defaults(
        Resources(cpus=0.5, memory=256 * _MEGABYTE, pids=64, memory_reserved=64 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=15,
    )

    def draft(self, application: Application) -> Draft:
        """Return the console; its pages ask for a password, its health path does not."""
        options: FlowerOptions = application.options
        password = SecretRef("FLOWER_PASSWORD", application.environment)
        return Draft(
            image=application.image,
            user=options.user,
            command=("celery", "-A", options.app, "flower", "--conf=/etc/flower/flowerconfig.py"),
            healthcheck=http_healthcheck(_FLOWER_PORT, "/healthcheck"),
            probe=HttpProbe(application.port, "/healthcheck") if application.port else None,
            target_port=_FLOWER_PORT,
            login=f"{options.login}, {password.name}",
            secrets=(SecretMount("FLOWER_BASIC_AUTH", (f"{options.login}:", password)),),
            configs=(
                ConfigMount(
                    f"config/{application.environment}/{application.name}/flowerconfig.py",
                    "/etc/flower/flowerconfig.py",
                    "flower/flowerconfig.py.j2",
                    {"port": _FLOWER_PORT, "max_tasks": options.max_tasks},
                ),
            ),
            needed=(
                Needed(password.name, password.scope, True, Origin.GENERATED, place=f"services.{application.name}"),
            ),
        )
