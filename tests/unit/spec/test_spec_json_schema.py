"""The schema for editors: every spec of this repository holds, wrong ones do not, and every key says what it is for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import Field

from envmgr.catalog.registry import INFRA, SERVICES
from envmgr.operations.project import kind_options
from envmgr.spec.json_schema import json_schema
from envmgr.spec.kinds import KindOptions
from envmgr.spec.schema import CommonTable
from envmgr.spec.values import Strict
from envmgr.spec.vocabulary import SECTIONS, keys_of

ROOT = Path(__file__).resolve().parents[3]
SPECS = [
    ROOT / "envmgr.toml",
    *sorted(ROOT.glob("examples/*/envmgr.toml")),
    *sorted(ROOT.glob("tests/golden/*/envmgr.toml")),
]
LEAST = '[project]\nname = "x"\n[environments.dev]\n'


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema(kind_options())


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft7Validator:
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def test_there_are_specs():
    assert len(SPECS) > 20


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.parent.name)
def test_a_spec_of_ours_holds(validator: Draft7Validator, path: Path):
    data = tomllib.loads(path.read_text())
    assert [error.message for error in validator.iter_errors(data)] == []
    data["services"] = {**data.get("services", {}), "no": {"kind": "no-such-kind"}}
    assert not validator.is_valid(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[environments.dev]",
        '[project]\nname = "x"',
        '[project]\nname = "Not A Name"\n[environments.dev]',
        LEAST + "colour = 1",
        LEAST + "[environments.dev.services.app]\nmemroy = '1G'",
        LEAST + "[environments.dev.services.app]\nmemory = 512",
        LEAST + "[environments.dev.infra.redis]\nmode = 'mine'",
        LEAST + "[servces.app]\nkind = 'job'",
        LEAST + "[services.app]\nbuild = 'x'",
        LEAST + "[services.app]\nkind = 'asgi'\npool = 'prefork'",
        LEAST + "[services.app]\nkind = 'celery-worker'\npool = 'solo'",
        LEAST + "[services.app]\nkind = 'asgi'\nuses = 'postgres'",
        LEAST + "[services.app]\nkind = 'postgres'",
        LEAST + "[infra.postgres]\nversion = '9'",
        LEAST + "[infra.postgres]\nversion = 17",
        LEAST + "[infra.postgres]\nkind = 'redis'\nurl_scheme = 'x'",
        LEAST + "[infra.qdrant]\ncollections = { a = { size = 64 } }",
        LEAST + "[infra.redis]\nport = 99999",
        LEAST + "[variables.X]\nsecret = 'yes'",
    ],
)
def test_a_wrong_spec_does_not_hold(validator: Draft7Validator, text: str):
    assert not validator.is_valid(tomllib.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        LEAST,
        LEAST + "[infra.cache]\nkind = 'redis'\npolicy = 'allkeys-lru'",
        LEAST + "[infra.redis]\nkind = 'container'\nimage = 'x:1'",
        # What a kind needs may come from the environment.
        LEAST + "[environments.dev.services.app]\napp = 'main:app'\n[services.app]\nkind = 'asgi'",
        LEAST + "[services.app]\nkind = 'asgi'\napp = 'a:b'\ncompose = { deploy = { x = [1] } }",
    ],
)
def test_a_right_spec_holds(validator: Draft7Validator, text: str):
    validator.validate(tomllib.loads(text))


def test_every_kind_has_its_own_table_with_all_its_keys(schema: dict[str, Any]):
    for section, kinds in (("infra", INFRA), ("services", SERVICES)):
        common = set(keys_of(SECTIONS[section]))
        assert set(schema["properties"][section]["properties"]) == set(kinds)
        for name, kind in kinds.items():
            table = schema["definitions"][f"{section}-{name}"]
            assert set(table["properties"]) == common | set(keys_of(kind.Options))
            assert table["properties"]["kind"]["const"] == name
            assert table["additionalProperties"] is False


def tables(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") == "object" and "properties" in value:
            yield value
        for one in value.values():
            yield from tables(one)
    elif isinstance(value, list):
        for one in value:
            yield from tables(one)


def test_the_keys_that_all_services_have_say_what_they_are_for(schema: dict[str, Any]):
    table = schema["definitions"]["infra-postgres"]["properties"]
    assert [key for key in keys_of(CommonTable) if not table[key]["description"]] == []
    assert schema["definitions"]["services-asgi"]["properties"]["app"]["description"] == "Required. module:attribute."
    assert schema["definitions"]["variables"]["properties"]["generate"]["description"].startswith("Made by envmgr")


def test_nothing_is_said_that_toml_cannot_say(schema: dict[str, Any]):
    found = list(tables(schema))
    assert len(found) > 30
    for table in found:
        for key, value in table["properties"].items():
            assert "title" not in value, key
            assert {"type": "null"} not in value.get("anyOf", []), key
            assert value.get("default", "") is not None, key


class Inner(Strict):
    """A table inside."""

    depth: int
    """How deep."""


class Options(Strict):
    """What `kind = "far"` adds to a table."""

    title: str = "a"
    """A key that is called like a word of JSON Schema."""
    inner: dict[str, Inner] = Field(default_factory=dict)


def test_a_kind_of_another_package_is_described_like_ours():
    found = json_schema(KindOptions(infra={"far": Options}, services={}))
    table = found["definitions"]["infra-far"]["properties"]
    assert table["title"] == {
        "type": "string",
        "default": "a",
        "description": "A key that is called like a word of JSON Schema.",
    }
    assert found["definitions"]["Inner"]["properties"]["depth"]["description"] == "How deep."
    validator = Draft7Validator(found)
    validator.validate(tomllib.loads(LEAST + "[infra.far]\ninner = { x = { depth = 1 } }"))
    assert not validator.is_valid(tomllib.loads(LEAST + "[infra.far]\ninner = { x = { depth = '1' } }"))
