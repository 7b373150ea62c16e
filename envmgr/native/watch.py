"""Say when a source file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

SOURCES = frozenset(
    (
        *(".py", ".pyx", ".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".env", ".sql"),
        *(".html", ".jinja", ".jinja2", ".j2", ".css"),
        *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx"),
    )
)
"""Endings of files whose change counts: what a service itself writes should not restart it."""
_QUIET_MILLISECONDS = 200
"""An editor saves several files at once; they are one change."""


class Watch:
    """Watches files and folders until it is closed."""

    def __init__(self, paths: tuple[Path, ...], changed: Callable[[str], None]) -> None:
        self._paths, self._changed = paths, changed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def open(self) -> None:
        """Begin."""
        if self._paths:
            self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        if self._paths:
            self._thread.join()

    def _run(self) -> None:
        from watchfiles import DefaultFilter, watch

        ignored = DefaultFilter()

        def counts(change: object, path: str) -> bool:
            return Path(path).suffix in SOURCES and ignored(change, path)  # type: ignore[arg-type]

        found = watch(
            *self._paths,
            watch_filter=counts,
            debounce=_QUIET_MILLISECONDS,
            stop_event=self._stop,
            raise_interrupt=False,
        )
        for changes in found:
            self._changed(sorted(path for _, path in changes)[0])
