"""The programs of a Python component: web application, Celery, migrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from envmgr.starting import code
from envmgr.starting.dockerfile import options as container_options
from envmgr.starting.found import Component, Detected, Program, Server
from envmgr.starting.packages import python_packages

_ASGI = {"FastAPI", "Starlette", "Litestar", "Quart"}
_ASGI_PACKAGES = {"fastapi", "starlette", "litestar", "quart"}
_DRIVERS = {
    Server.POSTGRES: {"asyncpg", "psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "pg8000"},
    Server.REDIS: {"redis", "hiredis", "django-redis", "arq", "rq", "aioredis"},
    Server.QDRANT: {"qdrant-client"},
    Server.MINIO: {"boto3", "aioboto3", "aiobotocore", "minio", "obstore", "s3fs"},
    Server.ELASTICSEARCH: {"elasticsearch"},
}
_URLS = {
    Server.POSTGRES: ("DATABASE_URL", "POSTGRES_URL", "POSTGRES_DSN", "SQLALCHEMY_DATABASE_URI", "DB_URL"),
    Server.REDIS: ("REDIS_URL", "CELERY_BROKER_URL", "BROKER_URL"),
}
"""Under which names an application looks for its server's URL; the first is what a kind says by itself."""
_SPOKEN = {Server.QDRANT: "QDRANT_URL", Server.ELASTICSEARCH: "ELASTICSEARCH_URL"}
"""Names that applications use which speak plain HTTP to a server."""
_PORT, _USER = 8000, "10001:10001"
"""What the kinds of Python programs take when the spec is silent."""


def detect(component: Component) -> Detected:
    """Return the programs of a Python component, none when there are none."""
    packages = python_packages(component)
    made = code.applications(component.files)
    servers = _servers(component, packages)
    web, notes = _web(component, packages, made)
    celery = _celery(packages, made)
    migrations = _migrations(component, packages)
    programs = (*migrations, *web, *celery)
    if not programs:
        return Detected()
    return Detected(
        tuple(_completed(one, component, servers) for one in programs),
        servers,
        (*notes, *_celery_notes(component, celery), *_server_notes(servers)),
    )


def _completed(program: Program, component: Component, servers: Mapping[Server, Mapping[str, object]]) -> Program:
    """Add what all programs of one image have: they mostly share one module of settings, which wants every URL."""
    user = {key: value for key, value in container_options(component, _PORT, _USER).items() if key == "user"}
    return replace(
        program,
        options={**program.options, **user},
        uses=tuple(servers),
        reads_files=code.mentions(component.files, '_FILE"', "_FILE'", "/run/secrets"),
    )


def _web(
    component: Component, packages: frozenset[str], made: tuple[code.Made, ...]
) -> tuple[tuple[Program, ...], tuple[str, ...]]:
    asgi = next((one.path for one in made if one.framework in _ASGI), "")
    if asgi or packages & _ASGI_PACKAGES:
        called = next((one.path for one in made if one.framework == code.FACTORY), "")
        return _served(component, packages, "asgi", asgi or called, "uvicorn")
    if "manage.py" in component.files:
        return _django(component, packages)
    flask = next((one.path for one in made if one.framework == "Flask"), "") or code.flask_factory(component.files)
    if flask or packages & {"flask", "gunicorn"}:
        return _served(component, packages, "wsgi", flask, "gunicorn")
    return (), ()


def _django(component: Component, packages: frozenset[str]) -> tuple[tuple[Program, ...], tuple[str, ...]]:
    is_async = bool(packages & {"uvicorn", "daphne"}) and "gunicorn" not in packages
    asgi = code.module_of(component.files, "asgi") if is_async else ""
    if asgi:
        return _served(component, packages, "asgi", f"{asgi}:application", "uvicorn")
    wsgi = code.module_of(component.files, "wsgi")
    return _served(component, packages, "wsgi", f"{wsgi}:application" if wsgi else "", "gunicorn")


def _served(
    component: Component, packages: frozenset[str], kind: str, app: str, server: str
) -> tuple[tuple[Program, ...], tuple[str, ...]]:
    notes = []
    health = code.health_path(component.files)
    if not app:
        notes.append(f'no application object was found in {component.where}: correct app = "main:app"')
    if not health:
        # FastAPI answers it unless told not to; of the others nothing is known.
        health = "/openapi.json" if "fastapi" in packages else "/"
        notes.append(f"no route for health was found in {component.where}: {health} has to answer below 400")
    if server not in packages:
        notes.append(f"{component.where} names no {server}, which serves it: add it to the image")
    port = {k: v for k, v in container_options(component, _PORT, _USER).items() if k == "container_port"}
    told = {"app": app or "main:app", **port, **({} if health == "/health" else {"health_path": health})}
    return (Program("app", kind, told, listens=True),), tuple(notes)


def _celery(packages: frozenset[str], made: tuple[code.Made, ...]) -> tuple[Program, ...]:
    app = next((one.path for one in made if one.framework == "Celery"), "")
    if not app:
        return ()
    told = {"app": app}
    return (
        Program("worker", "celery-worker", told),
        *((Program("beat", "celery-beat", told),) if packages & {"django-celery-beat", "celery-redbeat"} else ()),
        *((Program("flower", "flower", told, listens=True),) if "flower" in packages else ()),
    )


def _migrations(component: Component, packages: frozenset[str]) -> tuple[Program, ...]:
    if "alembic.ini" in component.files:
        return (Program("migrate", "job", {"command": ["alembic", "upgrade", "head"]}, is_first=True),)
    if "manage.py" in component.files and packages & _DRIVERS[Server.POSTGRES]:
        return (Program("migrate", "job", {"command": ["python", "manage.py", "migrate", "--noinput"]}, is_first=True),)
    return ()


def _servers(component: Component, packages: frozenset[str]) -> dict[Server, Mapping[str, object]]:
    has_celery = "celery" in packages and not code.mentions(component.files, "amqp://", "pyamqp://")
    spoken = {one for one, word in _SPOKEN.items() if code.mentions(component.files, word)}
    spoken |= {Server.REDIS} if has_celery else set()
    found = [one for one, drivers in _DRIVERS.items() if packages & drivers or one in spoken]
    return {one: {**_url(component, one), **_scheme(one, packages)} for one in found}


def _url(component: Component, server: Server) -> dict[str, object]:
    usual, *others = _URLS.get(server, ("",))
    if not usual or code.mentions(component.files, usual):
        return {}
    name = next((one for one in others if code.mentions(component.files, one)), "")
    return {"url_variable": name} if name else {}


def _scheme(server: Server, packages: frozenset[str]) -> dict[str, object]:
    """SQLAlchemy reads its driver from the scheme; the drivers themselves know the plain one alone."""
    if server is not Server.POSTGRES or "sqlalchemy" not in packages:
        return {}
    driver = next((one for one in ("asyncpg", "psycopg", "pg8000") if one in packages), "")
    return {"url_scheme": f"postgresql+{driver}"} if driver else {}


def _celery_notes(component: Component, celery: tuple[Program, ...]) -> Iterator[str]:
    if not celery:
        return
    if code.mentions(component.files, "amqp://", "pyamqp://"):
        yield 'the queue is RabbitMQ, for which there is no kind: declare it as kind = "container", or use Redis'
    elif not code.mentions(component.files, "REDIS_KEY_PREFIX"):
        yield (
            f"Celery in {component.where} sets no key prefix, and an environment may reach its own keys alone: give "
            "global_keyprefix the value of REDIS_KEY_PREFIX, in broker_transport_options and in "
            "result_backend_transport_options"
        )


def _server_notes(servers: Mapping[Server, Mapping[str, object]]) -> Iterator[str]:
    if Server.QDRANT in servers:
        yield "collections of [infra.qdrant] are a guess: name those that the application uses, with their size"
    if Server.MINIO in servers:
        yield (
            "buckets of [infra.minio] are a guess: name those that the application uses; it is told of them as "
            "S3_ENDPOINT_URL, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_BUCKET"
        )
