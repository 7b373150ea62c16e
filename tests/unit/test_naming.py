"""Names that envmgr generates: accepted by Compose, DNS and registries, and never the same for two things."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr import layout, naming

DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
COMPOSE_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]*")
REFERENCE = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
names = st.from_regex(r"[a-z][a-z0-9]{0,6}(?:-[a-z0-9]{1,6})?", fullmatch=True)


@pytest.mark.parametrize("name", ["a", "app", "a1", "shia-chatbot", "a-b-c", "x" * 40])
def test_names_that_are_accepted(name: str):
    assert naming.NAME.fullmatch(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "a--b", "1a", "App", "a_b", "a.b", "a b", "ä", "чат", "a\n", "a/b", "\u0661", "a\u0301"],
)
def test_names_that_are_refused(name: str):
    assert not naming.NAME.fullmatch(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Shia ChatBot", "shia-chatbot"),
        ("Ärger & Söhne", "arger-sohne"),
        ("чат", "app"),
        ("", "app"),
        ("--", "app"),
        ("42", "app"),
        ("3-d", "d"),
        ("v1.2_rc", "v1-2-rc"),
        ("a--b", "a-b"),
        ("x" * 60, "x" * 40),
        ("x" * 39 + "-y", "x" * 39),
        ("ﬁle", "file"),
    ],
)
def test_a_suggested_name(text: str, expected: str):
    assert naming.slug(text) == expected


@given(st.text())
def test_a_suggested_name_is_always_accepted(text: str):
    slug = naming.slug(text)
    assert naming.NAME.fullmatch(slug)
    assert len(slug) <= naming.NAME_LENGTH


@given(names)
def test_a_good_name_is_suggested_as_it_is(name: str):
    assert naming.slug(name) == name


@given(names, names, names)
def test_generated_names_are_what_their_readers_accept(project: str, target: str, other: str):
    assert COMPOSE_PROJECT.fullmatch(naming.compose_project(project, target))
    assert DNS_LABEL.fullmatch(naming.container_name(project, target, other, 12))
    assert DNS_LABEL.fullmatch(naming.alias(project, target))
    assert REFERENCE.fullmatch(naming.built_image(project, other, target))
    assert re.fullmatch(r"[a-z][a-z0-9_]*", naming.sql_name(project))


def test_generated_names():
    assert naming.compose_project("play", "infra") == "play-infra"
    assert naming.container_name("play", "dev", "app", 2) == "play-dev-app-2"
    assert naming.data_network("play", "dev") == "play-dev-data"
    assert naming.publish_network("play", "dev") == "play-dev-publish"
    assert naming.egress_network("play", "dev") == "play-dev-egress"
    assert naming.built_image("play", "app", "dev") == "play-app:env-dev"
    assert naming.alias("app", "dev") == "app--dev"
    assert naming.sql_name("shia-chatbot") == "shia_chatbot"


@given(names, names)
def test_no_name_server_of_the_host_is_asked_for_a_service_and_no_two_share_a_name(service: str, environment: str):
    # Docker answers a name without a dot itself; a service and an environment that are joined otherwise are others.
    alias = naming.alias(service, environment)
    assert "." not in alias
    assert alias != naming.alias(f"{service}-{environment}", environment)
    assert "--" not in service + environment


@pytest.mark.parametrize("environment", ["latest", "stable", "edge", "nightly", "dev", "test"])
def test_no_environment_makes_a_tag_that_stands_for_a_moving_version(environment: str):
    assert not naming.built_image("play", "app", environment).endswith(f":{environment}")


def test_a_short_hash():
    assert naming.short_hash(b"") == "e3b0c44298fc"
    assert naming.short_hash(b"", 64) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_label_keys_are_distinct_and_ours():
    labels = [value for name, value in vars(naming).items() if name.startswith("LABEL_")]
    assert len(set(labels)) == len(labels)
    assert all(label.startswith("envmgr.") for label in labels if not label.startswith("com.docker."))


def test_where_files_lie():
    assert layout.compose_file("infra") == "docker-compose.base.yml"
    assert layout.compose_file("dev") == "docker-compose.app.dev.yml"
    assert layout.substitutes_file("infra") == "docker-compose.base.recipes.yml"
    assert str(layout.env_file("dev", "app")) == ".envmgr/dev/env/app.env"
    assert str(layout.secret_file("dev", "app", "KEY")) == ".envmgr/dev/secrets/app/KEY"
