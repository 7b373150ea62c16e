"""A one-shot job: runs once for each version of itself, and exit code 0 is success."""

from __future__ import annotations

from envmgr.catalog.kind import Application, Defaults, Draft
from envmgr.catalog.programs import ProgramOptions
from envmgr.model.stack import Resources

_MEGABYTE = 1024**2


class Options(ProgramOptions):
    """What `kind = "job"` adds to a table."""

    command: tuple[str, ...] = ()
    """Program and arguments, no shell reads them; what the image runs by itself when left out."""


class Job:
    """The kind `job`."""

    name = "job"
    Options = Options
    defaults = Defaults(
        Resources(cpus=1.0, memory=256 * _MEGABYTE, pids=128),
        start_seconds=300,
        stop_seconds=30,
        is_job=True,
        listens=False,
    )

    def draft(self, application: Application) -> Draft:
        """Return the job; a healthcheck would say nothing about a program that ends."""
        options: Options = application.options
        return Draft(image=application.image, user=options.user, command=options.command, healthcheck=None)
