"""Which line of the spec a field follows from: named, found by its value, or the service's own table."""

from __future__ import annotations

import pytest

from envmgr.model.needed import Needed, Origin
from envmgr.model.plan import Place
from envmgr.model.secret import SecretRef
from envmgr.model.stack import SecretMount
from envmgr.planning.inputs import Written
from envmgr.planning.places import place_of
from tests.making import service, stack

VALUES = {
    "environments.dev.workers": "4",
    "environments.dev.log_level": '"WARNING"',
    "environments.dev.debug": "true",
    "infra.postgres.max_connections": "200",
    "services.app.variables.MODE": '"calm"',
}
PLACES = {
    "workers": "environments.dev.workers",
    "log_level": "environments.dev.log_level",
    "debug": "environments.dev.debug",
    "max_connections": "infra.postgres.max_connections",
    "variables.MODE": "services.app.variables.MODE",
    "memory": "services.app.memory",
    "egress": "services.app.egress",
    "": "services.app",
}


def found(field: str, old: str | None, new: str | None, places: dict[str, str] = PLACES, **fields) -> str | None:
    asked: list[str] = []

    def locate(path: str) -> Written:
        asked.append(path)
        return Written(Place(path, "envmgr.toml", 1), VALUES.get(path, ""))

    one = service(places=places, **fields)
    need = Needed("PASSWORD", "dev", True, Origin.GENERATED, place="infra.postgres")
    place = place_of(stack(one, needed=(need,)), one, (field, old, new), locate)
    assert place is None or place.path in asked
    return place.path if place else None


@pytest.mark.parametrize(
    ("field", "old", "new", "expected"),
    [
        ("memory", "64M", "128M", "services.app.memory"),
        ("memory_reserved", "64M", "128M", "services.app.memory"),
        ("variables.MODE", "wild", "calm", "services.app.variables.MODE"),
        ("command", "serve --workers 2", "serve --workers 4", "environments.dev.workers"),
        ("command", "serve --log-level info", "serve --log-level warning", "environments.dev.log_level"),
        ("command", "pg -c max_connections=100", "pg -c max_connections=200", "infra.postgres.max_connections"),
        ("variables.WEB_CONCURRENCY", "2", "4", "environments.dev.workers"),
        ("variables.DEBUG", "false", "true", "environments.dev.debug"),
        ("networks.play-dev-egress", None, "app", "services.app.egress"),
        ("command", "serve 4", "serve 4 more", "services.app"),
        ("cpus", "1", "2", "services.app"),
        ("files.config/app.conf", "1", "2", "services.app"),
    ],
)
def test_the_line_that_explains_a_field(field: str, old: str | None, new: str, expected: str):
    assert found(field, old, new) == expected


def test_two_keys_with_the_same_value_are_told_apart_by_their_names():
    places = {"pids": "a.pids", "workers": "environments.dev.workers", "": "a"}
    VALUES["a.pids"] = "4"
    assert found("command", "serve --workers 2", "serve --workers 4", places) == "environments.dev.workers"
    assert found("command", "serve --pids 2", "serve --pids 4", places) == "a.pids"


def test_a_secret_comes_from_what_declares_it():
    mount = SecretMount("DATABASE_URL", ("db://", SecretRef("PASSWORD", "dev")))
    assert found("secrets.DATABASE_URL", None, None, secrets=(mount,)) == "infra.postgres"
    assert found("variables.DATABASE_URL", None, None, templated={"DATABASE_URL": mount.content}) == "infra.postgres"
    assert found("variables.PASSWORD", None, None) == "infra.postgres"
    assert found("secrets.OTHER", None, None) == "services.app"


def test_of_several_raw_keys_nobody_knows_which_has_changed():
    one = {"compose": "services.app.compose", "compose.ulimits": "services.app.compose.ulimits"}
    assert found("definition", "1", "2", {"compose.ulimits": "c.ulimits", "": "a"}) == "c.ulimits"
    assert found("definition", "1", "2", one) == "services.app.compose"
    assert found("definition", "1", "2", {"compose.a": "c.a", "compose.b": "c.b", "": "services.app"}) == "services.app"


def test_a_service_without_places_has_none():
    assert found("memory", "1", "2", {}) is None
