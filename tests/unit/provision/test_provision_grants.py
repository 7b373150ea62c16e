"""Grants in managed servers: which program reaches them, and what is said when they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envmgr.errors import EngineError
from envmgr.model.observed import ExecResult
from envmgr.model.secret import SecretRef
from envmgr.model.stack import Command, Credential, Grant
from envmgr.provision.grants import Provisioner
from envmgr.secrets.vault import Vault
from tests.fakes.engine import FakeEngine

LOGIN, MADE = (SecretRef("PG_ADMIN_PASSWORD", "prod"),), (SecretRef("PG_PASSWORD", "prod"),)
VAULT = Vault().with_target("prod", {"PG_ADMIN_PASSWORD": "a", "PG_PASSWORD": "b"})
COMMAND = Command(
    "prod", "pg", ("ask",), {"SQL": ("x",), "LOGIN": LOGIN, "MADE": MADE}, timeout=5, client="postgres:17"
)
SAID = 'psql: error: connection failed: FATAL:  password authentication failed for user "boss"'


def provisioner(answer: ExecResult, *images: str) -> tuple[Provisioner, FakeEngine]:
    engine = FakeEngine()
    engine.has_image(*images)
    engine.run_alone_handler = lambda *_: answer
    substitutes = {"postgres:17": "envmgr-recipes/postgres:17"}
    return Provisioner(engine, VAULT.fill_all, lambda *_: None, substitutes), engine


def grant(*, is_given: bool = False) -> Grant:
    return Grant("pg", "database prod_chat", COMMAND, COMMAND, COMMAND, COMMAND, COMMAND, is_given=is_given)


@pytest.mark.parametrize(
    ("images", "used"),
    [
        (("envmgr-recipes/postgres:17",), "envmgr-recipes/postgres:17"),
        (("postgres:17", "envmgr-recipes/postgres:17"), "postgres:17"),
    ],
)
def test_a_managed_server_is_reached_with_the_image_that_the_host_has(images: tuple[str, ...], used: str):
    one, engine = provisioner(ExecResult(0, "yes"), *images)
    assert one.exists(grant())
    assert [call[1] for call in engine.calls if call[0] == "run_alone"] == [used]


def test_an_image_that_the_host_lacks_is_named_as_it_was_asked_for():
    one, _ = provisioner(ExecResult(0, "yes"))
    with pytest.raises(EngineError, match=r"no container can be made from envmgr-recipes/postgres:17"):
        one.exists(grant())


@pytest.mark.parametrize(("is_given", "verb"), [(False, "provision"), (True, "enter")])
def test_a_refusal_is_one_sentence_with_the_servers_words_and_what_to_check(is_given: bool, verb: str):
    one, _ = provisioner(ExecResult(2, f"\n{SAID}\nDETAIL:  no\n"), "postgres:17")
    with pytest.raises(EngineError) as caught:
        one.ensure(grant(is_given=is_given))
    assert caught.value.message == f"cannot {verb} the database prod_chat in the managed pg: {SAID}"
    assert caught.value.details == ("DETAIL:  no",)
    assert caught.value.help == "check its url in envmgr.toml, and PG_ADMIN_PASSWORD in .env.prod; then: envmgr up prod"


def test_as_whom_one_enters_is_not_what_has_to_be_checked():
    login, password = SecretRef("PG_LOGIN", "prod"), SecretRef("PG_PASSWORD", "prod")
    knock = replace(COMMAND, variables={"LOGIN": (login,), "PASSWORD": (password,)})
    credential = Credential(password, login, ("prod_app_1", "prod_app_2"), knock, knock)
    one, _ = provisioner(ExecResult(2, SAID), "postgres:17")
    with pytest.raises(EngineError) as caught:
        one.act(replace(grant(), credential=credential), knock, "enter")
    assert caught.value.help == "check its url in envmgr.toml, and PG_PASSWORD in .env.prod; then: envmgr up prod"


def test_a_server_that_says_nothing_is_refused_by_its_exit_code():
    one, _ = provisioner(ExecResult(1, ""), "postgres:17")
    with pytest.raises(EngineError, match=r"in the managed pg: exit code 1"):
        one.measure(grant())
