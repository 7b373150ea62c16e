"""Answer as Elasticsearch's HTTP interface does, as far as this project asks."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from call import Answer, Call
from documents import Documents
from errors import ApiError
from security import Security
from snapshots import Snapshots
from stand_in.settings import WrongSetting, setting, writable
from stand_in.web import body_of, run
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from store import Store

VERSION = "9.5.3"
_HOME = Path("/usr/share/elasticsearch")
_BODY_LIMIT = 100 * 1024 * 1024
"""Bytes; Elasticsearch's own default."""
_PASSWORD_MODES = (0o400, 0o600)

_Handler = Callable[[Call], Any]


class _IndexConvertor(StringConvertor):
    """Names of indices: what begins with an underscore is none, but `_all`."""

    regex = "(?!_(?!all))[^/]+"


register_url_convertor("index", _IndexConvertor())


class Server:
    """One node, its data in one folder."""

    def __init__(self, settings: dict[str, Any], password: str) -> None:
        self._name = str(settings.get("cluster.name", "docker-cluster"))
        self._store = Store(writable(Path(settings.get("path.data", _HOME / "data"))))
        is_secured = str(settings.get("xpack.security.enabled", "true")).lower() == "true"
        self._security = Security(self._store, password, is_enabled=is_secured)
        roots = settings.get("path.repo", [])
        self._snapshots = Snapshots(self._store, [Path(one) for one in ([roots] if isinstance(roots, str) else roots)])

    def app(self) -> Starlette:
        """Return the application with all routes; the first that fits counts."""
        routes = [*self._cluster_routes(), *self._security_routes(), *self._snapshot_routes(), *self._document_routes()]
        everything = [Route("/{rest:path}", self._answer(_unknown), methods=["GET", "HEAD", "PUT", "POST", "DELETE"])]
        return Starlette(routes=routes + everything)

    def _answer(self, handler: _Handler) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                return _response(await self._call(request, handler))
            except ApiError as error:
                self._store.rollback()
                headers = {"www-authenticate": 'Basic realm="security" charset="UTF-8"'} if error.status == 401 else {}
                return JSONResponse(error.document(), error.status, headers)

        return answer

    async def _call(self, request: Request, handler: _Handler) -> Any:
        user = self._security.user(request.headers, request.url.path)
        raw = await body_of(request, _BODY_LIMIT)
        if raw is None:
            raise ApiError(413, "too_large", f"the body is larger than {_BODY_LIMIT} bytes")
        result = handler(Call(user, request.path_params, request.query_params, raw))
        self._store.commit()
        return result

    def _routes(self, *rows: tuple[str, str, _Handler]) -> list[Route]:
        return [Route(path, self._answer(handler), methods=methods.split()) for methods, path, handler in rows]

    def _cluster_routes(self) -> list[Route]:
        return self._routes(
            ("GET HEAD", "/", self._version),
            ("GET", "/_cluster/health", self._health),
            ("GET", "/_cluster/health/{index}", self._health),
        )

    def _security_routes(self) -> list[Route]:
        user, role = "/_security/user/{name}", "/_security/role/{name}"
        return self._routes(
            ("GET", "/_security/_authenticate", lambda call: self._security.described(call.user.name)),
            ("GET", "/_security/user", self._users),
            ("PUT POST", f"{user}/_password", self._change_password),
            ("GET", user, self._user),
            ("PUT POST", user, self._put_user),
            ("DELETE", user, self._delete_user),
            ("GET", "/_security/role", self._roles),
            ("GET", role, self._role),
            ("PUT POST", role, self._put_role),
            ("DELETE", role, self._delete_role),
        )

    def _snapshot_routes(self) -> list[Route]:
        repository, snapshot = "/_snapshot/{repository}", "/_snapshot/{repository}/{snapshot}"
        return self._routes(
            ("GET", "/_snapshot", self._repositories),
            ("POST", f"{repository}/_verify", self._repository),
            ("PUT POST", repository, self._put_repository),
            ("GET", repository, self._repository),
            ("DELETE", repository, self._delete_repository),
            ("POST", f"{snapshot}/_restore", self._restore),
            ("GET", f"{snapshot}/_status", self._snapshot_status),
            ("PUT POST", snapshot, self._create_snapshot),
            ("GET", snapshot, self._snapshot),
            ("DELETE", snapshot, self._delete_snapshot),
        )

    def _document_routes(self) -> list[Route]:
        documents, index = Documents(self._store), "/{index:index}"
        both = [
            (methods, prefix + path, handler)
            for methods, path, handler in (
                ("GET POST", "/_search", documents.search),
                ("GET POST", "/_count", documents.count),
                ("PUT POST", "/_bulk", documents.bulk),
                ("GET POST", "/_refresh", documents.refresh),
            )
            for prefix in ("", index)
        ]
        return self._routes(
            *both,
            ("GET", "/_cat/indices", documents.list_indices),
            ("GET", "/_cat/indices/{index}", documents.list_indices),
            ("POST", f"{index}/_delete_by_query", documents.delete_by_query),
            ("POST", f"{index}/_doc", documents.put),
            ("PUT POST", f"{index}/_doc/{{id}}", documents.put),
            ("PUT POST", f"{index}/_create/{{id}}", documents.create),
            ("GET HEAD", f"{index}/_doc/{{id}}", documents.get),
            ("DELETE", f"{index}/_doc/{{id}}", documents.delete),
            ("PUT", "/{index:index}", documents.create_index),
            ("GET HEAD", "/{index:index}", documents.describe_index),
            ("DELETE", "/{index:index}", documents.delete_index),
        )

    def _version(self, call: Call) -> Any:
        call.user.must_on_cluster("monitor")
        version = {"number": VERSION, "build_flavor": "stand-in", "build_type": "docker"}
        return {"name": "stand-in", "cluster_name": self._name, "version": version, "tagline": "You Know, for Search"}

    def _health(self, call: Call) -> Any:
        call.user.must_on_cluster("monitor")
        shards = len(self._store.entries("index"))
        counted = {"number_of_nodes": 1, "number_of_data_nodes": 1, "active_shards": shards, "unassigned_shards": 0}
        return {"cluster_name": self._name, "status": "green", "timed_out": False, **counted}

    def _users(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return self._security.users()

    def _user(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        found = self._security.described(call.path["name"])
        return {call.path["name"]: found} if found else Answer(404, {})

    def _put_user(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return {"created": self._security.put_user(call.path["name"], call.body)}

    def _change_password(self, call: Call) -> Any:
        if call.path["name"] != call.user.name:
            call.user.must_on_cluster("manage_security")
        self._security.change_password(call.path["name"], call.body.get("password", ""))
        return {}

    def _delete_user(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return _found(self._security.delete_user(call.path["name"]))

    def _roles(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return self._security.roles()

    def _role(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        found = self._security.role(call.path["name"])
        return {call.path["name"]: found} if found else Answer(404, {})

    def _put_role(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return {"role": {"created": self._security.put_role(call.path["name"], call.body)}}

    def _delete_role(self, call: Call) -> Any:
        call.user.must_on_cluster("manage_security")
        return _found(self._security.delete_role(call.path["name"]))

    def _repositories(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        return {name: self._snapshots.repository(name) for name in self._store.entries("repository")}

    def _repository(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        return {call.path["repository"]: self._snapshots.repository(call.path["repository"])}

    def _put_repository(self, call: Call) -> Any:
        call.user.must_on_cluster("manage")
        self._snapshots.put_repository(call.path["repository"], call.body)
        return {"acknowledged": True}

    def _delete_repository(self, call: Call) -> Any:
        call.user.must_on_cluster("manage")
        self._snapshots.repository(call.path["repository"])
        self._store.drop("repository", call.path["repository"])
        return {"acknowledged": True}

    def _create_snapshot(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        made = self._snapshots.create(call.path["repository"], call.path["snapshot"], call.body)
        return {"snapshot": made} if call.is_set("wait_for_completion") else {"accepted": True}

    def _snapshot(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        repository, wanted = call.path["repository"], call.path["snapshot"]
        names = self._snapshots.names(repository) if wanted in ("_all", "*") else wanted.split(",")
        found = [self._snapshots.described(repository, name) for name in names]
        return {"snapshots": found, "total": len(found), "remaining": 0}

    def _snapshot_status(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        found = self._snapshots.described(call.path["repository"], call.path["snapshot"])
        return {
            "snapshots": [{"snapshot": found["snapshot"], "state": found["state"], "shards_stats": found["shards"]}]
        }

    def _restore(self, call: Call) -> Any:
        call.user.must_on_cluster("manage")
        names = self._snapshots.restore(call.path["repository"], call.path["snapshot"], call.body)
        shards = {"total": len(names), "failed": 0, "successful": len(names)}
        done = {"snapshot": {"snapshot": call.path["snapshot"], "indices": names, "shards": shards}}
        return done if call.is_set("wait_for_completion") else {"accepted": True}

    def _delete_snapshot(self, call: Call) -> Any:
        call.user.must_on_cluster("snapshot")
        self._snapshots.delete(call.path["repository"], call.path["snapshot"])
        return {"acknowledged": True}


def _found(is_found: bool) -> Answer:
    return Answer(200 if is_found else 404, {"found": is_found})


def _unknown(_: Call) -> Any:
    raise ApiError(501, "stand_in", "this stand-in for Elasticsearch does not speak that request")


def _response(result: Any) -> Response:
    if isinstance(result, str):
        return PlainTextResponse(result)
    status, document = (result.status, result.document) if isinstance(result, Answer) else (200, result)
    # The real clients refuse a server that does not say so.
    return JSONResponse(document, status, {"x-elastic-product": "Elasticsearch"})


def _settings() -> dict[str, Any]:
    """Return the settings of the configuration file and of variables named like settings."""
    file = Path(os.environ.get("ES_PATH_CONF", _HOME / "config"), "elasticsearch.yml")
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WrongSetting(f"{file} cannot be read: {error}") from error
    named = {name: value for name, value in os.environ.items() if "." in name}
    settings = {**(given or {}), **named}
    if settings.get("discovery.type") != "single-node":
        raise WrongSetting("discovery.type is not single-node, and this stand-in forms no cluster")
    return settings


def _password() -> str:
    """Return the first password of the user elastic. Its file must be closed to others, as the image wants it."""
    file = os.environ.get("ELASTIC_PASSWORD_FILE")
    if file and Path(file).exists():
        mode = stat.S_IMODE(Path(file).stat().st_mode)
        if mode not in _PASSWORD_MODES:
            raise WrongSetting(f"{file} from ELASTIC_PASSWORD_FILE must have permissions 400 or 600, but has {mode:o}")
    return setting("ELASTIC_PASSWORD")


def _app() -> Starlette:
    return Server(_settings(), _password()).app()


if __name__ == "__main__":
    run("elasticsearch", _app, 9200)
