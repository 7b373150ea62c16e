"""Run the web processes: uvicorn with this application's options, after one look at the settings.

Usage: python -m chatbot [--host HOST] [--port PORT] [--reload]
WEB_CONCURRENCY is the number of processes.
"""

from __future__ import annotations

import argparse

from chatbot.logs import configure_logging
from chatbot.settings import load_or_exit, read_queue_settings, read_web_settings, read_worker_count


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return host, port and reload."""
    parser = argparse.ArgumentParser(prog="python -m chatbot", description="Run the web processes.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--reload", action="store_true", help="restart when a file of the package changes")
    return parser.parse_args(arguments)


def main() -> None:
    """Check the settings before uvicorn starts children, then serve until SIGTERM."""
    options = parse()
    settings = load_or_exit(read_web_settings)
    load_or_exit(read_queue_settings)
    workers = load_or_exit(read_worker_count)
    configure_logging(settings.log_level)
    import uvicorn

    uvicorn.run(
        "chatbot.main:app",
        host=options.host,
        port=options.port,
        workers=workers,
        reload=options.reload,
        reload_dirs=["chatbot"] if options.reload else None,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,  # longer than the 60 s for which nginx keeps an idle connection
        timeout_graceful_shutdown=20,
        # A process that starts on a busy host is slow to answer its parent, not dead: with 5 s it is replaced in vain.
        timeout_worker_healthcheck=30,
    )


if __name__ == "__main__":
    main()
