"""Keys that carry what existing Compose projects hold: arguments, aliases, joined networks, files, named secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envmgr.errors import SpecError
from envmgr.model.stack import ConfigMount
from envmgr.operations.project import Project
from envmgr.render.document import document
from envmgr.render.files import render

SPEC = """
[project]
name = "shop"

[builds.web]
context = "web"
args = { PYTHON = "3.12" }

[variables.DB_PASSWORD]
secret = true
file = "secrets/db.txt"
mount = "db_password"

[services.web]
kind = "container"
build = "web"
joins = ["traefik-public"]
aliases = ["application", "app.internal"]
files = { "/etc/app.conf" = "price = 5 $\\n" }
compose = { environment = { DEBUG = "1", "lower.case" = "yes", LINES = "one\\ntwo" } }

[environments.dev]
debug = true
"""


@pytest.fixture(scope="module")
def project(project_of: Callable[..., Project]) -> Project:
    return project_of(SPEC)


@pytest.fixture(scope="module")
def rendered(project: Project) -> dict[str, Any]:
    stack = project.system.stack("dev")
    return document(stack, {config.path: "0" * 64 for one in stack.services for config in one.configs})


def test_build_arguments_reach_the_builder(project: Project):
    build = project.system.stack("dev").service("web").image.build
    assert build is not None
    assert dict(build.args) == {"PYTHON": "3.12"}


def test_a_joined_network_is_external_and_no_network_of_the_stacks(rendered: dict[str, Any]):
    assert rendered["networks"]["host.traefik-public"] == {"name": "traefik-public", "external": True}
    assert set(rendered["services"]["web"]["networks"]) == {"data", "host.traefik-public"}


def test_aliases_stand_on_the_data_network(rendered: dict[str, Any]):
    assert rendered["services"]["web"]["networks"]["data"]["aliases"] == ["application", "app.internal"]


def test_a_file_is_rendered_to_the_very_bytes_and_mounted(project: Project):
    (config,) = project.system.stack("dev").service("web").configs
    assert isinstance(config, ConfigMount)
    assert (config.target, render(project.system, project.folder)[config.path]) == ("/etc/app.conf", "price = 5 $\n")


def test_a_secret_has_the_name_that_programs_look_for(project: Project, rendered: dict[str, Any]):
    web = rendered["services"]["web"]
    assert web["secrets"] == [{"source": "web_DB_PASSWORD", "target": "db_password"}]
    assert web["environment"]["DB_PASSWORD_FILE"] == "/run/secrets/db_password"
    (needed,) = (need for need in project.system.stack("dev").needed if need.name == "DB_PASSWORD")
    assert needed.file == "secrets/db.txt"


def test_raw_variables_come_last(rendered: dict[str, Any]):
    found = rendered["services"]["web"]["environment"]
    assert (found["DEBUG"], found["lower.case"], found["LINES"]) == ("1", "yes", "one\ntwo")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("secret = true\n", "", '"file" is for a secret'),
        ("secret = true\n", "secret = true\ngenerate = true\n", "its value is that of the file"),
        ('"traefik-public"', '"not a name"', "joins"),
        ('"application"', '"-"', "aliases"),
        ('LINES = "one\\ntwo"', 'MODE = "x"', "envmgr writes this itself"),
    ],
)
def test_what_cannot_be_meant_is_refused(project_of: Callable[..., Project], old: str, new: str, message: str):
    with pytest.raises(SpecError) as caught:
        project_of(SPEC.replace(old, new, 1))
    assert message in "\n".join(caught.value.details)
