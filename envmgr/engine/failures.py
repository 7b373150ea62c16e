"""Turn what the wire raises into one sentence and what to do; the only place where it is translated."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from ssl import SSLError

from envmgr.engine.context import Endpoint
from envmgr.engine.wire import Unconnected
from envmgr.errors import EngineError

START_DOCKER = "start Docker; where it is not installed, `make docker-dev` installs it"
JOIN_GROUP = "add your user to the docker group (`sudo usermod -aG docker $USER`, then log in again)"


def engine_error(error: Exception, endpoint: Endpoint, what: str) -> EngineError:
    """Translate one of the wire's failures that `what` met."""
    if isinstance(error, Unconnected) and isinstance(error.__cause__, TimeoutError):
        return EngineError(f"Docker at {endpoint.url} does not take connections", help="restart Docker")
    if isinstance(error, Unconnected):
        return _unreachable(error, endpoint)
    if isinstance(error, TimeoutError):
        return EngineError(f"Docker at {endpoint.url} did not answer in time: {what}", help="restart Docker")
    return EngineError(
        f"Docker at {endpoint.url} broke the connection: {what}: {error}",
        state="what was under way may be done or not",
        help="see whether Docker is being restarted, then try again",
    )


def _unreachable(error: Exception, endpoint: Endpoint) -> EngineError:
    # What TLS has in the place of a number is none of the system's.
    systems = (e for e in _causes(error) if isinstance(e, OSError) and not isinstance(e, SSLError))
    number = next((e.errno for e in systems if e.errno), None)
    if number in (errno.EACCES, errno.EPERM):
        return EngineError(f"No permission to use the Docker socket {endpoint.socket or endpoint.url}", help=JOIN_GROUP)
    if number == errno.ENOENT:
        return EngineError(f"Docker is not running: there is no socket {endpoint.socket}", help=START_DOCKER)
    if number == errno.ECONNREFUSED:
        return EngineError(f"Docker is not running: nothing answers at {endpoint.url}", help=START_DOCKER)
    return EngineError(f"Docker at {endpoint.url} cannot be reached: {error}", help=START_DOCKER)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
