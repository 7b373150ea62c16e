"""Secrets are exchanged step by step, go back where they can, and are gone on with after a kill."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from envmgr.errors import EngineError, EnvmgrError, ExitCode, NotHealthyError, SourceError, UsageError
from envmgr.model.observed import Container, EngineHealth, State
from envmgr.model.progress import Message, Note, Step
from envmgr.model.result import Rotated, RotateResult
from envmgr.operations.rotate import rotate
from envmgr.report.secrets import write_rotated
from envmgr.secrets.command import _Ended
from tests.fakes.engine import Behaviour
from tests.house import House, fail

STEPS = (
    "setting the new credential beside the old",
    "entering with the new one",
    "keeping the new one",
    "moving its consumers over",
    "entering from inside each consumer",
    "ending the old one",
    "making sure that the old one is refused",
)
NAMES = ("added", "entered", "kept", "rolled", "verified", "retired", "refused")


class Killed(BaseException):
    """The process ends here: nothing catches it."""


def run(house: House, *names: str, ends_overlap: bool = False) -> RotateResult:
    house.forget()
    return rotate(house.session(), "dev", names, house.agree, ends_overlap=ends_overlap)


def refused(house: House, error: type[EnvmgrError], *names: str, ends_overlap: bool = False) -> EnvmgrError:
    with pytest.raises(error) as caught:
        run(house, *names, ends_overlap=ends_overlap)
    return caught.value


def journal(house: House) -> Path:
    return house.folder / ".envmgr/dev/journal.json"


def steps(house: House, subject: str = "redis") -> list[str]:
    """Return what was said to be done of a rotation."""
    return [text.removeprefix(f"dev: {subject}: ") for text in house.texts(Step) if text.startswith(f"dev: {subject}:")]


def delivered(house: House, name: str, service: str = "app") -> str:
    """Return what a service's container holds."""
    return (house.folder / f".envmgr/dev/secrets/{service}/{name}").read_text()


def asked(house: House, server: str, *verbs: str) -> list[str]:
    return [verb for verb, grant in house.servers.asked if grant == f"{server} dev" and verb in verbs]


def killed_at(house: House, place: int, *names: str) -> None:
    """Rotate Redis, and end the process as soon as a step begins."""

    def listen(message: Message) -> None:
        house.said.append(message)
        if isinstance(message, Step) and message.text == f"redis: {STEPS[place]}":
            raise Killed

    session = house.session()
    session.listen = listen
    with pytest.raises(Killed):
        rotate(session, "dev", names or ("redis",), house.agree)


# ---- how the environment enters a server


@pytest.mark.parametrize(
    ("server", "variable", "first", "second", "consumers"),
    [
        ("postgres", "DATABASE_URL", "dev_app_1", "dev_app_2", ("migrate", "app")),
        ("redis", "REDIS_URL", "dev_app", "dev_app_2", ("app", "worker")),
    ],
)
def test_a_second_credential_takes_the_place_of_the_first_and_the_first_returns_the_next_time(
    house: House, server: str, variable: str, first: str, second: str, consumers: tuple[str, ...]
):
    house.up("dev", "stage")
    name = f"{server.upper()}_PASSWORD"
    passwords = [house.secrets("dev")[name]]
    others = {one: id for one, id in house.ids().items() if "stage" in one or "infra" in one}
    for login in (second, first):
        result = run(house, server)
        (one,) = result.rotated
        assert (result.target, one) == ("dev", Rotated(server, consumers, is_proven=True, seconds=one.seconds))
        assert steps(house, server) == list(STEPS)
        kept = house.secrets("dev")
        assert kept[f"{server.upper()}_LOGIN"] == login
        assert kept[name] not in passwords
        passwords.append(kept[name])
        assert f"//{login}:{kept[name]}@" in delivered(house, variable)
        assert list(house.servers.opens[f"{server} dev"]) == [login]
        # Each consumer that runs was entered from, and the old one ended once, after them.
        assert asked(house, server, "enter", "retire") == ["enter", "retire"]
        assert not journal(house).exists()
    assert others.items() <= house.ids().items()
    assert list(house.plan("dev").steps) == []


def test_only_its_consumers_are_restarted_and_nothing_of_a_value_is_said(house: House):
    house.up("dev")
    before = house.ids()
    old = house.secrets("dev")["POSTGRES_PASSWORD"]
    run(house, "postgres")
    changed = {name for name, id in house.ids().items() if before[name] != id}
    assert changed == {"play-dev-migrate-1", "play-dev-app-1"}
    said = "".join(map(str, house.said)) + " ".join(house.servers.words)
    assert old not in said
    assert house.secrets("dev")["POSTGRES_PASSWORD"] not in said


def test_what_will_be_restarted_is_agreed_to_before_anything_changes(house: House):
    house.up("dev")
    before = (house.secrets("dev"), house.ids())
    house.forget()

    def no(_plan: object) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        rotate(house.session(), "dev", ("redis",), no)
    assert (house.secrets("dev"), house.ids(), journal(house).exists()) == (*before, False)
    assert house.servers.asked == [] or asked(house, "redis", "ensure", "retire") == []
    run(house, "redis")
    assert {step.name for step in house.plans[-1].of("dev")} >= {"app", "worker"}


def test_several_are_exchanged_one_after_the_other_and_one_that_is_named_twice_once(house: House):
    house.up("dev")
    result = run(house, "redis", "SECRET_KEY", "REDIS_PASSWORD", "redis")
    assert [(one.subject, one.is_proven) for one in result.rotated] == [("redis", True), ("SECRET_KEY", False)]
    assert asked(house, "redis", "retire") == ["retire"]


# ---- a value of the application's own


def test_a_variable_is_another_afterwards_and_nothing_is_proven_of_it(house: House):
    house.up("dev")
    before = house.secrets("dev")["SECRET_KEY"]
    result = run(house, "SECRET_KEY")
    (one,) = result.rotated
    assert (one.subject, one.consumers, one.is_proven, one.was_cut) == ("SECRET_KEY", ("app",), False, False)
    assert steps(house, "SECRET_KEY") == ["keeping the new one", "moving its consumers over"]
    assert delivered(house, "SECRET_KEY") == house.secrets("dev")["SECRET_KEY"] != before


OVERLAP = '[variables.SECRET_KEY]\nprevious = "OLD_KEY"'


def test_the_value_before_stays_valid_under_its_own_name_until_the_overlap_is_ended(house: House):
    house.edit("[variables.SECRET_KEY]", OVERLAP)
    house.up("dev")
    first = house.secrets("dev")["SECRET_KEY"]
    run(house, "SECRET_KEY")
    second = house.secrets("dev")["SECRET_KEY"]
    assert second != first
    assert (delivered(house, "SECRET_KEY"), delivered(house, "OLD_KEY")) == (second, first)
    run(house, "SECRET_KEY")
    third = house.secrets("dev")["SECRET_KEY"]
    assert (delivered(house, "SECRET_KEY"), delivered(house, "OLD_KEY")) == (third, second)
    result = run(house, "SECRET_KEY", ends_overlap=True)
    assert [(one.subject, one.consumers) for one in result.rotated] == [("SECRET_KEY", ("app",))]
    assert house.secrets("dev")["SECRET_KEY"] == delivered(house, "SECRET_KEY") == third
    assert not house.secrets("dev").get("OLD_KEY")
    assert list(house.plan("dev").steps) == []


@pytest.mark.parametrize("subject", ["SECRET_KEY", "redis"])
def test_what_has_no_overlap_cannot_end_one(house: House, subject: str):
    house.up("dev")
    before = house.secrets("dev")
    error = refused(house, UsageError, subject, ends_overlap=True)
    assert "has no overlap to end" in str(error)
    assert (error.state, house.secrets("dev")) == ("Nothing was changed.", before)


# ---- what fails goes back


def unchanged(house: House, secrets: dict[str, str], login: str) -> None:
    """Check that Redis is entered as before, and that nothing else may enter."""
    assert house.secrets("dev")["REDIS_PASSWORD"] == secrets["REDIS_PASSWORD"]
    assert f"//{login}:{secrets['REDIS_PASSWORD']}@" in delivered(house, "REDIS_URL")
    assert list(house.servers.opens["redis dev"]) == [login]
    assert not journal(house).exists()
    assert list(house.plan("dev").steps) == []


def test_a_new_credential_that_does_not_open_is_ended_and_nobody_was_restarted(house: House):
    house.up("dev")
    before, ids = house.secrets("dev"), house.ids()
    house.servers.refuses.add("probe redis dev")
    error = refused(house, EngineError, "redis")
    assert "cannot enter with the new credential the Redis keys dev_*" in str(error)
    assert error.state == "redis of dev is entered with the old credential, as before."
    assert steps(house) == list(STEPS[:2])
    house.servers.refuses.clear()
    assert (house.secrets("dev"), house.ids()) == (before, ids)
    unchanged(house, before, "dev_app")
    run(house, "redis")
    assert list(house.servers.opens["redis dev"]) == ["dev_app_2"]


def test_a_server_that_takes_no_second_credential_leaves_all_as_it_was(house: House):
    house.up("dev")
    before, ids = house.secrets("dev"), house.ids()
    house.servers.refuses.add("ensure redis dev")
    error = refused(house, EngineError, "redis")
    assert error.state == "redis of dev is entered with the old credential, as before."
    house.servers.refuses.clear()
    assert house.ids() == ids
    unchanged(house, before, "dev_app")


def fails_with_another(house: House, password: str) -> None:
    """Have the application end as soon as it is started with another password of Redis."""
    usual = house.engine._behaviour

    def behaviour(container: Container) -> Behaviour:
        if container.service == "app" and house.secrets("dev")["REDIS_PASSWORD"] != password:
            return Behaviour(state=State.EXITED, exit_code=3, logs="WRONGPASS\n")
        return usual(container)

    house.engine._behaviour = behaviour  # type: ignore[method-assign]


def test_a_consumer_that_is_not_healthy_with_the_new_one_gets_the_old_one_back(house: House):
    house.up("dev")
    before = house.secrets("dev")
    house.edit("[services.app]", "[services.app]\nstart_seconds = 5")
    house.up("dev")
    fails_with_another(house, before["REDIS_PASSWORD"])
    error = refused(house, NotHealthyError, "redis")
    assert error.state == "redis of dev is entered with the old credential, as before."
    assert steps(house) == [*STEPS[:4], "going back to the old one"]
    assert house.container("play-dev-app-1").health is EngineHealth.HEALTHY
    unchanged(house, before, "dev_app")


def test_where_docker_made_nothing_there_is_nothing_to_take_back(house: House):
    house.up("dev")
    before, ids = house.secrets("dev"), house.ids()
    house.engine.refusals["compose_up"] = fail()
    error = refused(house, EngineError, "redis")
    assert error.state == "redis of dev is entered with the old credential, as before."
    house.engine.refusals.clear()
    assert house.ids() == ids
    unchanged(house, before, "dev_app")


@pytest.mark.parametrize("ending", [fail(), Killed()], ids=["refused", "killed"])
def test_what_is_cut_on_its_way_back_keeps_both_credentials_and_is_done_from_the_start(
    house: House, ending: BaseException
):
    house.up("dev")
    before = house.secrets("dev")
    fails_with_another(house, before["REDIS_PASSWORD"])
    session = house.session()

    def listen(message: Message) -> None:
        house.said.append(message)
        if isinstance(message, Step) and message.text == "redis: going back to the old one":
            house.engine.refusals["compose_up"] = ending  # type: ignore[assignment]

    session.listen = listen
    with pytest.raises((NotHealthyError, Killed)) as caught:
        rotate(session, "dev", ("redis",), house.agree)
    if isinstance(caught.value, NotHealthyError):
        assert caught.value.state == "The rotation stands after: added, entered, kept; the old credential is valid."
        assert caught.value.help == "envmgr secrets rotate dev"
    # The operator's file holds the old one already: no step may count as done.
    assert house.secrets("dev")["REDIS_PASSWORD"] == before["REDIS_PASSWORD"]
    assert json.loads(journal(house).read_text())["done"] == []
    assert set(house.servers.opens["redis dev"]) == {"dev_app", "dev_app_2"}
    house.engine.refusals.clear()
    del house.engine._behaviour  # type: ignore[method-assign]
    result = run(house)
    assert result.rotated[0].is_proven
    written = house.secrets("dev")
    assert f"//{written['REDIS_LOGIN']}:{written['REDIS_PASSWORD']}@" in delivered(house, "REDIS_URL")
    assert list(house.servers.opens["redis dev"]) == [written["REDIS_LOGIN"]] == ["dev_app_2"]


def test_when_going_back_fails_too_the_journal_stays_and_the_same_command_goes_on(house: House):
    house.up("dev")
    house.servers.refuses |= {"probe redis dev", "retire redis dev"}
    error = refused(house, EngineError, "redis")
    assert error.state == "The rotation stands after: added; the old credential is valid."
    assert error.help == "envmgr secrets rotate dev"
    assert json.loads(journal(house).read_text())["done"] == []
    house.servers.refuses.clear()
    assert [(one.subject, one.was_cut) for one in run(house).rotated] == [("redis", True)]
    assert list(house.servers.opens["redis dev"]) == ["dev_app_2"]


# ---- from there on only forward is possible


def test_a_consumer_that_cannot_enter_from_where_it_is_keeps_the_old_one_valid(house: House):
    house.up("dev")
    house.servers.refuses.add("enter")
    error = refused(house, EngineError, "redis")
    assert str(error) == "play-dev-app-1 cannot enter redis from where it is"
    assert error.state.startswith("The new credential is in use; the old one may still be valid.")
    assert error.help == "envmgr secrets rotate dev"
    assert set(house.servers.opens["redis dev"]) == {"dev_app", "dev_app_2"}
    house.servers.refuses.clear()
    assert [(one.was_cut, one.is_proven) for one in run(house).rotated] == [(True, True)]
    assert list(house.servers.opens["redis dev"]) == ["dev_app_2"]


def test_a_consumer_that_holds_another_value_is_found_before_the_old_one_ends(house: House):
    house.up("dev")
    killed_at(house, 4)
    path = house.folder / ".envmgr/dev/secrets/app/REDIS_URL"
    right = path.read_text()
    path.write_text("redis://dev_app:before@redis:6379/0")
    error = refused(house, EngineError)
    assert str(error) == "play-dev-app-1 has other values than were delivered in REDIS_URL"
    assert asked(house, "redis", "retire") == []
    path.write_text(right)
    assert run(house).rotated[0].is_proven


def test_an_old_credential_that_still_opens_is_a_finding_and_stays_on_the_list(house: House):
    house.up("dev")
    house.servers.forgets_nobody = True
    error = refused(house, EnvmgrError, "redis")
    assert str(error) == "the old credential still opens the Redis keys dev_*"
    assert error.exit_code is ExitCode.FINDINGS
    assert error.help == "envmgr secrets rotate dev"
    assert json.loads(journal(house).read_text())["done"] == list(NAMES[:-1])
    # Somebody has ended it by hand.
    house.servers.opens["redis dev"].pop("dev_app")
    assert [one.was_cut for one in run(house).rotated] == [True]
    assert steps(house) == [STEPS[-1]]


def test_a_server_that_answers_nobody_proves_no_refusal(house: House):
    house.up("dev")
    killed_at(house, 6)
    house.servers.refuses.add("probe redis dev")
    error = refused(house, EngineError)
    assert "cannot enter with the new credential" in str(error)
    assert journal(house).exists()
    house.servers.refuses.clear()
    assert run(house).rotated[0].is_proven


# ---- after a kill


@pytest.mark.parametrize("place", range(len(STEPS)), ids=NAMES)
def test_a_rotation_that_was_cut_goes_on_where_it_was(house: House, place: int):
    house.up("dev")
    before = house.secrets("dev")
    killed_at(house, place)
    written = json.loads(journal(house).read_text())
    assert (written["operation"], written["subject"], written["done"]) == ("rotate", "redis", list(NAMES[:place]))
    assert journal(house).stat().st_mode & 0o777 == 0o600
    result = run(house)
    assert [(one.subject, one.is_proven, one.was_cut) for one in result.rotated] == [("redis", True, True)]
    assert steps(house) == list(STEPS[place:])
    assert f"dev: going on with the rotation of redis, begun {written['began']}" in house.texts(Note)
    kept = house.secrets("dev")
    assert kept["REDIS_PASSWORD"] == written["facts"]["new"]["REDIS_PASSWORD"] != before["REDIS_PASSWORD"]
    assert f"//dev_app_2:{kept['REDIS_PASSWORD']}@" in delivered(house, "REDIS_URL")
    assert list(house.servers.opens["redis dev"]) == ["dev_app_2"]
    assert not journal(house).exists()
    assert list(house.plan("dev").steps) == []


def test_one_that_was_cut_comes_first_and_is_not_done_twice(house: House):
    house.up("dev")
    killed_at(house, 3)
    result = run(house, "postgres", "redis")
    assert [(one.subject, one.was_cut) for one in result.rotated] == [("redis", True), ("postgres", False)]
    assert house.secrets("dev")["REDIS_LOGIN"] == "dev_app_2"


def test_another_operation_that_was_cut_comes_first(house: House):
    house.up("dev")
    killed_at(house, 0)
    written = json.loads(journal(house).read_text())
    journal(house).write_text(json.dumps(written | {"operation": "move", "command": "envmgr move dev"}))
    error = refused(house, UsageError, "redis")
    assert str(error).startswith("move of redis was cut on ")
    assert (error.help, error.state) == ("envmgr move dev", "Nothing was changed.")


def test_a_journal_that_makes_no_sense_is_not_guessed_about(house: House):
    house.up("dev")
    journal(house).write_text("{")
    error = refused(house, EnvmgrError, "redis")
    assert "journal.json cannot be read" in str(error)
    assert asked(house, "redis", "ensure") == []


# ---- what is not exchanged


@pytest.mark.parametrize(
    ("names", "said", "help_"),
    [
        ((), "nothing was named that dev should exchange", "it can exchange: "),
        (("redes",), 'dev has no secret of redes (did you mean "redis"?)', "it can exchange: "),
        (("xyzzy",), "dev has no secret of xyzzy", "it can exchange: "),
        (("TOKEN",), "TOKEN of dev was not made by envmgr", "envmgr secrets set dev TOKEN"),
        (("redis", "xyzzy"), "dev has no secret of xyzzy", "it can exchange: "),
        (("REDIS_LOGIN",), "dev has no secret of REDIS_LOGIN", "it can exchange: "),
    ],
)
def test_names_that_stand_for_nothing_are_refused(house: House, names: tuple[str, ...], said: str, help_: str):
    house.edit("[variables.SECRET_KEY]", "[variables.TOKEN]\nsecret = true\nrequired = false\n\n[variables.SECRET_KEY]")
    house.up("dev")
    before = house.secrets("dev")
    error = refused(house, UsageError, *names)
    assert said in str(error)
    assert error.help.startswith(help_)
    assert (error.state, house.secrets("dev"), house.servers.asked) == ("Nothing was changed.", before, [])


def test_the_bases_own_secrets_are_not_exchanged(house: House):
    house.up("dev")
    with pytest.raises(UsageError, match="only an environment's secrets are exchanged"):
        rotate(house.session(), "infra", ("redis",), house.agree)


Break = Callable[[House], None]


def edited(house: House) -> None:
    house.edit("[services.app]", '[services.app]\nvariables = { COLOUR = "blue" }')


def stopped(house: House) -> None:
    house.engine.halt(house.engine.get("play-dev-app-1"))


def removed(house: House) -> None:
    house.engine.discard(house.engine.get("play-dev-app-1"))


@pytest.mark.parametrize("change", [edited, stopped, removed])
def test_an_environment_that_is_not_as_its_spec_says_is_brought_there_first(house: House, change: Break):
    house.up("dev")
    before = house.secrets("dev")
    change(house)
    error = refused(house, UsageError, "redis")
    assert str(error) == "dev is not as its spec says, and a rotation changes nothing else"
    assert (error.state, error.help) == ("Nothing was changed.", "envmgr up dev, then again")
    assert (house.secrets("dev"), journal(house).exists()) == (before, False)
    assert asked(house, "redis", "ensure", "retire") == []
    house.up("dev")
    assert run(house, "redis").rotated[0].is_proven


# ---- what is told


def test_it_is_told_who_uses_the_new_one_and_that_the_old_one_is_refused(capsys: pytest.CaptureFixture[str]):
    rotated = (
        Rotated("redis", ("app", "worker"), is_proven=True, seconds=1.26),
        Rotated("SECRET_KEY", ("app",), is_proven=False, seconds=0.5),
        Rotated("UNUSED", (), is_proven=False, seconds=0.04, was_cut=True),
    )
    write_rotated(RotateResult("dev", rotated, 2.0004), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "dev redis: new one in use by app, worker; old one refused (1.3 s)",
        "dev SECRET_KEY: new one in use by app (0.5 s)",
        "dev UNUSED: new one used by nothing that runs (0.0 s)",
    ]
    write_rotated(RotateResult("dev", rotated, 2.0004), as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["target"], said["seconds"], said["rotated"][0]["consumers"]) == ("dev", 2.0, ["app", "worker"])


# ---- where the new value is kept


def test_a_source_that_only_gives_cannot_be_rotated_into_and_nothing_is_begun(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.up()
    lines = "\n".join(f"{name}={value}" for name, value in house.secrets("dev").items())
    (house.folder / ".env.dev").unlink()
    monkeypatch.setattr("envmgr.secrets.command.CommandStore._run", lambda _self, _argv: _Ended(0, lines.encode(), b""))
    command = 'source = "command"\ncommand = { command = ["op"], prints = "dotenv" }'
    house.edit("[environments.dev]", f"[secrets.dev]\n{command}\n\n[environments.dev]")
    with pytest.raises(SourceError, match="only gives secrets, and envmgr cannot keep REDIS_PASSWORD there") as caught:
        run(house, "redis")
    assert caught.value.state == "No value was made or kept."
    assert not journal(house).exists()
    assert list(house.servers.opens["redis dev"]) == ["dev_app"]


def test_an_encrypted_file_gets_the_password_and_the_file_of_values_the_login(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    key = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("ENVMGR_AGE_KEY", str(key))
    age = f'source = "age"\nage = {{ recipients = ["{key.to_public()}"] }}'
    house.edit("[environments.dev]", f"[secrets.dev]\n{age}\n\n[environments.dev]")
    house.up()
    run(house, "redis")
    text = pyrage.decrypt((house.folder / "secrets/dev.env.age").read_bytes(), [key]).decode()
    assert house.secrets("dev") == {"REDIS_LOGIN": "dev_app_2"}
    (password,) = re.findall(r"^REDIS_PASSWORD=(.*)$", text, re.MULTILINE)
    assert f"//dev_app_2:{password}@" in delivered(house, "REDIS_URL")
