"""Send every log line to one stream at one level; must not decide what is logged."""

from __future__ import annotations

import logging.config
from typing import Literal

QUIET_PATHS = ("/health", "/metrics")


class HidePolling(logging.Filter):
    """Drop access lines of successful polls; their failures stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        """`record.args` of uvicorn.access: client, method, path with query, HTTP version, status."""
        if not isinstance(record.args, tuple) or len(record.args) != 5:
            return True
        path, status = str(record.args[2]).partition("?")[0], record.args[4]
        return path not in QUIET_PATHS or status != 200


def configure_logging(level: str, stream: Literal["stdout", "stderr"] = "stdout") -> None:
    """Replace the handlers of the root and of uvicorn's loggers."""
    to_root = {"handlers": [], "level": level, "propagate": True}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
            "filters": {"polling": {"()": HidePolling}},
            "handlers": {
                "stream": {"class": "logging.StreamHandler", "stream": f"ext://sys.{stream}", "formatter": "line"}
            },
            "root": {"handlers": ["stream"], "level": level},
            "loggers": {
                "uvicorn": to_root,
                "uvicorn.error": to_root,
                "uvicorn.access": to_root | {"filters": ["polling"]},
                "httpx2": {"level": "WARNING"},  # it has a line for every request, those of /health too
            },
        }
    )
