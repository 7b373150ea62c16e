"""Say whether Elasticsearch can be reached with Kibana's account, as Kibana's status does; there are no pages."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import yaml
from stand_in.settings import WrongSetting, fail
from stand_in.web import run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_SECONDS = 3
_PAGE = """<!doctype html><title>Kibana (stand-in)</title><h1>A stand-in for Kibana</h1>
<p>It has no pages. <a href="/api/status">Its status</a> tells whether Elasticsearch answers.</p>"""


class Kibana:
    """One server in front of one Elasticsearch."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._host = _hosts(settings)[0].rstrip("/")
        login = (str(settings.get("elasticsearch.username", "")), str(settings.get("elasticsearch.password", "")))
        if login[0] == "elastic":
            raise WrongSetting("elasticsearch.username is elastic: Kibana refuses the superuser; use kibana_system")
        self._client = httpx.AsyncClient(trust_env=False, timeout=_SECONDS, auth=login if login[0] else None)

    def app(self) -> Starlette:
        """Return the application with all routes."""
        return Starlette(
            routes=[
                Route("/", lambda _: RedirectResponse("/login")),
                Route("/login", lambda _: HTMLResponse(_PAGE)),
                Route("/api/status", self._status),
                Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def _status(self, _: Request) -> Response:
        reason = await self._refusal()
        if reason is None:
            return JSONResponse({"status": {"overall": {"level": "available"}}})
        return JSONResponse({"status": {"overall": {"level": "unavailable", "summary": reason}}}, 503)

    async def _refusal(self) -> str | None:
        """Return why Elasticsearch does not let Kibana work, none when it does."""
        try:
            answer = await self._client.get(f"{self._host}/_security/_authenticate")
        except httpx.HTTPError as error:
            return f"{self._host} does not answer: {type(error).__name__}"
        return None if answer.status_code == 200 else f"{self._host} answers {answer.status_code}"


async def _unknown(request: Request) -> Response:
    sentence = f"this stand-in for Kibana does not speak {request.method} {request.url.path}"
    return JSONResponse({"statusCode": 501, "message": sentence}, 501)


def _settings(file: Path) -> dict[str, Any]:
    """Return the settings of the configuration file; variables give what it does not say."""
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WrongSetting(f"{file} cannot be read: {error}") from error
    names = ("elasticsearch.hosts", "elasticsearch.username", "elasticsearch.password", "server.port")
    variables = {name: os.environ.get(name.replace(".", "_").upper()) for name in names}
    return {name: value for name, value in variables.items() if value} | {
        name: _filled(value) for name, value in (given or {}).items()
    }


def _filled(value: Any) -> Any:
    """Put variables where `${NAME}` stands."""
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return _VARIABLE.sub(lambda found: _variable(found[1]), value) if isinstance(value, str) else value


def _variable(name: str) -> str:
    if name not in os.environ:
        raise WrongSetting(f"Unknown environment variable referenced in config : {name}")
    return os.environ[name]


def _hosts(settings: dict[str, Any]) -> list[str]:
    hosts = settings.get("elasticsearch.hosts", "http://localhost:9200")
    if isinstance(hosts, str) and hosts.startswith("["):
        hosts = json.loads(hosts)
    return hosts if isinstance(hosts, list) else [hosts]


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="kibana")
    parser.add_argument("--config", "-c", type=Path, default=Path("/usr/share/kibana/config/kibana.yml"))
    try:
        settings = _settings(parser.parse_args().config)
    except WrongSetting as error:
        fail("kibana", str(error))
    run("kibana", lambda: Kibana(settings).app(), int(settings.get("server.port", 5601)))


if __name__ == "__main__":
    main()
