"""Settings: what is read, and the one sentence for everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.settings import (
    Secret,
    SettingsError,
    load_or_exit,
    read_database_url,
    read_index_settings,
    read_queue_settings,
    read_web_settings,
    read_worker_count,
)


def test_web_settings_from_plain_variables(variables: dict[str, str]) -> None:
    settings = read_web_settings(variables)
    assert (settings.environment, settings.prefix, settings.release) == ("dev", "dev_", "unreleased")
    assert (settings.debug, settings.log_level, settings.pool_size) == (False, "INFO", 2)
    assert settings.secret_key.reveal() == "key"
    assert settings.openrouter_api_key is None


def test_a_secret_file_is_read_without_its_last_newline(variables: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "SECRET_KEY"
    file.write_text(" key with blanks \n")
    del variables["SECRET_KEY"]
    variables["SECRET_KEY_FILE"] = str(file)
    assert read_web_settings(variables).secret_key.reveal() == " key with blanks "


def test_no_secret_is_shown(variables: dict[str, str]) -> None:
    variables["DATABASE_URL"] = variables["DATABASE_URL"].replace("pw", "hunter2")
    settings = read_web_settings(variables)
    assert "hunter2" not in f"{settings!r} {settings} {settings.database_url}"
    assert "database_url=Secret(redacted)" in repr(settings)


def test_the_worker_and_the_migration_need_only_their_own(variables: dict[str, str]) -> None:
    queue = read_queue_settings({name: variables[name] for name in ("REDIS_URL", "REDIS_KEY_PREFIX")})
    assert queue.key_prefix == "dev_"
    assert read_database_url({"DATABASE_URL": variables["DATABASE_URL"]}).reveal() == variables["DATABASE_URL"]


@pytest.mark.parametrize("name", ["ENVIRONMENT", "ENV_PREFIX", "DATABASE_URL", "REDIS_URL", "SECRET_KEY"])
def test_a_missing_variable_is_named(variables: dict[str, str], name: str) -> None:
    del variables[name]
    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        read_web_settings(variables)


def test_an_empty_variable_counts_as_missing(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_KEY_PREFIX is not set"):
        read_queue_settings(variables | {"REDIS_KEY_PREFIX": ""})


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "OPENROUTER_API_KEY"])
def test_both_forms_of_a_secret_are_refused(variables: dict[str, str], name: str) -> None:
    both = variables | {name: "x", f"{name}_FILE": "/run/secrets/x"}
    with pytest.raises(SettingsError, match=f"^{name} and {name}_FILE are both set: set one of them.$"):
        read_web_settings(both)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"cannot be read \(No such file or directory\)"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_an_unusable_secret_file(variables: dict[str, str], tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "SECRET_KEY"
    if content is not None:
        file.write_bytes(content)
    del variables["SECRET_KEY"]
    with pytest.raises(SettingsError, match=f"^SECRET_KEY_FILE: the file .*/SECRET_KEY {reason}"):
        read_web_settings(variables | {"SECRET_KEY_FILE": str(file)})


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_secret_file_counts_as_not_set(variables: dict[str, str], tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    assert read_web_settings(variables | {"OPENROUTER_API_KEY_FILE": str(file)}).openrouter_api_key is None
    del variables["SECRET_KEY"]
    with pytest.raises(
        SettingsError, match=r"^SECRET_KEY is not set: the file .*/secret of SECRET_KEY_FILE is empty\.$"
    ):
        read_web_settings(variables | {"SECRET_KEY_FILE": str(file)})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DEBUG", "1", "DEBUG is '1': set it to one of true, false."),
        ("LOG_LEVEL", "info", "LOG_LEVEL is 'info': set it to one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE is '0': set it to a whole number from 1 to 1000."),
        ("DATABASE_POOL_SIZE", "two", "DATABASE_POOL_SIZE is 'two': set it to a whole number from 1 to 1000."),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "DATABASE_URL must start with postgresql+asyncpg://."),
        ("REDIS_URL", "hunter2", "REDIS_URL must start with redis:// or rediss://."),
        (
            "DATABASE_URL",
            "postgresql+asyncpg://u:hunt/er2@h/d",
            "DATABASE_URL is not a valid URL: percent-encode what is special in its password.",
        ),
    ],
)
def test_a_malformed_value(variables: dict[str, str], name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_web_settings(variables | {name: value})
    assert str(caught.value) == sentence


def test_the_worker_count() -> None:
    assert read_worker_count({}) == 1
    assert read_worker_count({"WEB_CONCURRENCY": "4"}) == 4
    with pytest.raises(SettingsError, match=r"^WEB_CONCURRENCY is '-1'"):
        read_worker_count({"WEB_CONCURRENCY": "-1"})


SEARCH = {"QDRANT_URL": "http://qdrant:6333/", "QDRANT_PREFIX": "dev_"}
STORAGE = {
    "S3_ENDPOINT_URL": "http://minio:9000",
    "S3_BUCKET": "dev-uploads",
    "S3_ACCESS_KEY_ID": "dev",
    "S3_SECRET_ACCESS_KEY": "hunter2",
}


def test_search_and_files_are_off_without_their_address(variables: dict[str, str]) -> None:
    off = variables | {"QDRANT_URL": "", "QDRANT_PREFIX": "dev_", "S3_BUCKET": "dev-uploads"}
    settings = read_web_settings(off)
    assert (settings.qdrant, settings.storage, read_index_settings(off)) == (None, None, None)


def test_search_and_files(variables: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2\n")
    settings = read_web_settings(variables | SEARCH | STORAGE | {"QDRANT_API_KEY_FILE": str(key)})
    assert settings.qdrant is not None
    assert settings.storage is not None
    assert (settings.qdrant.url, settings.qdrant.collection) == ("http://qdrant:6333", "dev_messages")
    assert settings.qdrant.api_key is not None
    assert settings.qdrant.api_key.reveal() == "hunter2"
    assert (settings.storage.endpoint_url, settings.storage.bucket) == ("http://minio:9000", "dev-uploads")
    assert (settings.storage.region, settings.storage.access_key_id.reveal()) == ("us-east-1", "dev")
    assert "hunter2" not in repr(settings)


def test_the_worker_needs_the_database_only_where_search_is_on() -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set"):
        read_index_settings(SEARCH)


@pytest.mark.parametrize("name", ["QDRANT_PREFIX", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
def test_half_of_search_or_files_is_refused(variables: dict[str, str], name: str) -> None:
    half = variables | SEARCH | STORAGE
    del half[name]
    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        read_web_settings(half)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("QDRANT_URL", "qdrant:6333", "QDRANT_URL must start with http:// or https://."),
        (
            "QDRANT_URL",
            "http://me:hunter2@qdrant",
            "QDRANT_URL must have the form http://HOST:PORT, without a user or a password.",
        ),
        (
            "S3_ENDPOINT_URL",
            "http://",
            "S3_ENDPOINT_URL must have the form http://HOST:PORT, without a user or a password.",
        ),
        ("QDRANT_PREFIX", "dev/", "QDRANT_PREFIX is 'dev/': it must match [A-Za-z0-9_-]{1,64}."),
        ("S3_BUCKET", "dev_uploads", "S3_BUCKET is 'dev_uploads': it must match [a-z0-9][a-z0-9.-]{1,61}[a-z0-9]."),
    ],
)
def test_a_malformed_address(variables: dict[str, str], name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_web_settings(variables | SEARCH | STORAGE | {name: value})
    assert str(caught.value) == sentence


def test_variables_of_other_systems_are_tolerated(variables: dict[str, str]) -> None:
    others = {
        "LANGFUSE_PUBLIC_KEY": "pk-1",
        "LANGFUSE_SECRET_KEY_FILE": "/nowhere",
        "LANGFUSE_HOST": "not a URL",
        "GOOGLE_CLOUD_PROJECT_ID": "p",
        "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json",
        "SMTP_HOST": "smtp",
        "SMTP_PORT": "not a number",
        "SMTP_USER": "",
        "SMTP_PASSWORD": "hunter2",
    }
    assert read_web_settings(variables | others).environment == "dev"


def fail(_: object) -> Secret:
    raise SettingsError("X is not set.")


def test_an_error_stops_the_process_with_one_sentence() -> None:
    with pytest.raises(SystemExit) as stopped:
        load_or_exit(fail)
    assert stopped.value.code == "chatbot: X is not set."  # Python prints it and exits with 1


def test_an_error_in_a_child_of_uvicorn_exits_with_3(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        load_or_exit(fail, exit_code=3)
    assert stopped.value.code == 3
    assert capfd.readouterr().err == "chatbot: X is not set.\n"
