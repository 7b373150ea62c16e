"""EM-S16: no value of a secret stands anywhere but in the file that its container reads."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from envmgr import layout
from envmgr.operations.project import Project
from envmgr.render.files import render
from tests.security.systems import with_values, write_all

Values = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def written(chatbot: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Values]:
    """Everything that `up` writes for the repository's own spec, and the values that are secret."""
    folder = tmp_path_factory.mktemp("written")
    vault, values = with_values(chatbot.system)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        write_all(chatbot.system, folder, vault)
    return folder, values


def spellings(value: str) -> set[bytes]:
    """A value, and what stands for it."""
    data = value.encode()
    digest = hashlib.sha256(data).hexdigest().encode()
    return {data, quote(value, safe="").encode(), base64.b64encode(data).rstrip(b"="), digest}


def found_in(path: Path, values: Values) -> set[tuple[str, str]]:
    data = path.read_bytes()
    return {key for key, value in values.items() if any(one in data for one in spellings(value))}


SERVERS = ("POSTGRES", "REDIS", "QDRANT", "MINIO")
DECLARED = {
    *("SECRET_KEY", "OPENROUTER_API_KEY", "LANGFUSE_SECRET_KEY", "SMTP_PASSWORD"),
    "GOOGLE_APPLICATION_CREDENTIALS",
}
BASE = {
    *(f"{server}_ADMIN_PASSWORD" for server in SERVERS),
    *("GRAFANA_ADMIN_PASSWORD", "POSTGRES_EXPORTER_PASSWORD", "REDIS_EXPORTER_PASSWORD"),
}
EACH = {"POSTGRES_PASSWORD", "QDRANT_PASSWORD", "REDIS_PASSWORD", "MINIO_PASSWORD", "FLOWER_PASSWORD", *DECLARED}
"""Qdrant's key of an environment is signed with the administrator's and kept nowhere; its serial number is."""


def test_there_are_secrets_to_look_for(chatbot: Project, written: tuple[Path, Values]):
    by_scope: dict[str, set[str]] = {}
    for scope, name in written[1]:
        by_scope.setdefault(scope, set()).add(name)
    assert by_scope == {"infra": BASE, "dev": EACH, "stage": EACH, "prod": EACH}
    assert all(len(value) > 30 for value in written[1].values())


def test_no_rendered_file_holds_one(chatbot: Project, written: tuple[Path, Values]):
    folder, values = written
    paths = [path for path in (folder / layout.COMPOSE).rglob("*") if path.is_file()]
    assert {path.relative_to(folder / layout.COMPOSE).as_posix() for path in paths} == set(
        render(chatbot.system, chatbot.folder)
    )
    assert {path: found_in(path, values) for path in paths} == {path: set() for path in paths}


def test_the_committed_files_name_no_value_either(repository: Path, written: tuple[Path, Values]):
    texts = [path.read_text() for path in (repository / layout.COMPOSE).rglob("*") if path.is_file()]
    assert not [text for text in texts if "SecretRef" in text or "SecretValue" in text or "********" in text]


def test_a_secret_lies_only_where_its_container_reads_it(written: tuple[Path, Values]):
    folder, values = written
    holding = {
        path.relative_to(folder).as_posix(): found_in(path, values)
        for path in folder.rglob("*")
        if path.is_file() and found_in(path, values)
    }
    assert all(path.split("/")[2] == "secrets" for path in holding)
    # An environment's files hold that environment's values alone, the base's the base's.
    assert all(scope == path.split("/")[1] for path, keys in holding.items() for scope, _ in keys)
    found = {path.split("/", 3)[3]: {name for _, name in keys} for path, keys in holding.items()}
    assert found == {
        **{f"{server.lower()}/{server}_ADMIN_PASSWORD": {f"{server}_ADMIN_PASSWORD"} for server in SERVERS},
        "grafana/GRAFANA_ADMIN_PASSWORD": {"GRAFANA_ADMIN_PASSWORD"},
        "postgres-exporter/POSTGRES_EXPORTER_PASSWORD": {"POSTGRES_EXPORTER_PASSWORD"},
        "redis-exporter/REDIS_EXPORTER_PASSWORD": {"REDIS_EXPORTER_PASSWORD"},
        "migrate/DATABASE_URL": {"POSTGRES_PASSWORD"},
        "flower/FLOWER_BASIC_AUTH": {"FLOWER_PASSWORD"},
        "flower/REDIS_URL": {"REDIS_PASSWORD"},
        **{
            f"{service}/{file}": {name}
            for service in ("app", "worker")
            for file, name in (
                *(("DATABASE_URL", "POSTGRES_PASSWORD"), ("REDIS_URL", "REDIS_PASSWORD")),
                ("S3_SECRET_ACCESS_KEY", "MINIO_PASSWORD"),
                *((name, name) for name in DECLARED),
            )
        },
    }


def test_nobody_else_on_the_host_can_read_them(chatbot: Project, written: tuple[Path, Values]):
    folder = written[0] / layout.RUNTIME
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    env_files = list(folder.rglob("*.env"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in env_files} == {0o600}
    assert len(env_files) == sum(len(stack.services) for stack in chatbot.system.stacks)


def test_every_secret_file_that_a_document_names_is_delivered(chatbot: Project, written: tuple[Path, Values]):
    folder = written[0]
    for text in render(chatbot.system, chatbot.folder).values():
        named = [line.split('"')[1] for line in text.splitlines() if '"../.envmgr/' in line]
        assert [name for name in named if not (folder / layout.COMPOSE / name).is_file()] == []


def test_flower_asks_for_its_password_and_redis_lets_nobody_else_in(written: tuple[Path, Values]):
    """EM-S17, in the configuration that is mounted."""
    config = written[0] / layout.COMPOSE / "config"
    for environment in ("dev", "stage", "prod"):
        text = (config / environment / "flower" / "flowerconfig.py").read_text()
        assert 'basic_auth = [Path("/run/secrets/FLOWER_BASIC_AUTH").read_text()]' in text.splitlines()
    settings = (config / "infra" / "redis" / "redis.conf").read_text().splitlines()
    assert "aclfile /data/users.acl" in settings
    assert [line for line in settings if line.startswith(("requirepass", "user ", "masterauth"))] == []
    script = (config / "infra" / "redis" / "start.sh").read_text()
    assert script.count("nopass") == 1
    assert "user health on nopass resetkeys resetchannels -@all +ping" in script
