"""Secrets made, set, listed, shown and checked; and what `up` refuses of them."""

from __future__ import annotations

import stat
from dataclasses import asdict

import pyrage
import pytest

from envmgr.errors import SourceError, SpecError, UsageError
from envmgr.model.progress import Caution
from envmgr.model.secrets import SecretFinding
from envmgr.operations import secrets_check
from envmgr.operations.explain import explain
from envmgr.operations.keeping import keep
from envmgr.operations.restart import restart
from envmgr.operations.secrets import init, list_, set_, show
from envmgr.operations.secrets_check import check
from envmgr.operations.status import status
from tests.house import House

STRONG, OTHER = "k3Vq-7Zt0_wXb9RmPf2a", "Yp8s_Lw4-Tc6nHd1Kg5z"
PEM = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


@pytest.fixture(autouse=True)
def no_git(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(secrets_check, "in_git", lambda _folder, _paths: [])


def write(house: House, target: str, mode: int = 0o600, **values: str) -> None:
    path = house.folder / f".env.{target}" if target else house.folder / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    path.chmod(mode)


def put(house: House, path: str, text: str, mode: int = 0o600) -> None:
    file = house.folder / path
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def with_source(house: House, target: str, table: str) -> None:
    house.edit("[environments.dev]", f"[secrets.{target}]\n{table}\n\n[environments.dev]")


def gives(house: House, *, names: str, exits: int = 0) -> str:
    """Have a program that prints values; return the table that names it."""
    program = house.folder / "source"
    program.write_text(f"#!/bin/sh\nprintf '{names}'\nexit {exits}\n")
    program.chmod(0o755)
    return f'source = "command"\ncommand = {{ command = ["{program}"], prints = "dotenv" }}'


# ---- where values come from


def test_a_file_of_its_own_is_delivered_and_a_changed_one_touches_its_service_only(house: House):
    put(house, "secrets/dev/SECRET_KEY", PEM)
    house.up()
    delivered = house.folder / ".envmgr/dev/secrets/app/SECRET_KEY"
    assert delivered.read_text() == PEM
    assert set(house.secrets("dev")) == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    before = house.ids()
    put(house, "secrets/dev/SECRET_KEY", PEM.replace("abc", "def"))
    house.up()
    assert {name for name, one in house.ids().items() if before[name] != one} == {"play-dev-app-1"}


@pytest.mark.parametrize("target", ["dev", ""])
def test_a_name_in_two_sources_is_an_error_that_names_both(house: House, target: str):
    write(house, target, SECRET_KEY=STRONG)
    put(house, "secrets/dev/SECRET_KEY", OTHER)
    with pytest.raises(SpecError) as caught:
        house.up()
    file = f".env.{target}" if target else ".env"
    assert caught.value.details == (
        f"SECRET_KEY is given by {file}:1 and by secrets/dev/SECRET_KEY (keep one of them)",
    )
    assert house.ups() == []


def test_an_empty_line_is_no_second_source(house: House):
    write(house, "dev", SECRET_KEY="")
    put(house, "secrets/dev/SECRET_KEY", STRONG)
    house.up()
    assert (house.folder / ".envmgr/dev/secrets/app/SECRET_KEY").read_text() == STRONG


def test_a_plain_variable_of_several_lines_is_refused_before_anything_starts(house: House):
    house.edit("[services.migrate]", "[variables.BANNER]\n\n[services.migrate]")
    put(house, "secrets/dev/BANNER", "a\nb\n")
    with pytest.raises(SpecError) as caught:
        house.up()
    assert "BANNER holds a line break" in caught.value.details[0]
    assert house.ups() == []


def test_an_encrypted_file_gets_what_up_makes(house: House, monkeypatch: pytest.MonkeyPatch):
    key = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("ENVMGR_AGE_KEY", str(key))
    with_source(house, "dev", f'source = "age"\nage = {{ recipients = ["{key.to_public()}"] }}')
    house.up()
    assert house.secrets("dev") == {}
    text = pyrage.decrypt((house.folder / "secrets/dev.env.age").read_bytes(), [key]).decode()
    value = (house.folder / ".envmgr/dev/secrets/app/SECRET_KEY").read_text()
    assert f"SECRET_KEY={value}\n" in text
    assert house.up().changed == 0


def test_a_source_that_only_gives_is_told_what_to_put_there(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("envmgr.secrets.command.CommandStore._run", played("SECRET_KEY=" + STRONG))
    with_source(house, "dev", 'source = "command"\ncommand = { command = ["op"], prints = "dotenv" }')
    with pytest.raises(SourceError) as caught:
        house.up()
    assert "only gives secrets, and envmgr cannot keep POSTGRES_PASSWORD, REDIS_PASSWORD there" in caught.value.message
    # Not even the base's own values were made, nor was it started.
    assert (house.ups(), house.secrets("infra")) == ([], {})


def played(text: str, code: int = 0):
    """Play a program that prints a text."""
    from envmgr.secrets.command import _Ended

    return lambda _self, _argv: _Ended(code, text.encode(), b"no session\n")


def test_a_source_that_only_gives_needs_nothing_else_when_it_has_all(house: House, monkeypatch: pytest.MonkeyPatch):
    lines = "\n".join(
        f"{name}={STRONG}{i}" for i, name in enumerate(("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"))
    )
    monkeypatch.setattr("envmgr.secrets.command.CommandStore._run", played(lines))
    with_source(house, "dev", 'source = "command"\ncommand = { command = ["op"], prints = "dotenv" }')
    house.up()
    assert (house.folder / ".envmgr/dev/secrets/app/SECRET_KEY").read_text() == f"{STRONG}0"
    assert not (house.folder / ".env.dev").exists()


def test_a_source_that_fails_stops_everything(house: House, monkeypatch: pytest.MonkeyPatch):
    house.up()
    before = house.ids()
    monkeypatch.setattr("envmgr.secrets.command.CommandStore._run", played("", 6))
    with_source(house, "stage", 'source = "command"\ncommand = { command = ["op"], prints = "dotenv" }')
    for act in (lambda: house.up("stage"), lambda: house.plan("stage"), lambda: check(house.session(), ("stage",))):
        house.forget()
        with pytest.raises(SourceError, match=r"the command op of .* failed with exit code 6") as caught:
            act()
        assert caught.value.details == ("no session",)
        assert house.calls("compose_up", "create_network", "connect", "exec") == []
    assert house.ids() == before
    assert house.up("dev").changed == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('source = "vault"', "[secrets.prod.vault] is missing"),
        ('source = "vaults"', 'expected "files", "age", "command" or "vault"'),
        ('vault = { address = "http://vault.example:8200", path = "a" }', "a token must not travel in clear"),
        ('vault = { address = "https://vault.example", path = "/a" }', "secrets.prod.vault.path"),
        ('age = { recipients = ["AGE-SECRET-KEY-1QQQ"] }', "secrets.prod.age.recipients"),
        ("weak = false", "secrets.prod.weak"),
    ],
)
def test_a_table_that_is_wrong_is_told(house: House, table: str, message: str):
    with_source(house, "prod", table)
    with pytest.raises(SpecError) as caught:
        house.session()
    assert message in "\n".join(caught.value.details)


def test_a_table_of_no_target_is_told(house: House):
    with_source(house, "prood", 'source = "files"')
    with pytest.raises(SpecError) as caught:
        house.session()
    assert (
        'secrets.prood: "prood" is neither an environment nor infra (did you mean "prod"?)' in caught.value.details[0]
    )


def test_the_defaults_hold_for_every_target_and_a_target_changes_them(house: House):
    with_source(
        house, "defaults", 'source = "vault"\nvault = { address = "https://v.example/", path = "shop/{environment}" }'
    )
    with_source(house, "dev", 'source = "files"')
    found = house.session().project.loaded.spec.secrets
    assert {name: table.source for name, table in found.items()} == {
        **dict.fromkeys(("infra", "stage", "prod"), "vault"),
        "dev": "files",
    }
    assert found["prod"].vault is not None
    assert found["prod"].vault.address == "https://v.example"


def test_explain_knows_where_they_come_from(house: House):
    put(house, "secrets/stage/SECRET_KEY", STRONG)
    with_source(house, "prod", 'source = "vault"\nvault = { address = "https://v.example", path = "shop" }')
    project = house.session().project
    (own,) = explain(project, ("stage", "SECRET_KEY")).rows
    assert [(s.what, s.value, s.file) for s in own.sources] == [("a file of its own", None, "secrets/stage/SECRET_KEY")]
    (kept,) = explain(project, ("prod", "SECRET_KEY")).rows
    assert kept.sources[0].what == "the Vault at https://v.example, which is asked at each command"
    assert kept.sources[0].place == "secrets.prod.source"
    assert explain(project, ("secrets.prod.vault.path",)).rows[0].value == "shop"
    assert explain(project, ("secrets.dev.source",)).rows[0].value == "files"


# ---- what is weak


def test_all_weak_values_of_a_strict_environment_are_refused_at_once(house: House):
    write(house, "infra", POSTGRES_ADMIN_PASSWORD="postgres")
    write(house, "stage", SECRET_KEY="changeme", POSTGRES_PASSWORD="short", REDIS_PASSWORD=STRONG)
    with pytest.raises(SpecError) as caught:
        house.up("stage")
    assert caught.value.details == (
        ".env.infra:1: POSTGRES_ADMIN_PASSWORD of infra is a well-known value",
        ".env.stage:2: POSTGRES_PASSWORD of stage is shorter than 12 characters",
        ".env.stage:1: SECRET_KEY of stage is an example value",
    )
    assert house.ups() == []


def test_in_dev_they_are_told_and_it_starts(house: House):
    write(house, "infra", POSTGRES_ADMIN_PASSWORD="postgres")
    write(house, "dev", mode=0o644, SECRET_KEY="changeme")
    house.up("dev")
    assert house.texts(Caution) == [
        "infra: POSTGRES_ADMIN_PASSWORD of infra is a well-known value (.env.infra:1)",
        "dev: SECRET_KEY of dev is an example value (.env.dev:1)",
        "dev: .env.dev can be read by other users of this host: chmod 600 .env.dev",
    ]


def test_the_base_is_as_strict_as_what_stands_on_it(house: House):
    house.up("stage")
    write(house, "infra", **house.secrets("infra") | {"REDIS_ADMIN_PASSWORD": "redis"})
    with pytest.raises(SpecError, match="secrets of infra are not kept as they should be"):
        house.up("dev")
    house.edit("[environments.dev]", '[secrets.infra]\nweak = "warn"\n\n[environments.dev]')
    house.up("dev")


@pytest.mark.parametrize(
    ("environment", "is_strict"),
    [
        ("[environments.dev]\n", False),
        ("[environments.local]\n", False),
        ("[environments.dev-anna]\n", False),
        ("[environments.dev]\nprotected = true\n", True),
        ("[environments.stage]\n", True),
        ("[environments.preview]\n", True),
        ("[environments.preview]\ndebug = true\n", False),
        ("[environments.devices]\n", True),
        ('[environments.preview]\n[secrets.preview]\nweak = "warn"\n', False),
        ('[environments.dev]\n[secrets.dev]\nweak = "refuse"\n', True),
        ('[environments.dev]\n[secrets.defaults]\nweak = "refuse"\n', True),
    ],
)
def test_who_is_strict(house: House, environment: str, is_strict: bool):
    head = (house.folder / "envmgr.toml").read_text().partition("[environments.dev]")[0]
    house.write(head + environment)
    system = house.session().project.system
    assert [stack.refuses_weak for stack in system.stacks] == [is_strict, is_strict]


@pytest.mark.parametrize("path", [".env.stage", "secrets/stage", "secrets/stage/SECRET_KEY"])
def test_a_file_that_others_can_read_keeps_a_strict_environment_from_starting(house: House, path: str):
    write(house, "stage", POSTGRES_PASSWORD=STRONG)
    put(house, "secrets/stage/SECRET_KEY", OTHER)
    (house.folder / path).chmod(0o755)
    mode = "700" if (house.folder / path).is_dir() else "600"
    with pytest.raises(SpecError) as caught:
        house.up("stage")
    assert caught.value.details == (f"{path} can be read by other users of this host (chmod {mode} {path})",)
    (house.folder / path).chmod(int(mode, 8))
    house.up("stage")
    (house.folder / path).chmod(0o755)
    with pytest.raises(SpecError, match="not kept as they should be"):
        restart(house.session(), ("stage",))


# ---- init


def test_init_makes_what_is_missing_and_up_makes_nothing_more(house: House):
    write(house, "prod", SECRET_KEY=STRONG)
    made = {one.target: (one.names, one.source) for one in init(house.session(), ())}
    assert made == {
        "infra": (("POSTGRES_ADMIN_PASSWORD", "REDIS_ADMIN_PASSWORD"), ".env.infra"),
        "dev": (("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"), ".env.dev"),
        "stage": (("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"), ".env.stage"),
        "prod": (("POSTGRES_PASSWORD", "REDIS_PASSWORD"), ".env.prod"),
    }
    values = [value for target in made for value in house.secrets(target).values()]
    assert len(set(values)) == len(values) == 11
    assert house.secrets("prod")["SECRET_KEY"] == STRONG
    assert stat.S_IMODE((house.folder / ".env.prod").stat().st_mode) == 0o600
    house.up("dev")
    assert sorted(values) == sorted(value for target in made for value in house.secrets(target).values())
    assert [one.names for one in init(house.session(), ())] == [(), (), (), ()]


def test_init_refuses_where_data_is_and_makes_nothing_for_anybody(house: House):
    house.up("dev")
    (house.folder / ".env.dev").unlink()
    with pytest.raises(SpecError, match="dev already has data"):
        init(house.session(), ())
    assert not (house.folder / ".env.dev").exists()
    assert house.secrets("stage") == {}


def test_init_makes_nothing_when_one_target_cannot_keep_it(house: House):
    with_source(house, "stage", 'source = "age"')
    with pytest.raises(SourceError, match=r"the key that opens secrets/stage\.env\.age is not named"):
        init(house.session(), ())
    assert house.secrets("infra") == house.secrets("dev") == {}


# ---- set


def test_a_value_is_set_where_it_stands_and_all_else_stays(house: House):
    path = house.folder / ".env.prod"
    path.write_text(f"# mine\nSECRET_KEY='{OTHER}' # old\nREDIS_PASSWORD=x\n# end\n")
    kept = set_(house.session(), "prod", "SECRET_KEY", lambda: STRONG)
    assert (kept.names, kept.source) == (("SECRET_KEY",), ".env.prod")
    assert path.read_text() == f"# mine\nSECRET_KEY={STRONG}\nREDIS_PASSWORD=x\n# end\n"
    put(house, "secrets/dev/SECRET_KEY", STRONG)
    assert set_(house.session(), "dev", "SECRET_KEY", lambda: OTHER).source == "secrets/dev/SECRET_KEY"
    assert (house.folder / "secrets/dev/SECRET_KEY").read_text() == OTHER
    assert not (house.folder / ".env.dev").exists()


def test_several_lines_get_a_file_of_their_own(house: House):
    assert set_(house.session(), "prod", "SECRET_KEY", lambda: PEM).source == "secrets/prod/SECRET_KEY"
    assert (house.folder / "secrets/prod/SECRET_KEY").read_text() == PEM


def test_a_value_of_the_shared_file_is_set_for_one_environment_over_it(house: House):
    write(house, "", SECRET_KEY=STRONG)
    set_(house.session(), "prod", "SECRET_KEY", lambda: OTHER)
    assert house.secrets("prod")["SECRET_KEY"] == OTHER
    assert show(house.session(), "stage", "SECRET_KEY", lambda _target: None).value.reveal() == STRONG


@pytest.mark.parametrize(
    ("target", "name", "value", "error"),
    [
        ("prod", "SECRET_KEY", "changeme", "SECRET_KEY is an example value, and prod refuses weak values"),
        ("prod", "SECRET_KEY", "", "the value of SECRET_KEY is empty"),
        ("prod", "SECRET_KEY", "a\0b", "the value of SECRET_KEY holds NUL"),
        ("prod", "SECRET_KEI", STRONG, 'prod has no secret SECRET_KEI (did you mean "SECRET_KEY"?)'),
        ("prod", "REGION", STRONG, "REGION of prod is no secret"),
        ("nowhere", "SECRET_KEY", STRONG, "nowhere is neither an environment nor infra"),
    ],
)
def test_what_cannot_be_set(house: House, target: str, name: str, value: str, error: str):
    house.edit("[services.migrate]", '[variables.REGION]\ndefault = "n"\n\n[services.migrate]')
    with pytest.raises((UsageError, SpecError)) as caught:
        set_(house.session(), target, name, lambda: value)
    assert error in caught.value.message
    assert not (house.folder / ".env.prod").exists()


def test_a_weak_value_may_be_set_in_dev_and_is_told(house: House):
    set_(house.session(), "dev", "SECRET_KEY", lambda: "changeme")
    assert house.texts(Caution) == ["dev: SECRET_KEY is an example value"]


def test_what_the_spec_keeps_in_a_file_is_not_set_elsewhere(house: House):
    house.edit("generate = true", 'file = "key.txt"')
    put(house, "key.txt", STRONG)
    with pytest.raises(UsageError, match=r"SECRET_KEY of prod is the content of key\.txt"):
        set_(house.session(), "prod", "SECRET_KEY", lambda: OTHER)


def test_values_of_several_places_are_kept_each_in_its_own(house: House):
    write(house, "dev", POSTGRES_PASSWORD=STRONG)
    put(house, "secrets/dev/SECRET_KEY", STRONG)
    session = house.session()
    stack = session.project.stacks(("dev",))[0]
    where = keep(session, stack, {"POSTGRES_PASSWORD": OTHER, "SECRET_KEY": PEM, "REDIS_PASSWORD": STRONG})
    assert where == "secrets/dev/SECRET_KEY and .env.dev"
    assert house.secrets("dev") == {"POSTGRES_PASSWORD": OTHER, "REDIS_PASSWORD": STRONG}


# ---- list, show, status


def test_the_list_has_everything_but_values(house: House):
    write(house, "dev", SECRET_KEY="changeme")
    house.up("dev")
    rows = {(row.target, row.name): row for row in list_(house.session(), ("infra", "dev", "stage"))}
    key = rows["dev", "SECRET_KEY"]
    assert (key.source, key.strength, key.used_by) == (".env.dev:1", "an example value", ("app",))
    assert rows["dev", "POSTGRES_PASSWORD"].used_by == ("migrate", "app")
    assert rows["infra", "REDIS_ADMIN_PASSWORD"].used_by == ("redis",)
    assert (rows["stage", "SECRET_KEY"].source, rows["stage", "SECRET_KEY"].strength) == ("", "")
    assert rows["dev", "REDIS_PASSWORD"].since is not None
    values = [*house.secrets("dev").values(), *house.secrets("infra").values()]
    assert not [value for value in values if value in str([asdict(row) for row in rows.values()])]


def test_show_asks_for_the_name_of_a_protected_target_only(house: House):
    for target in ("dev", "prod"):
        write(house, target, SECRET_KEY=STRONG)
    asked: list[str] = []
    assert show(house.session(), "dev", "SECRET_KEY", asked.append).value.reveal() == STRONG
    shown = show(house.session(), "prod", "SECRET_KEY", asked.append)
    assert (asked, STRONG in repr(shown)) == (["prod"], False)
    with pytest.raises(UsageError, match="SECRET_KEY of stage is not set"):
        show(house.session(), "stage", "SECRET_KEY", asked.append)


def test_status_has_the_age_of_the_oldest(house: House):
    house.up("dev")
    rows = {row.target: row for row in status(house.session(), ())}
    assert rows["dev"].oldest_secret == "POSTGRES_PASSWORD"
    assert 0 <= rows["dev"].secret_age < 60
    assert (rows["stage"].oldest_secret, rows["stage"].secret_age) == ("", None)


# ---- check


def kinds(found: tuple[SecretFinding, ...]) -> set[tuple[str, str, str, str]]:
    return {(one.kind, one.severity, one.target, one.name) for one in found}


def test_everything_wrong_is_found_at_once(house: House):
    write(house, "infra", POSTGRES_ADMIN_PASSWORD=STRONG, REDIS_ADMIN_PASSWORD="x7Gk2pQ9vLm4")
    write(house, "dev", mode=0o644, SECRET_KEY="changeme", POSTGRES_PASSWORD=OTHER)
    write(house, "stage", mode=0o640, SECRET_KEY="secret_key", POSTGRES_PASSWORD=OTHER, NOBODY="1")
    put(house, "secrets/stage/SECRET_KEY", STRONG)
    found = check(house.session(), ("infra", "dev", "stage"))
    assert kinds(found) == {
        ("missing", "error", "dev", "REDIS_PASSWORD"),
        ("missing", "error", "stage", "REDIS_PASSWORD"),
        ("weak", "warning", "dev", "SECRET_KEY"),
        ("loose", "warning", "dev", ""),
        ("loose", "error", "stage", ""),
        ("twice", "error", "stage", ""),
        ("unused", "error", "stage", "NOBODY"),
        ("shared", "error", "stage", "POSTGRES_PASSWORD"),
        ("shared", "error", "stage", "SECRET_KEY"),
    }
    assert all(one.next for one in found)
    assert not [v for v in (STRONG, OTHER, "changeme", "x7Gk2pQ9vLm4") if v in str(found)]


def test_nothing_is_found_after_init(house: House):
    init(house.session(), ())
    assert check(house.session(), ()) == ()


def test_a_value_shared_with_an_environment_that_was_not_named_is_found(house: House):
    init(house.session(), ())
    write(house, "stage", **house.secrets("dev"))
    assert {one.kind for one in check(house.session(), ("stage",))} == {"shared"}
    assert check(house.session(), ("prod",)) == ()


def test_what_git_has_is_found(house: House, monkeypatch: pytest.MonkeyPatch):
    from envmgr.errors import Problem

    asked: list[str] = []

    def in_git(_folder, paths):
        asked.extend(path.name for path in paths)
        return [Problem(".env.dev is tracked by git", hint="git rm --cached .env.dev")]

    monkeypatch.setattr(secrets_check, "in_git", in_git)
    init(house.session(), ())
    (found,) = check(house.session(), ("dev",))
    assert (asked, found.kind, found.severity, found.next) == ([".env.dev"], "git", "error", "git rm --cached .env.dev")


def test_a_store_of_another_environment_that_is_away_is_a_warning(house: House):
    init(house.session(), ("infra", "dev"))
    put(house, "secrets/prod.env.age", "not encrypted")
    with_source(house, "prod", 'source = "age"')
    (found,) = check(house.session(), ("dev",))
    assert (found.kind, found.severity, found.target) == ("unreadable", "warning", "prod")
    with pytest.raises(SourceError):
        check(house.session(), ("prod",))
