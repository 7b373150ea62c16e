"""Ask one worker whether it answers, as a container healthcheck.

It asks what `celery -A chatbot.tasks inspect ping -d NAME` asks, without loading Celery's and Flower's command lines.
Usage: python -m chatbot.ping_worker [NAME]   (NAME defaults to celery@HOSTNAME)
Exit code 0 for an answer within 5 s, otherwise 1.
"""

from __future__ import annotations

import socket
import sys

from kombu.exceptions import OperationalError

from chatbot.tasks import app

TIMEOUT_S = 5.0


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    name = arguments[0] if arguments else f"celery@{socket.gethostname()}"
    try:
        replies = app.control.ping(destination=[name], timeout=TIMEOUT_S, limit=1)
    except OperationalError as error:
        print(f"ping: {error}")
        return 1
    print(f"{name}: {'pong' if replies else f'no answer within {TIMEOUT_S:g} s'}")
    return 0 if replies else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
