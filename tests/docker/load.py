"""A load that never retries: every answer that is not 200 counts as failed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

import httpx


class Load:
    """Two clients asking one URL without a pause, one with keep-alive and one without."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(keep,), daemon=True) for keep in (True, False)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def failed(self) -> dict[str, int]:
        """What went wrong, and how often."""
        return {what: count for what, count in self.answers.items() if what != "200"}

    @property
    def good(self) -> int:
        """How many were answered with 200."""
        return self.answers["200"]

    def _ask(self, keep: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keep else 0)
        with httpx.Client(timeout=10, limits=limits, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    self.answers[str(client.get(self.url).status_code)] += 1
                except httpx.HTTPError as error:
                    self.answers[type(error).__name__] += 1
                time.sleep(0.01)
