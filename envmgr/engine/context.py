"""Find the engine as the docker command would: variables first, then the current context; it must not connect."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from envmgr.errors import EngineError
from envmgr.model.value import dataclass

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PLAIN_PORT, TLS_PORT = 2375, 2376
ADVICE = {
    "ssh": "run envmgr on that host, or forward its socket: "
    "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, then DOCKER_HOST=unix:///tmp/docker.sock",
    "npipe": "run envmgr inside WSL 2, where Docker Desktop offers unix:///var/run/docker.sock",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one engine listens."""

    url: str
    """unix:///path or tcp://host:port."""
    tls_folder: Path | None = None
    """Holds ca.pem, cert.pem and key.pem; None is plain HTTP."""
    verifies: bool = True
    """Checks the engine's certificate; only with TLS."""

    @property
    def socket(self) -> str | None:
        """Path of the unix socket; None for TCP."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None

    @property
    def base_url(self) -> str:
        """What HTTP requests go to."""
        if self.socket is not None:
            return "http://docker"
        return self.url.replace("tcp://", "https://" if self.tls_folder else "http://", 1)

    @property
    def is_local(self) -> bool:
        """Tell whether the engine's loopback ports are this machine's; a forwarded socket looks local."""
        return self.socket is not None or urlsplit(self.url).hostname in LOOPBACK

    def variables(self) -> dict[str, str]:
        """Return what makes the docker command use this endpoint."""
        found = {"DOCKER_HOST": self.url}
        if self.tls_folder is not None:
            found["DOCKER_CERT_PATH"] = str(self.tls_folder)
            found["DOCKER_TLS_VERIFY" if self.verifies else "DOCKER_TLS"] = "1"
        return found


def find_endpoint(environ: Mapping[str, str], home: Path) -> Endpoint:
    """Return the endpoint that the docker command would use.

    Raises:
        EngineError: The context does not exist or cannot be read, or its transport is not supported yet.
    """
    config = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if environ.get("DOCKER_HOST"):
        return _of_variables(environ, config)
    name = environ.get("DOCKER_CONTEXT") or _current_context(config)
    return Endpoint(DEFAULT_SOCKET) if name == DEFAULT_CONTEXT else _of_context(name, config)


def _of_variables(environ: Mapping[str, str], config: Path) -> Endpoint:
    verifies = bool(environ.get("DOCKER_TLS_VERIFY"))
    has_tls = verifies or bool(environ.get("DOCKER_TLS"))
    folder = Path(environ.get("DOCKER_CERT_PATH") or config) if has_tls else None
    return _supported(environ["DOCKER_HOST"], folder, verifies, "DOCKER_HOST")


def _current_context(config: Path) -> str:
    path = config / "config.json"
    if not path.is_file():
        return DEFAULT_CONTEXT
    found = _read_json(path).get("currentContext")
    return found if isinstance(found, str) and found else DEFAULT_CONTEXT


def _of_context(name: str, config: Path) -> Endpoint:
    # The folder's name is the digest of the context's: github.com/docker/cli, cli/context/store/metadatastore.go
    digest = hashlib.sha256(name.encode()).hexdigest()
    path = config / "contexts" / "meta" / digest / "meta.json"
    if not path.is_file():
        raise EngineError(f"The Docker context '{name}' does not exist", help="docker context ls")
    docker = _read_json(path).get("Endpoints", {}).get("docker", {})
    certificates = config / "contexts" / "tls" / digest / "docker"
    folder = certificates if certificates.is_dir() else None
    return _supported(docker.get("Host") or "", folder, not docker.get("SkipTLSVerify"), f"the Docker context '{name}'")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be read: {error}", help="docker context ls") from error
    if not isinstance(found, dict):
        raise EngineError(f"{path} is not a JSON object", help="docker context ls")
    return found


def _supported(url: str, tls_folder: Path | None, verifies: bool, origin: str) -> Endpoint:
    scheme, separator, rest = url.partition("://")
    if not separator or not rest:
        raise EngineError(f"{origin} names no engine: '{url}'", help="it reads unix:///PATH or tcp://HOST:PORT")
    if scheme == "unix":
        return Endpoint(url)
    if scheme == "tcp":
        return Endpoint(_with_port(url, tls_folder, origin), tls_folder, verifies)
    raise _unsupported(url, scheme, origin)


def _with_port(url: str, tls_folder: Path | None, origin: str) -> str:
    try:
        port = urlsplit(url).port
    except ValueError as error:
        raise EngineError(f"{origin} has no valid port: '{url}'", help="it reads tcp://HOST:PORT") from error
    if port is not None:
        return url.rstrip("/")
    return f"{url.rstrip('/')}:{TLS_PORT if tls_folder else PLAIN_PORT}"


def _unsupported(url: str, scheme: str, origin: str) -> EngineError:
    advice = ADVICE.get(scheme, "it reads unix:///PATH or tcp://HOST:PORT")
    return EngineError(f"not supported yet: {origin} points at {url}", help=advice)
