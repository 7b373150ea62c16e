"""What of an environment can be exchanged, by which names, and for which values."""

from __future__ import annotations

import pytest

from envmgr.errors import UsageError
from envmgr.model.stack import Stack
from envmgr.operations.exchanges import Exchange, chosen, ending, exchanges
from tests.house import House

MORE = """\
[variables.TOKEN]
secret = true
required = false

[variables.LEVEL]
required = false

[variables.SECRET_KEY]
previous = "OLD_KEY\""""


@pytest.fixture
def stack(house: House) -> Stack:
    house.edit("[variables.SECRET_KEY]", MORE)
    return house.session().project.system.stack("dev")


@pytest.fixture
def known(stack: Stack) -> tuple[Exchange, ...]:
    return exchanges(stack, {"SECRET_KEY": "OLD_KEY"})


def test_everything_that_envmgr_made_for_an_environment_can_be_exchanged(known: tuple[Exchange, ...]):
    assert [(one.subject, one.need.name, one.previous) for one in known] == [
        ("SECRET_KEY", "SECRET_KEY", "OLD_KEY"),
        ("postgres", "POSTGRES_PASSWORD", ""),
        ("redis", "REDIS_PASSWORD", ""),
    ]
    assert [one.names for one in known] == [
        ("SECRET_KEY", "OLD_KEY"),
        ("POSTGRES_PASSWORD", "POSTGRES_LOGIN"),
        ("REDIS_PASSWORD", "REDIS_LOGIN"),
    ]
    assert [one.credential is None for one in known] == [True, False, False]


def test_nothing_of_the_base_is_exchanged(house: House):
    assert exchanges(house.session().project.system.base, {}) == ()


@pytest.mark.parametrize(
    ("present", "login"),
    [({}, "dev_app"), ({"REDIS_LOGIN": "dev_app"}, "dev_app_2"), ({"REDIS_LOGIN": "dev_app_2"}, "dev_app")],
)
def test_logins_alternate(known: tuple[Exchange, ...], present: dict[str, str], login: str):
    values = known[2].next({"REDIS_PASSWORD": "before", **present})
    assert values.keys() == {"REDIS_PASSWORD", "REDIS_LOGIN"}
    assert values["REDIS_LOGIN"] == login
    assert values["REDIS_PASSWORD"] != "before"


def test_the_present_value_becomes_the_previous_one(known: tuple[Exchange, ...]):
    values = known[0].next({"SECRET_KEY": "before", "OLD_KEY": "long before"})
    assert values.keys() == {"SECRET_KEY", "OLD_KEY"}
    assert values["OLD_KEY"] == "before"
    assert len(values["SECRET_KEY"]) > 30
    assert known[0].next({"SECRET_KEY": "before"})["SECRET_KEY"] != values["SECRET_KEY"]


def test_an_overlap_is_ended_by_a_value_that_is_empty(stack: Stack, known: tuple[Exchange, ...]):
    end = ending(stack, known[0])
    assert (end.subject, end.names, end.grant) == ("SECRET_KEY", ("OLD_KEY",), None)
    assert end.next({"SECRET_KEY": "now", "OLD_KEY": "before"}) == {"OLD_KEY": ""}


def test_without_an_overlap_it_is_said_how_to_get_one(stack: Stack):
    (key, *_) = exchanges(stack, {})
    with pytest.raises(UsageError, match="SECRET_KEY of dev has no overlap to end") as caught:
        ending(stack, key)
    assert caught.value.help == 'name the second one under [variables.SECRET_KEY]: previous = "…"'


@pytest.mark.parametrize("name", ["redis", "REDIS_PASSWORD"])
def test_a_server_goes_by_its_name_and_by_that_of_its_password(stack: Stack, known: tuple[Exchange, ...], name: str):
    assert chosen(stack, known, name) is known[2]


@pytest.mark.parametrize(
    ("name", "said", "help_"),
    [
        (
            "TOKEN",
            "TOKEN of dev was not made by envmgr: only whoever issued it makes another",
            "envmgr secrets set dev TOKEN, then envmgr up dev",
        ),
        (
            "OLD_KEY",
            "OLD_KEY of dev is what SECRET_KEY was before its last rotation",
            "envmgr secrets rotate dev SECRET_KEY --end-overlap withdraws it",
        ),
        ("LEVEL", "dev has no secret of LEVEL", "it can exchange: SECRET_KEY, postgres, redis"),
        ("REDIS_LOGIN", "dev has no secret of REDIS_LOGIN", "it can exchange: SECRET_KEY, postgres, redis"),
        ("postgress", 'dev has no secret of postgress (did you mean "postgres"?)', "it can exchange: "),
        ("", "dev has no secret of ", "it can exchange: "),
    ],
)
def test_other_names_are_refused_with_what_there_is(
    stack: Stack, known: tuple[Exchange, ...], name: str, said: str, help_: str
):
    with pytest.raises(UsageError) as caught:
        chosen(stack, known, name)
    assert str(caught.value).startswith(said)
    assert caught.value.state == "Nothing was changed."
    assert caught.value.help.startswith(help_)


def test_where_nothing_can_be_exchanged_the_list_is_shown(stack: Stack):
    with pytest.raises(UsageError) as caught:
        chosen(stack, (), "x")
    assert caught.value.help == "envmgr secrets list dev"


def test_an_own_servers_administrator_is_set_with_its_first_start(house: House):
    house.edit("[infra.redis]", '[infra.redis]\nmode = "own"')
    stack = house.session().project.system.stack("dev")
    known = exchanges(stack, {})
    assert [one.subject for one in known] == ["SECRET_KEY", "postgres", "redis"]
    with pytest.raises(UsageError, match="REDIS_ADMIN_PASSWORD of dev was set when its server first started"):
        chosen(stack, known, "REDIS_ADMIN_PASSWORD")


def test_what_the_operator_gave_for_a_managed_server_is_not_exchanged(house: House):
    house.edit("[infra.redis]", '[infra.redis]\nmode = "external"\nurl = "redis://me@cache.example.com"')
    house.edit('memory = "64M"\ncpus = 0.5\n\n[variables', "\n[variables")
    stack = house.session().project.system.stack("dev")
    known = exchanges(stack, {})
    assert [one.subject for one in known] == ["SECRET_KEY", "postgres"]
    with pytest.raises(UsageError):
        chosen(stack, known, "REDIS_PASSWORD")
