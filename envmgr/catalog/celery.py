"""Celery: the worker, beat that plans its periodic tasks, and Flower that watches it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Defaults, Desk, Draft, Metrics
from envmgr.catalog.programs import FilePath, ProgramOptions
from envmgr.model.needed import Needed, Origin
from envmgr.model.secret import SecretRef
from envmgr.model.stack import CommandProbe, ConfigMount, Healthcheck, HttpProbe, Resources, SecretMount

_MEGABYTE = 1024**2
_FLOWER_PORT = 5555
_WAKES = 60
"""Beat sleeps no longer than this many seconds, even when nothing is due."""
CeleryApp = Annotated[str, Field(pattern=r"^[\w.]+(:[\w.]+)?$")]


class WorkerOptions(ProgramOptions):
    """What `kind = "celery-worker"` adds to a table."""

    app: CeleryApp
    queues: tuple[Annotated[str, Field(pattern=r"^[\w.-]+$")], ...] = ()
    """Celery's default queue when left out."""
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = None
    """The environment's `workers` when left out."""
    pool: Literal["prefork", "threads", "gevent", "eventlet"] = "prefork"
    """What runs tasks side by side; `gevent` and `eventlet` need their package in the image."""
    max_tasks_per_child: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """After which a process of the pool is replaced by a fresh one; never when left out."""

    @model_validator(mode="after")
    def _fits(self) -> WorkerOptions:
        if self.max_tasks_per_child and self.pool != "prefork":
            raise ValueError('"max_tasks_per_child" is for the pool "prefork": the others have no processes to replace')
        return self


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
        return Draft(
            image=application.image,
            user=options.user,
            command=(
                *("celery", "-A", options.app, "worker", "--loglevel", application.log_level),
                *("--concurrency", str(options.concurrency or application.workers), *_work(options)),
            ),
            # A ping starts an interpreter and imports Celery: seldom, and with time to do it on a busy host.
            healthcheck=Healthcheck(("CMD-SHELL", ping), interval=60, timeout=30, start_interval=2),
            probe=CommandProbe(application.command("/bin/sh", "-c", ping, timeout=45)),
            is_python=True,
        )


def _work(options: WorkerOptions) -> tuple[str, ...]:
    """Return what differs from Celery's own defaults."""
    return (
        *(("--queues", ",".join(options.queues)) if options.queues else ()),
        *(("--pool", options.pool) if options.pool != "prefork" else ()),
        *(("--max-tasks-per-child", str(options.max_tasks_per_child)) if options.max_tasks_per_child else ()),
    )


class BeatOptions(ProgramOptions):
    """What `kind = "celery-beat"` adds to a table."""

    app: CeleryApp
    schedule_file: FilePath = "/tmp/celerybeat-schedule"  # noqa: S108 - a path inside the container
    """When each task ran last. In memory by default: put it on a volume where an interval is longer than a release."""


class CeleryBeat:
    """The kind `celery-beat`."""

    name = "celery-beat"
    Options = BeatOptions
    defaults = Defaults(
        Resources(cpus=0.25, memory=256 * _MEGABYTE, pids=32, memory_reserved=64 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=15,
        listens=False,
        is_single=True,
    )

    def draft(self, application: Application) -> Draft:
        """Return the scheduler; it is healthy while it keeps writing its schedule."""
        options: BeatOptions = application.options
        fresh = _fresh(options.schedule_file)
        return Draft(
            image=application.image,
            user=options.user,
            command=(
                *("celery", "-A", options.app, "beat", "--loglevel", application.log_level, "--pidfile="),
                *("--schedule", options.schedule_file, "--max-interval", str(_WAKES)),
            ),
            healthcheck=Healthcheck(fresh, interval=60, start_interval=1),
            probe=CommandProbe(application.command(*fresh[1:])),
            is_python=True,
        )


def _fresh(schedule: str) -> tuple[str, ...]:
    # Beat writes the file at start and, when it wakes, if three minutes have passed (Celery's `Scheduler.sync_every`).
    # Python's dbm may put an ending behind the name.
    limit = _WAKES + 180 + 60
    code = (
        "import glob, os, time; "
        f"ages = [time.time() - os.stat(path).st_mtime for path in glob.glob({schedule + '*'!r})]; "
        "print(f'written {min(ages):.0f} s ago' if ages else 'no schedule was written'); "
        f"raise SystemExit(not ages or min(ages) > {limit})"
    )
    return ("CMD", "python", "-c", code)


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
            healthcheck=http.python(_FLOWER_PORT, "/healthcheck"),
            probe=HttpProbe(application.port, "/healthcheck") if application.port else None,
            target_port=_FLOWER_PORT,
            # Like its health path, without a password.
            metrics=Metrics(_FLOWER_PORT),
            login=f"{options.login}, {password.name}",
            is_python=True,
            desk=Desk(_flower_on_desk(application)),
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


def _flower_on_desk(application: Application) -> tuple[str, ...]:
    """Flower reads FLOWER_BASIC_AUTH by itself."""
    options: FlowerOptions = application.options
    where = ("--address=127.0.0.1", f"--port={application.desk_port(_FLOWER_PORT)}")
    return ("celery", "-A", options.app, "flower", *where, f"--max_tasks={options.max_tasks}")
