"""A WSGI web application, served by gunicorn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from envmgr.catalog import http
from envmgr.catalog.kind import Application, Defaults, Desk, Draft
from envmgr.catalog.programs import WebOptions, metrics, probe
from envmgr.model.stack import Resources

_MEGABYTE = 1024**2


class Options(WebOptions):
    """What `kind = "wsgi"` adds to a table."""

    app: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+(\(\))?$")]
    """module:attribute, or module:factory()."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Per worker; more than one makes a `sync` worker a `gthread` one."""
    worker_class: Literal["sync", "gthread", "gevent", "tornado"] = "sync"
    """`gevent` and `tornado` need their package in the image."""
    timeout: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds after which a silent worker is killed; a sync worker is silent for as long as one request takes."""
    max_requests: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """After which a worker is replaced by a fresh one; 0 is never."""


class Wsgi:
    """The kind `wsgi`."""

    name = "wsgi"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=512 * _MEGABYTE, pids=256, memory_reserved=128 * _MEGABYTE),
        start_seconds=60,
        stop_seconds=30,
    )

    def draft(self, application: Application) -> Draft:
        """Return the web service; it counts as healthy when its health path answers below 400."""
        options: Options = application.options
        port = options.container_port
        return Draft(
            image=application.image,
            user=options.user,
            command=("gunicorn", options.app, "--bind", f"0.0.0.0:{port}", *_workers(application), *_life(application)),
            healthcheck=http.python(port, options.health_path),
            probe=probe(application, options),
            target_port=port,
            variables={
                "WEB_CONCURRENCY": str(application.workers),
                # Where gunicorn 25 and later puts its control socket, else under a home that cannot be written.
                "XDG_RUNTIME_DIR": "/tmp",  # noqa: S108 - a path inside the container
            },
            metrics=metrics(options),
            is_python=True,
            desk=Desk(_on_desk(application)),
        )


def _on_desk(application: Application) -> tuple[str, ...]:
    options: Options = application.options
    bound = f"127.0.0.1:{application.desk_port(options.container_port)}"
    level = ("--log-level", application.log_level.lower(), "--access-logfile", "-")
    return ("gunicorn", options.app, "--bind", bound, *_workers(application), *level)


def _workers(application: Application) -> tuple[str, ...]:
    options: Options = application.options
    return (
        *("--workers", str(application.workers), "--threads", str(options.threads)),
        *("--worker-class", options.worker_class, "--timeout", str(options.timeout)),
        *(("--max-requests", str(options.max_requests)) if options.max_requests else ()),
    )


def _life(application: Application) -> tuple[str, ...]:
    return (
        # A worker shows that it lives by touching a file; on a disk, a slow write looks like death (gunicorn's FAQ).
        *("--graceful-timeout", "20", "--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - a path inside the container
        *("--log-level", application.log_level.lower(), "--access-logfile", "-"),
    )
