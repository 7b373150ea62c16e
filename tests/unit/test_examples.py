"""The other reference systems: their specs say what their guides say, and render to what Compose and our rules take."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from envmgr.errors import SpecError
from envmgr.model.stack import Service, System
from envmgr.operations.project import Project, open_project
from envmgr.render.files import render
from tests.making import GIGABYTE, MEGABYTE
from tests.security.rules import raw_violations, violations

NAMES = ("arv", "docc2context", "spheroseg")
RELOADED = ("app", "celery-worker", "celery-beat")
MOUNTED_SOURCE = [f"S08 {name}: mounts ../app/app of the host" for name in RELOADED]
"""What dev of ARV asks for with `reload`, as its guide does by hand."""


@pytest.fixture(scope="module")
def examples(repository: Path) -> dict[str, Project]:
    return {name: open_project(repository / "examples" / name / "envmgr.toml") for name in NAMES}


@pytest.fixture(scope="module")
def documents(examples: dict[str, Project]) -> dict[tuple[str, str], str]:
    found = {
        (name, path): text for name, one in examples.items() for path, text in render(one.system, one.folder).items()
    }
    return {key: text for key, text in found.items() if re.fullmatch(r"docker-compose\.(base|app\.\w+)\.yml", key[1])}


def test_all_of_them_are_rendered(documents: dict[tuple[str, str], str]):
    assert sorted(documents) == [
        ("arv", "docker-compose.app.dev.yml"),
        ("arv", "docker-compose.app.prod.yml"),
        ("arv", "docker-compose.base.yml"),
        ("docc2context", "docker-compose.app.dev.yml"),
        ("docc2context", "docker-compose.app.prod.yml"),
        ("docc2context", "docker-compose.base.yml"),
        ("spheroseg", "docker-compose.app.prod.yml"),
        ("spheroseg", "docker-compose.app.stage.yml"),
        ("spheroseg", "docker-compose.base.yml"),
    ]


def test_the_projects_own_rules_hold(documents: dict[tuple[str, str], str]):
    wrong = {key: violations(yaml.safe_load(text)) + raw_violations(text) for key, text in documents.items()}
    assert {key: found for key, found in wrong.items() if found} == {
        ("arv", "docker-compose.app.dev.yml"): MOUNTED_SOURCE
    }


def test_composes_schema_holds_and_would_not_if_a_key_were_wrong(documents: dict[tuple[str, str], str]):
    package = Path(find_spec("check_jsonschema").origin).parent
    validator = Draft202012Validator(json.loads((package / "builtin_schemas/vendor/compose-spec.json").read_text()))
    for key, text in documents.items():
        data = yaml.safe_load(text)
        assert list(validator.iter_errors(data)) == [], key
        next(iter(data["services"].values()))["read_onyl"] = True
        assert list(validator.iter_errors(data)) != [], key


def test_no_port_is_published_twice(examples: dict[str, Project]):
    for name, one in examples.items():
        ports = [port.published for stack in one.system.stacks for service in stack.services for port in service.ports]
        assert len(set(ports)) == len(ports), name


def test_each_says_what_it_is(repository: Path):
    for name in NAMES:
        assert (repository / "examples" / name / "README.md").read_text().startswith("# ")


# ---- what the guides say


def published(service: Service) -> list[tuple[int, int]]:
    return [(port.published, port.target) for port in service.ports]


def rendered(examples: dict[str, Project], name: str, path: str) -> str:
    return render(examples[name].system, examples[name].folder)[path]


def service_of(examples: dict[str, Project], name: str, target: str, service: str) -> Service:
    system: System = examples[name].system
    return system.stack(target).service(service)


def test_arv(examples: dict[str, Project]):
    def one(target: str, name: str) -> Service:
        return service_of(examples, "arv", target, name)

    assert [one("infra", name).image.reference for name in ("postgres", "redis")] == ["postgres:15", "redis:7.4"]
    cache = rendered(examples, "arv", "config/infra/cache/redis.conf")
    assert {"maxmemory 256mb", "maxmemory-policy allkeys-lru"} <= set(cache.lower().splitlines())
    queue = rendered(examples, "arv", "config/infra/redis/redis.conf")
    assert "maxmemory-policy noeviction" in queue
    app = one("prod", "app")
    assert app.command[:9] == (
        *("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"),
        "--workers",
        "8",
        "--log-level",
    )
    assert (app.user, app.variables["DB_POOL_SIZE"], app.variables["DB_MAX_OVERFLOW"]) == ("1000:1000", "20", "10")
    assert "/api/health/status" in app.healthcheck.test[-1]
    worker = one("prod", "celery-worker")
    assert worker.command[6:] == ("--concurrency", "4", "--queues", "markers,notifications,default")
    assert (worker.replicas, one("prod", "celery-beat").replicas) == (3, 1)
    door = rendered(examples, "arv", "config/infra/nginx/nginx.conf")
    for words in ("client_max_body_size 500M;", "worker_connections 1024;", "rate=100r/m"):
        assert words in door
    for name in RELOADED:
        assert [(mount.target, one("prod", name).sources) for mount in one("dev", name).sources] == [("/app/app", ())]


def test_docc2context(examples: dict[str, Project]):
    def memory(target: str, name: str) -> int:
        return service_of(examples, "docc2context", target, name).resources.memory // GIGABYTE

    sizes = {name: memory("infra", name) for name in ("redis", "elasticsearch", "prometheus", "logstash")}
    assert sizes == {"redis": 1, "elasticsearch": 4, "prometheus": 2, "logstash": 1}
    api = service_of(examples, "docc2context", "prod", "api")
    limits = api.resources
    assert (limits.cpus, limits.memory, limits.cpus_reserved, limits.memory_reserved) == (2, 2 * GIGABYTE, 1, GIGABYTE)
    assert (api.replicas, published(api)) == (3, [])
    ports = {
        name: published(service_of(examples, "docc2context", "infra", name))[0][0]
        for name in ("elasticsearch", "prometheus", "alertmanager")
    }
    assert ports == {"elasticsearch": 9200, "prometheus": 9090, "alertmanager": 9093}
    assert published(service_of(examples, "docc2context", "dev", "api")) == [(8000, 8000)]


def test_spheroseg(examples: dict[str, Project]):
    def one(target: str, name: str) -> Service:
        return service_of(examples, "spheroseg", target, name)

    db = one("infra", "db")
    assert ("max_connections=200" in db.command, published(db)) == (True, [(5432, 5432)])
    assert published(one("infra", "grafana"))[0][0] == 3001
    backend, ml = one("prod", "backend"), one("prod", "ml")
    assert (backend.command, backend.replicas) == (("node", "dist/server.js"), 3)
    assert {secret.name for secret in backend.secrets} >= {"JWT_SECRET", "SESSION_SECRET", "DATABASE_URL", "REDIS_URL"}
    assert (ml.gpus, ml.replicas, published(one("stage", "ml"))) == (1, 2, [(5002, 5002)])
    assert ml.resources.memory > 512 * MEGABYTE
    assert one("prod", "migrate").command == ("npm", "run", "db:migrate")
    frontend = rendered(examples, "spheroseg", "config/prod/frontend/nginx.conf")
    assert r"\.(jpg|jpeg|png|gif|ico|css|js)$" in frontend
    assert "max-age=31536000, immutable" in frontend


def test_an_evicting_broker_would_be_refused(repository: Path, project_of: Any):
    text = (repository / "examples" / "arv" / "envmgr.toml").read_text()
    broker = '[infra.redis]\nversion = "7.4"\n'
    assert broker in text
    with pytest.raises(SpecError) as caught:
        project_of(text.replace(broker, f'{broker}policy = "allkeys-lru"\n'))
    assert {problem.path for problem in caught.value.problems} == {"infra.redis.policy"}
