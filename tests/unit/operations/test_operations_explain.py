"""Where a value comes from: the winner, what it overrides, and never a secret's value."""

from __future__ import annotations

import json

import pytest

from envmgr.cli.main import cli
from envmgr.errors import SpecError, UsageError
from envmgr.model.explanation import Explanation, Source
from envmgr.operations.explain import explain
from envmgr.report.explain import write_explained
from tests.house import House

SPEC = """\
[project]
name = "play"

[infra.redis]
port = 6390

[infra.postgres]
memory = "64M"

[variables.SECRET_KEY]
secret = true
generate = true
services = ["app"]

[variables.REGION]
default = "north"
from_shell = true
services = ["app"]

[services.app]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
uses = ["postgres", "redis"]
variables = { COLOUR = "red" }

[environments.defaults]
log_level = "WARNING"
variables = { COLOUR = "grey", SHAPE = "round" }

[environments.dev]

[environments.prod]
workers = 4
log_level = "ERROR"
variables = { SHAPE = "square" }

[environments.prod.services.app]
memory = "2G"

[environments.prod.infra.redis]
mode = "own"
"""
WORDS = {line: n for n, line in enumerate(SPEC.splitlines(), 1)}


@pytest.fixture
def play(house: House) -> House:
    house.write(SPEC)
    return house


def rows(play: House, *words: str) -> tuple[Explanation, ...]:
    return explain(play.session().project, words).rows


def one(play: House, *words: str) -> Explanation:
    (row,) = rows(play, *words)
    return row


def chain(explanation: Explanation) -> list[tuple[str, object]]:
    return [(source.what, source.value) for source in explanation.sources]


def test_a_value_names_its_line_and_everything_that_it_overrides(play: House):
    found = one(play, "environments.prod.log_level")
    assert chain(found) == [
        ("[environments.prod]", "ERROR"),
        ("[environments.defaults]", "WARNING"),
        ("default of [environments.NAME]", "INFO"),
    ]
    assert [source.line for source in found.sources] == [
        WORDS['log_level = "ERROR"'],
        WORDS['log_level = "WARNING"'],
        None,
    ]
    assert found.sources[0].place == "environments.prod.log_level"


@pytest.mark.parametrize(
    ("words", "path", "expected"),
    [
        (("prod", "workers"), "environments.prod.workers", [4, 1]),
        (("dev.workers",), "environments.dev.workers", [1]),
        (("prod", "app", "memory"), "environments.prod.services.app.memory", ["2G", "512M"]),
        (("dev", "app.memory"), "environments.dev.services.app.memory", ["512M"]),
        (("dev.log_level",), "environments.dev.log_level", ["WARNING", "INFO"]),
        (("redis", "port"), "infra.redis.port", [6390]),
        (("stageless", "port"), None, None),
        (("prod.prefix",), "environments.prod.prefix", ["prod_"]),
        (("app.kind",), "services.app.kind", ["asgi", "app"]),
        (("app.uses[1]",), "services.app.uses[1]", ["redis"]),
        (("dev.app.image",), "environments.dev.services.app.image", ["registry.example/play:1"] * 2),
        (("postgres.image",), "infra.postgres.image", ["postgres:17"]),
        (("project.name",), "project.name", ["play"]),
        (("variables.REGION.default",), "variables.REGION.default", ["north"]),
    ],
)
def test_short_and_long_paths(play: House, words: tuple[str, ...], path: str | None, expected: list[object] | None):
    if path is None:
        with pytest.raises(UsageError, match="the spec has nothing named stageless"):
            rows(play, *words)
        return
    found = one(play, *words)
    assert (found.path, [source.value for source in found.sources]) == (path, expected)


def test_a_service_as_written_names_the_environments_that_change_it(play: House):
    found = one(play, "services.app.memory")
    assert chain(found) == [("default of kind asgi", "512M")]
    assert [(source.what, source.value) for source in found.changed_by] == [("[environments.prod.services.app]", "2G")]


def test_a_server_of_its_own_has_not_the_bases_port(play: House):
    assert [s.value for s in one(play, "environments.prod.infra.redis.port").sources] == [None]
    assert [s.value for s in one(play, "environments.dev.infra.redis.port").sources] == [6390]


def test_a_table_shows_what_is_written_below(play: House):
    found = explain(play.session().project, ("environments.prod",))
    assert found.is_table
    assert {"environments.prod.workers", "environments.prod.services.app.memory"} <= {row.path for row in found.rows}
    # What its services merely inherit is not the environment's.
    assert "environments.prod.services.app.kind" not in {row.path for row in found.rows}


def test_a_whole_service_shows_what_nobody_has_written_too(play: House):
    paths = {row.path: row.value for row in rows(play, "prod", "app")}
    assert paths["environments.prod.services.app.memory"] == "2G"
    assert paths["environments.prod.services.app.container_port"] == 8000


def test_everything_that_is_written_is_shown_without_a_path(play: House):
    paths = [row.path for row in rows(play)]
    assert {"project.name", "services.app.uses", "environments.defaults.log_level"} <= set(paths)
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("environments.prod.worker",), 'environments.prod has nothing named worker (did you mean "workers"?)'),
        (("environments.prood.workers",), 'environments has nothing named prood (did you mean "prod"?)'),
        (("prod.services.ap.memory",), 'environments.prod.services has nothing named ap (did you mean "app"?)'),
        (("infr.redis",), 'the spec has nothing named infr (did you mean "infra"?)'),
        (("dev.memory",), 'environments.dev has nothing named memory ("memory" belongs to'),
        (("prod", "SECRET_KEI"), 'prod has no variable SECRET_KEI (did you mean "SECRET_KEY"?)'),
        (("prod", "ap", "SECRET_KEY"), 'prod has no service ap (did you mean "app"?)'),
        (("app.uses[7]",), "services.app.uses has nothing named 7"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_what_was_meant(play: House, words: tuple[str, ...], message: str):
    with pytest.raises(UsageError) as caught:
        rows(play, *words)
    assert message in str(caught.value)
    assert caught.value.help


def test_a_secret_has_an_origin_and_no_value(play: House, capsys: pytest.CaptureFixture[str]):
    (play.folder / ".env").write_text("SECRET_KEY=hush-one\n")
    (play.folder / ".env.prod").write_text("# mine\nSECRET_KEY=hush-two\n")
    found = explain(play.session().project, ("prod", "SECRET_KEY"))
    assert chain(found.rows[0]) == [(".env.prod", None), (".env", None)]
    assert [source.line for source in found.rows[0].sources] == [2, 1]
    assert found.rows[0].reaches == ("app as /run/secrets/SECRET_KEY",)
    for as_json in (True, False):
        write_explained(found, as_json=as_json)
    said = capsys.readouterr().out
    assert "hush" not in said + repr(found)
    assert "prod SECRET_KEY = (a secret)" in said


def test_a_secret_that_nobody_has_set_is_going_to_be_made(play: House):
    (play.folder / ".env.dev").write_text("SECRET_KEY=\n")
    assert chain(one(play, "dev", "SECRET_KEY")) == [("made at the next `envmgr up`, and kept in .env.dev", None)]


def test_the_files_come_before_the_shell_and_both_before_the_spec(play: House, monkeypatch: pytest.MonkeyPatch):
    assert chain(one(play, "dev", "REGION")) == [("[variables.REGION]", "north")]
    monkeypatch.setenv("REGION", "east")
    (play.folder / ".env.dev").write_text("REGION=west\nREGION=south\n")
    found = one(play, "dev", "REGION")
    assert chain(found) == [
        (".env.dev", "south"),
        (".env.dev", "west"),
        ("the shell", "east"),
        ("[variables.REGION]", "north"),
    ]
    assert found.reaches == ("app as a variable",)


def test_a_file_that_is_none_is_an_error(play: House):
    (play.folder / ".env.dev").write_text("not a line\n")
    with pytest.raises(SpecError):
        rows(play, "dev", "REGION")


def test_a_variable_of_the_spec_has_a_chain_as_any_value(play: House):
    assert chain(one(play, "prod", "app", "COLOUR")) == [
        ("[services.app]", "red"),
        ("[environments.defaults]", "grey"),
    ]
    assert chain(one(play, "prod", "SHAPE")) == [
        ("[environments.prod]", "square"),
        ("[environments.defaults]", "round"),
    ]


def test_a_variable_that_envmgr_sets_leads_to_what_it_follows_from(play: House):
    found = one(play, "prod", "LOG_LEVEL")
    assert found.sources == (
        Source(
            "set by envmgr, from environments.prod.log_level",
            "ERROR",
            "environments.prod.log_level",
            found.sources[0].file,
            WORDS['log_level = "ERROR"'],
        ),
    )


def test_a_password_is_inside_what_it_opens(play: House):
    assert one(play, "prod", "POSTGRES_PASSWORD").reaches == ("app inside DATABASE_URL",)
    (composed,) = one(play, "prod", "DATABASE_URL").sources
    assert composed.what == "put together by envmgr from POSTGRES_LOGIN, POSTGRES_PASSWORD"


def test_a_variable_without_a_target_is_shown_for_all(play: House):
    assert [row.path for row in rows(play, "SECRET_KEY")] == ["dev SECRET_KEY", "prod SECRET_KEY"]


def run(play: House, *words: str) -> None:
    cli.main(["-f", str(play.folder / "envmgr.toml"), "explain", *words], standalone_mode=False)


def test_what_a_person_reads(play: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(play.folder)
    cli.main(["explain", "services.app.memory"], standalone_mode=False)
    line = WORDS['memory = "2G"']
    assert capsys.readouterr().out == (
        'services.app.memory = "512M"\n'
        f"  from  {' ' * len(f'envmgr.toml:{line}')}  default of kind asgi\n"
        f'  but   envmgr.toml:{line}  [environments.prod.services.app]  "2G"\n'
    )


def test_what_a_machine_reads(play: House, capsys: pytest.CaptureFixture[str]):
    run(play, "prod", "workers", "--json")
    document = json.loads(capsys.readouterr().out)
    file, line = str(play.folder / "envmgr.toml"), WORDS["workers = 4"]
    place = "environments.prod.workers"
    assert document == {
        "format": 1,
        "path": place,
        "values": [
            {
                "path": place,
                "value": 4,
                "secret": False,
                "from": {"what": "[environments.prod]", "value": 4, "place": place, "file": file, "line": line},
                "over": [{"what": "default of [environments.NAME]", "value": 1, "place": "", "file": "", "line": None}],
                "changed_by": [],
                "reaches": [],
            }
        ],
    }
