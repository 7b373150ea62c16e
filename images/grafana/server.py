"""Answer as Grafana's HTTP API does, as far as this project asks: health, search, dashboards, and real queries."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from administrator import Administrator
from provisioning import Provisioned, read
from stand_in.settings import setting, writable
from stand_in.web import basic_credentials, body_of, run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

VERSION = "12.3.1"
_BODY_LIMIT = 1024 * 1024
_MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PAGE = """<!doctype html><title>Grafana (stand-in)</title><h1>A stand-in for Grafana</h1>
<p>It has no pages. Its API answers with the administrator's name and password.</p>"""

_Handler = Callable[[Request], Awaitable[Response]]


class Grafana:
    """One server, with what it was given as files."""

    def __init__(self, administrator: Administrator, provisioned: Provisioned) -> None:
        self._administrator = administrator
        self._given = provisioned
        self._client = httpx.AsyncClient(trust_env=False, timeout=30)

    def app(self) -> Starlette:
        """Return the application with all routes."""
        source = "/api/datasources/uid/{uid}"
        return Starlette(
            routes=[
                Route("/", lambda _: RedirectResponse("/login")),
                Route("/login", lambda _: HTMLResponse(_PAGE)),
                Route("/api/health", _health),
                Route("/metrics", _metrics),
                self._route("/api/search", self._search),
                self._route("/api/dashboards/uid/{uid}", self._dashboard),
                self._route("/api/datasources", self._sources),
                self._route(source, self._source),
                self._route(f"{source}/health", self._source_health),
                self._route("/api/datasources/proxy/uid/{uid}/{path:path}", self._proxy, "GET", "POST"),
                self._route("/api/ds/query", self._query, "POST"),
                self._route("/api/user/password", self._change_password, "PUT"),
                self._route("/api/{path:path}", _unknown, "GET", "POST", "PUT", "PATCH", "DELETE"),
            ]
        )

    def _route(self, path: str, handler: _Handler, *methods: str) -> Route:
        async def answer(request: Request) -> Response:
            credentials = basic_credentials(request.headers)
            if credentials is None:
                return _message("Unauthorized", 401)
            if not self._administrator.accepts(*credentials):
                return _message("Invalid username or password", 401)
            return await handler(request)

        return Route(path, answer, methods=list(methods) or ["GET"])

    async def _search(self, request: Request) -> Response:
        wanted = request.query_params.get("query", "").lower()
        return JSONResponse(
            [
                {"uid": uid, "title": one["title"], "type": "dash-db", "tags": one.get("tags", []), "url": f"/d/{uid}"}
                for uid, one in self._given.dashboards.items()
                if wanted in one["title"].lower()
            ]
        )

    async def _dashboard(self, request: Request) -> Response:
        found = self._given.dashboards.get(request.path_params["uid"])
        if found is None:
            return _message("Dashboard not found", 404)
        return JSONResponse({"meta": {"provisioned": True, "url": f"/d/{found['uid']}"}, "dashboard": found})

    async def _sources(self, _: Request) -> Response:
        return JSONResponse(list(self._given.sources.values()))

    async def _source(self, request: Request) -> Response:
        found = self._given.sources.get(request.path_params["uid"])
        return JSONResponse(found) if found else _message("Data source not found", 404)

    async def _source_health(self, request: Request) -> Response:
        answer = await self._ask(request.path_params["uid"], "GET", "api/v1/query", params={"query": "1+1"})
        if answer.status_code == 200:
            return JSONResponse({"status": "OK", "message": "Successfully queried the Prometheus API."})
        return JSONResponse({"status": "ERROR", "message": answer.body.decode(errors="replace")}, 400)

    async def _proxy(self, request: Request) -> Response:
        body = await body_of(request, _BODY_LIMIT)
        if body is None:
            return _message("the query is too long", 413)
        uid, path = request.path_params["uid"], request.path_params["path"]
        if ".." in path.split("/"):
            return _message("non allow-listed path", 400)
        kept = {name: value for name, value in request.headers.items() if name in ("accept", "content-type")}
        return await self._ask(uid, request.method, path, params=request.query_params, content=body, headers=kept)

    async def _query(self, request: Request) -> Response:
        try:
            document = await request.json()
            asked = {one["refId"]: (one["datasource"]["uid"], _question(one, document)) for one in document["queries"]}
        except (ValueError, TypeError, KeyError):
            return _message("bad request data", 400)
        answers = {name: await self._ask(uid, "GET", *question) for name, (uid, question) in asked.items()}
        results = {name: _frames(answer) for name, answer in answers.items()}
        return JSONResponse({"results": results}, max(one["status"] for one in results.values()))

    async def _change_password(self, request: Request) -> Response:
        try:
            document = await request.json()
            old, new = str(document["oldPassword"]), str(document["newPassword"])
        except (ValueError, TypeError, KeyError):
            return _message("bad request data", 400)
        name = (basic_credentials(request.headers) or ("", ""))[0]
        if not self._administrator.accepts(name, old):
            return _message("invalid old password", 401)
        if not new:
            return _message("New password is too short", 400)
        self._administrator.change_password(new)
        return _message("User password changed")

    async def _ask(self, uid: str, method: str, path: str, params: Any = None, **more: Any) -> Response:
        """Ask a data source, and return its answer with its status."""
        source = self._given.sources.get(uid)
        if source is None:
            return _message("Data source not found", 404)
        try:
            answer = await self._client.request(method, f"{source['url'].rstrip('/')}/{path}", params=params, **more)
        except httpx.HTTPError as error:
            host = urlsplit(source["url"]).netloc
            return _message(f"{host} does not answer: {type(error).__name__}", 502)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


def _question(query: dict[str, Any], document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return path and parameters of the question to Prometheus."""
    now = int(time.time() * 1000)
    start, end = (_moment(document.get(name, default), now) for name, default in (("from", "now-1h"), ("to", "now")))
    if query.get("instant"):
        return "api/v1/query", {"query": query["expr"], "time": end / 1000}
    step = max(query.get("intervalMs", 15_000), 1000) / 1000
    return "api/v1/query_range", {"query": query["expr"], "start": start / 1000, "end": end / 1000, "step": step}


def _moment(text: str, now: int) -> int:
    """Return a time such as `now-1h`, or one in milliseconds, as the latter."""
    if not text.startswith("now"):
        return int(text)
    back = text.removeprefix("now")
    return now + int(back[:-1]) * _MILLISECONDS[back[-1]] if back else now


def _frames(answer: Response) -> dict[str, Any]:
    if answer.status_code != 200:
        return {"status": answer.status_code, "error": bytes(answer.body).decode(errors="replace"), "frames": []}
    found = httpx.Response(200, content=answer.body).json()["data"]["result"]
    return {"status": 200, "frames": [_frame(one) for one in found]}


def _frame(series: dict[str, Any]) -> dict[str, Any]:
    points = series.get("values") or [series["value"]]
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number", "labels": series["metric"]}]
    values = [[int(moment * 1000) for moment, _ in points], [_number(value) for _, value in points]]
    return {"schema": {"fields": fields}, "data": {"values": values}}


def _number(text: str) -> float | None:
    """Return what JSON can say of a value: Prometheus has NaN and infinities too."""
    value = float(text)
    return value if math.isfinite(value) else None


async def _health(_: Request) -> Response:
    return JSONResponse({"database": "ok", "version": VERSION, "commit": "stand-in"})


async def _metrics(_: Request) -> Response:
    return PlainTextResponse(f'# TYPE grafana_build_info gauge\ngrafana_build_info{{version="{VERSION}"}} 1\n')


async def _unknown(request: Request) -> Response:
    return _message(f"this stand-in for Grafana does not speak {request.method} {request.url.path}", 501)


def _message(text: str, status: int = 200) -> JSONResponse:
    return JSONResponse({"message": text}, status)


def _app() -> Starlette:
    given = read(Path(setting("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning")))
    data = writable(Path(setting("GF_PATHS_DATA", "/var/lib/grafana")))
    return Grafana(Administrator(data), given).app()


if __name__ == "__main__":
    run("grafana", _app, int(setting("GF_SERVER_HTTP_PORT", "3000")))
