"""What a service gets on the desk: what its container would have had."""

from pathlib import Path

import pytest

from envmgr.native.loopback import Loopback
from envmgr.native.variables import DeskVariables, desk_variables, merged, unreachable
from envmgr.secrets.vault import Vault

VALUES = {
    "POSTGRES_LOGIN": "dev_app_2",
    "REDIS_LOGIN": "dev_app_2",
} | {
    name: f"value-of-{name.lower()}"
    for name in (
        *(
            "POSTGRES_PASSWORD",
            "REDIS_PASSWORD",
            "MINIO_PASSWORD",
            "SECRET_KEY",
            "OPENROUTER_API_KEY",
            "FLOWER_PASSWORD",
        ),
        *("LANGFUSE_SECRET_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "SMTP_PASSWORD"),
    )
}


@pytest.fixture(scope="module")
def given(chatbot):
    stack = chatbot.declared.stack("dev")
    loopback = Loopback.of((chatbot.declared.base, stack))
    fill = Vault().with_target("dev", VALUES).with_target("infra", {"QDRANT_ADMIN_PASSWORD": "k"}).fill
    return {one.name: desk_variables(one, {"SMTP_HOST": "mail.example.com"}, loopback, fill) for one in stack.services}


def test_names_are_those_of_the_container(chatbot, given):
    app = chatbot.declared.stack("dev").service("app")
    names = {*app.variables, *app.templated, "SMTP_HOST"}
    assert set(given["app"].with_files(Path("/desk"))) == names


def test_addresses_are_the_loopbacks_and_the_rest_is_as_it_was(given):
    plain = given["app"].plain
    assert plain["QDRANT_URL"] == "http://127.0.0.1:6333"
    assert plain["S3_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert (plain["ENV_PREFIX"], plain["S3_BUCKET"], plain["SMTP_HOST"]) == ("dev_", "dev-uploads", "mail.example.com")


def test_secrets_are_files_whose_addresses_are_the_loopbacks_too(given):
    app = given["app"]
    assert app.files["DATABASE_URL"] == (
        "postgresql+asyncpg://dev_app_2:value-of-postgres_password@127.0.0.1:5433/dev_shia_chatbot"
    )
    assert app.with_files(Path("/desk"))["DATABASE_URL_FILE"] == "/desk/DATABASE_URL"
    assert "value-of" not in str(app.plain)
    assert app.without_files()["SECRET_KEY"] == "value-of-secret_key"
    assert "SECRET_KEY_FILE" not in app.without_files()


def test_a_secret_that_no_variable_names_is_a_variable_itself(given):
    assert given["flower"].values["FLOWER_BASIC_AUTH"] == "admin:value-of-flower_password"


def test_what_services_agree_on():
    one = DeskVariables({"A": "1", "PORT": "1"}, {}, {"KEY": "k"})
    two = DeskVariables({"A": "1", "PORT": "2"}, {"B": "b"}, {"KEY": "k"})
    assert merged({"one": one, "two": two}) == (DeskVariables({"A": "1"}, {"B": "b"}, {"KEY": "k"}), ("PORT",))


def test_an_address_that_nothing_publishes_is_a_problem_with_its_mending(system_of):
    system = system_of(
        '[project]\nname = "play"\n[infra.redis]\n[builds.code]\ncontext = "."\n[services.app]\nkind = "asgi"\n'
        'build = "code"\napp = "a:b"\nuses = ["redis"]\n[environments.dev]\nports = { app = 8000 }\n'
    )
    stack = system.stack("dev")
    (problem,) = unreachable(stack.service("app"), Loopback.of((system.base, stack)))
    assert problem.message == "REDIS_URL of app leads to redis:6379, which publishes no port"
    assert problem.hint == "give redis a `port` in the spec: the desk reaches only what is published"
