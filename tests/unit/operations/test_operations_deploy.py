"""Deploy and roll back on the fake engine: what serves at each moment, after each failure and each kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envmgr.errors import EngineError, EnvmgrError, LockedError, NotDeployedError, UsageError
from envmgr.model.observed import ExecResult, State
from envmgr.model.progress import Note
from envmgr.model.release import DeployResult, Outcome
from envmgr.operations import host_programs
from envmgr.operations.deploy import DeployOptions, deploy
from envmgr.operations.down import down
from envmgr.operations.health import health
from envmgr.operations.releases import releases
from envmgr.operations.rollback import rollback
from envmgr.operations.rotate import rotate
from envmgr.operations.status import status
from envmgr.operations.why import why
from envmgr.records.journal import Journal
from envmgr.records.releases import Releases
from tests.fakes.engine import Behaviour
from tests.house import House, fail, house

__all__ = ["house"]

SPEC = """\
[project]
name = "play"

[infra.redis]
memory = "64M"

[variables.SECRET_KEY]
secret = true
generate = true
services = ["web"]

[services.migrate]
kind = "job"
image = "registry.example/play:1"
command = ["migrate"]
memory = "64M"

[services.web]
kind = "asgi"
image = "registry.example/play:1"
app = "play:app"
uses = ["redis"]
after = ["migrate"]
memory = "64M"

[services.worker]
kind = "celery-worker"
image = "registry.example/play:1"
app = "play"
uses = ["redis"]
memory = "64M"

[services.beat]
kind = "celery-beat"
image = "registry.example/play:1"
app = "play"
uses = ["redis"]
memory = "64M"

[environments.dev]
[environments.prod]
ports = { web = 8002 }
variables = { MARK = "1" }

[environments.prod.deploy]
strategy = "blue-green"
watch_seconds = 0
keep = 3
smoke = [{ service = "web", path = "/smoke", contains = "well" }]
"""


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A project that deploys prod blue-green."""
    house.write(SPEC)
    house.engine.has_image("nginx:1.26")
    del house.engine.behaviours["worker"]
    house.edges.others = lambda *asked: _played(house, *asked)
    monkeypatch.setattr(host_programs, "run", lambda words, *_: (4, "no\n") if words[0] == "sh" else (1, ""))
    return house


def _played(house: House, container, argv, variables):
    if container.service in ("worker", "beat", "web"):
        return ExecResult(0, "pong\n")
    return house.servers(container, argv, variables)


def ship(shop: House) -> DeployResult:
    shop.forget()
    return deploy(shop.session(), "prod", DeployOptions(), shop.agree)


def again(shop: House, mark: str) -> DeployResult:
    text = (shop.folder / "envmgr.toml").read_text()
    before = text.partition('MARK = "')[2].partition('"')[0]
    shop.edit(f'MARK = "{before}"', f'MARK = "{mark}"')
    return ship(shop)


def running(shop: House) -> set[str]:
    return {one.name.removeprefix("play-prod-") for one in shop.engine.all() if one.state is State.RUNNING}


def serving(shop: House) -> str:
    """Return the colour that answers requests, with its release; fails unless it is there."""
    colour = "green" if "play-prod" in shop.edges.second else "blue"
    web = shop.container(f"play-prod-{colour}-web-1")
    assert web.state is State.RUNNING
    return f"{colour} {web.labels['envmgr.release']}"


BLUE = {"blue-web-1", "blue-worker-1", "blue-beat-1"}
GREEN = {"green-web-1", "green-worker-1", "green-beat-1"}


def test_the_first_release_serves_and_is_on_record(shop: House):
    result = ship(shop)
    assert (result.release, result.before, result.colour) == (1, None, "blue")
    assert result.urls == ("http://127.0.0.1:8002",)
    assert running(shop) >= BLUE | {"edge-1"}
    assert not running(shop) & GREEN
    (attempt,) = Releases(shop.folder, "prod").history()
    assert (attempt.release, attempt.outcome, attempt.colour) == (1, Outcome.DEPLOYED, "blue")
    assert Journal(shop.folder, "prod").read() is None


def test_the_next_one_serves_and_what_finds_its_own_work_runs_once(shop: House):
    ship(shop)
    result = again(shop, "2")
    assert (result.release, result.before, result.colour) == (2, 1, "green")
    assert serving(shop) == "green 2"
    assert running(shop) >= GREEN | {"blue-web-1"}
    assert not running(shop) & {"blue-worker-1", "blue-beat-1"}
    assert shop.container("play-prod-green-web-1").settings.variables["MARK"] == "2"
    assert shop.container("play-prod-blue-web-1").settings.variables["MARK"] == "1"


def test_beat_never_runs_twice(shop: House):
    ship(shop)
    seen = []
    original = shop.engine.compose_up

    def watched(files, project, services=(), **options):
        original(files, project, services, **options)
        seen.append(sum(one.service == "beat" and one.state is State.RUNNING for one in shop.engine.all()))

    shop.engine.compose_up = watched
    again(shop, "2")
    rollback(shop.session(), "prod", None)
    assert seen
    assert max(seen) == 1


def test_a_migration_runs_before_anything_else_of_the_new_release(shop: House):
    ship(shop)
    again(shop, "2")
    started = [services for project, services in shop.ups() if project == "play-prod-green"]
    assert started[:2] == [("migrate",), ("web",)]
    assert ("beat",) in started[2:]


def _smoke(shop: House) -> None:
    shop.edges.pages["/smoke"] = (500, "ill\n")


def _content(shop: House) -> None:
    shop.edges.pages["/smoke"] = (200, "another\n")


def _migration(shop: House) -> None:
    shop.engine.behaviours["migrate"] = Behaviour(state=State.EXITED, exit_code=3)


def _lie(shop: House) -> None:
    shop.edges.lies = True


def _worker(shop: House) -> None:
    shop.engine.behaviours["worker"] = Behaviour(state=State.EXITED, exit_code=1)
    original = shop.engine.start

    def start(container_id: str) -> None:
        shop.engine.behaviours.pop("worker", None)  # the old one is as good as it was
        original(container_id)

    shop.engine.start = start  # type: ignore[method-assign]


def _hook(shop: House) -> None:
    shop.edit("keep = 3", 'keep = 3\nafter = [["sh", "-c", "echo no; exit 4"]]')


FAILURES = {
    "smoke": (_smoke, "answered /smoke with 500 instead of 200", False),
    "content": (_content, "does not hold 'well'", False),
    "migration": (_migration, "migrate of prod-green", False),
    "proof": (_lie, "nobody answered", True),
    "worker": (_worker, "worker of prod-green", True),
    "hook": (_hook, "ended with exit code 4", True),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_leaves_the_old_release_serving(shop: House, name: str):
    ship(shop)
    breaks, message, is_switched = FAILURES[name]
    breaks(shop)
    with pytest.raises(NotDeployedError) as caught:
        again(shop, "2")
    assert message in caught.value.message
    assert caught.value.state == "Release 1 serves, as before."
    assert int(caught.value.exit_code) == 6
    assert serving(shop) == "blue 1"
    assert running(shop) >= BLUE
    assert not any(one.compose_project == "play-prod-green" for one in shop.engine.all())
    assert shop.edges.switches == (["blue", "green", "blue"] if is_switched else ["blue"])
    attempt = Releases(shop.folder, "prod").history()[-1]
    assert (attempt.release, attempt.outcome) == (2, Outcome.FAILED)
    assert message in attempt.reason
    assert Journal(shop.folder, "prod").read() is None


def test_a_hook_before_keeps_everything_as_it_is(shop: House):
    ship(shop)
    before = shop.ids()
    shop.edit("keep = 3", 'keep = 3\nbefore = [["sh", "-c", "exit 4"]]')
    with pytest.raises(EngineError, match="exit code 4") as caught:
        again(shop, "2")
    assert caught.value.state == "What prod serves is not touched."
    assert shop.ids() == before


STAGES = ("delivered", "started", "smoked", "switched", "working", "watched", "hooked", "recorded")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_killed_at_a_step_one_colour_serves_and_the_next_command_ends_it(
    shop: House, monkeypatch: pytest.MonkeyPatch, stage: str, is_done: bool
):
    ship(shop)
    original = Journal._write

    def killed(self, entry):
        if stage in entry.done:
            if is_done:
                original(self, entry)
            raise Killed
        original(self, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "_write", killed)
        with pytest.raises(Killed):
            again(shop, "2")
    # `before`: the step was done and not written down.
    is_led = STAGES.index(stage) >= STAGES.index("switched")
    assert serving(shop) == ("green 2" if is_led else "blue 1")
    result = ship(shop)
    assert result.was_cut is is_led
    assert serving(shop) == ("green 2" if is_led else "green 3")
    assert running(shop) >= GREEN | {"blue-web-1"}
    assert not running(shop) & {"blue-worker-1", "blue-beat-1"}
    said = " ".join(shop.texts(Note))
    assert ("going on with release 2" if is_led else "undoing release 2") in said
    assert Journal(shop.folder, "prod").read() is None


def test_rollback_leads_back_to_what_is_warm_and_starts_nothing_that_answers(shop: House):
    ship(shop)
    again(shop, "2")
    web = shop.ids()["play-prod-blue-web-1"]
    shop.forget()
    result = rollback(shop.session(), "prod", None)
    assert (result.release, result.before, result.colour) == (1, 2, "blue")
    assert serving(shop) == "blue 1"
    assert shop.ids()["play-prod-blue-web-1"] == web
    assert ("play-prod-blue", ("web",)) not in shop.ups()
    assert running(shop) >= BLUE | {"green-web-1"}
    assert Releases(shop.folder, "prod").history()[-1].outcome is Outcome.ROLLED_BACK


def test_rollback_to_an_older_one_brings_its_variables_and_secrets_back(shop: House):
    ship(shop)
    secrets = (shop.folder / ".env.prod").read_text()
    (shop.folder / ".env.prod").write_text(secrets.replace("SECRET_KEY=", "SECRET_KEY=another-"))
    again(shop, "2")
    again(shop, "3")
    result = rollback(shop.session(), "prod", 1)
    assert (result.release, result.before) == (1, 3)
    web = shop.container(f"play-prod-{result.colour}-web-1")
    assert (web.labels["envmgr.release"], web.settings.variables["MARK"]) == ("1", "1")
    delivered = shop.folder / ".envmgr" / f"prod-{result.colour}" / "secrets" / "web" / "SECRET_KEY"
    assert delivered.read_text() == Releases(shop.folder, "prod").values(1)["SECRET_KEY"]
    assert not delivered.read_text().startswith("another")


def test_rollback_refuses_before_it_touches_anything(shop: House):
    with pytest.raises(UsageError, match="has no releases"):
        rollback(shop.session(), "dev", None)
    ship(shop)
    before = shop.ids()
    for number, message in (
        (None, "no earlier release"),
        (9, "release 9 is not kept"),
        (1, "release 1 serves already"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            rollback(shop.session(), "prod", number)
        assert caught.value.state == "Nothing was changed."
    again(shop, "2")
    again(shop, "3")
    kept = Releases(shop.folder, "prod").get(1).images["web"].kept
    del shop.engine.images[kept]
    with pytest.raises(UsageError, match=f"{kept} is gone"):
        rollback(shop.session(), "prod", 1)
    assert {row.release.number: row.state for row in releases(shop.session(), "prod")} == {
        1: f"{kept} is gone",
        2: "warm",
        3: "live",
    }
    assert before.keys() & shop.ids().keys()


def test_releases_tell_what_changed(shop: House):
    assert releases(shop.session(), "prod") == ()
    ship(shop)
    secrets = (shop.folder / ".env.prod").read_text()
    (shop.folder / ".env.prod").write_text(secrets.replace("SECRET_KEY=", "SECRET_KEY=x"))
    again(shop, "2")
    newest, first = releases(shop.session(), "prod")
    assert (newest.state, newest.colour, first.state, first.colour) == ("live", "green", "warm", "blue")
    assert newest.changes == ("values SECRET_KEY", "spec")
    assert first.changes == ()


def test_only_so_many_are_kept_and_numbers_are_not_given_twice(shop: House):
    for number in range(1, 7):
        assert again(shop, f"a{number}").release == number
    records = Releases(shop.folder, "prod")
    assert [one.number for one in records.all()] == [4, 5, 6]
    assert len(records.history()) == 6
    records.forget(6)
    assert records.next_number() == 7


def test_up_and_an_edited_spec_never_touch_what_serves(shop: House):
    ship(shop)
    before = {name: id for name, id in shop.ids().items() if "-blue-" in name}
    shop.edit('MARK = "1"', 'MARK = "2"')
    shop.up("prod")
    assert {name: id for name, id in shop.ids().items() if "-blue-" in name} == before
    assert serving(shop) == "blue 1"


def test_what_was_taken_down_comes_up_as_it_was_deployed(shop: House):
    ship(shop)
    again(shop, "2")
    down(shop.session(), ("prod",), lambda _plan: None)
    assert not any(one.compose_project.startswith("play-prod") for one in shop.engine.all())
    shop.edit('MARK = "2"', 'MARK = "3"')
    shop.up("prod")
    assert serving(shop) == "green 2"
    assert shop.container("play-prod-green-web-1").settings.variables["MARK"] == "2"


def test_up_alone_says_that_nothing_is_deployed(shop: House):
    shop.up("prod")
    assert "prod: its application is not deployed yet: envmgr deploy prod" in shop.texts(Note)


def test_status_shows_each_colour_with_its_release(shop: House):
    ship(shop)
    again(shop, "2")
    rows = {row.target: row for row in status(shop.session(), ("prod",))}
    assert {name: row.release for name, row in rows.items()} == {
        "prod": "",
        "prod-blue": "release 1, warm",
        "prod-green": "release 2, live",
    }
    assert {row.service for row in rows["prod-blue"].rows} == {"migrate", "web"}
    assert rows["prod-blue"].state == rows["prod-green"].state == "up"


def _keep(shop: House, name: str, value: str) -> None:
    path = shop.folder / ".env.prod"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{name}=")]
    path.write_text("\n".join([*lines, f"{name}={value}"]) + "\n")


@pytest.mark.parametrize("how", ["up", "deploy"])
def test_a_password_is_not_changed_under_what_runs(shop: House, how: str):
    ship(shop)
    _keep(shop, "REDIS_PASSWORD", "another-long-password-1234567890123456789012")
    shop.forget()
    with pytest.raises(UsageError, match="REDIS_PASSWORD is another than release 1 in prod-blue") as caught:
        shop.up("prod") if how == "up" else ship(shop)
    assert caught.value.state == "Nothing was changed."
    assert shop.servers.asked == []
    assert serving(shop) == "blue 1"


def test_with_another_login_the_next_release_takes_it_and_the_old_one_goes_on(shop: House):
    ship(shop)
    _keep(shop, "REDIS_PASSWORD", "another-long-password-1234567890123456789012")
    _keep(shop, "REDIS_LOGIN", "prod_app_2")
    assert ship(shop).release == 2
    assert {"prod_app", "prod_app_2"} <= set(shop.servers.opens["redis prod"])


def test_once_it_is_down_any_password_will_do(shop: House):
    ship(shop)
    down(shop.session(), ("prod",), lambda _plan: None)
    _keep(shop, "REDIS_PASSWORD", "another-long-password-1234567890123456789012")
    assert ship(shop).release == 2


def test_a_rotation_is_refused_where_nobody_would_be_moved_over(shop: House):
    ship(shop)
    with pytest.raises(UsageError, match="prod is deployed in colours") as caught:
        rotate(shop.session(), "prod", ("redis",), shop.agree)
    assert "envmgr deploy prod" in caught.value.help


def test_what_is_warm_is_well_without_its_background_work(shop: House):
    ship(shop)
    again(shop, "2")
    found = health(shop.session(), ())
    assert [one for one in found.probes if not one.is_good] == []
    assert {one.service for one in found.probes if one.target == "prod-blue"} == {"migrate", "web"}
    assert why(shop.session(), "prod-blue").first is None
    shop.engine.halt(shop.engine.get("play-prod-blue-web-1"))
    assert [(one.target, one.service) for one in health(shop.session(), ("prod",)).probes if not one.is_good] == [
        ("prod-blue", "web")
    ]


def test_without_its_edge_nobody_says_which_serves(shop: House):
    ship(shop)
    again(shop, "2")
    shop.engine.halt(shop.engine.get("play-prod-edge-1"))
    rows = {row.target: row for row in status(shop.session(), ("prod",))}
    assert (rows["prod-blue"].release, rows["prod-green"].release) == ("release 1", "release 2")
    assert rows["prod-blue"].state == "partly up"
    with pytest.raises(EngineError, match="the edge of prod does not run"):
        rollback(shop.session(), "prod", None)


def test_a_colour_is_looked_at_and_not_changed_by_hand(shop: House):
    ship(shop)
    project = shop.session().project
    assert [one.target for one in project.stacks(("prod-blue",), takes_colours=True)] == ["prod-blue"]
    for operate in (lambda: shop.up("prod-blue"), lambda: down(shop.session(), ("prod-blue",), lambda _plan: None)):
        with pytest.raises(UsageError, match="prod-blue is a colour of prod") as caught:
            operate()
        assert caught.value.help == "envmgr deploy prod, envmgr rollback prod"
    with pytest.raises(UsageError, match="prod has no service web") as caught:
        project.choose(("prod", "web"))
    assert caught.value.help.startswith("it is in prod-blue: ")
    assert serving(shop) == "blue 1"


def test_two_at_once_are_refused(shop: House):
    ship(shop)
    holder = shop.session()
    with holder.locks.acquire("prod"), pytest.raises(LockedError):
        again(shop, "2")
    assert serving(shop) == "blue 1"


def test_another_operation_that_was_cut_comes_first(shop: House):
    ship(shop)
    Journal(shop.folder, "prod").begin("rotate", "redis", "envmgr secrets rotate prod", {"old": {}, "new": {}})
    with pytest.raises(UsageError, match="rotate of redis was cut") as caught:
        again(shop, "2")
    assert caught.value.help == "envmgr secrets rotate prod"


def test_an_engine_that_fails_on_the_way_back_is_said_too(shop: House):
    ship(shop)
    shop.edges.pages["/smoke"] = (500, "ill\n")
    shop.engine.refusals["remove_container"] = fail("Docker is away")
    with pytest.raises(NotDeployedError) as caught:
        again(shop, "2")
    assert "going back failed" in caught.value.message
    assert Journal(shop.folder, "prod").read() is not None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9, "attempts": []}'])
def test_a_record_that_makes_no_sense_is_named(shop: House, text: str):
    ship(shop)
    (shop.folder / ".envmgr/prod/releases/history.json").write_text(text)
    with pytest.raises(EnvmgrError, match=r"history\.json cannot be read") as caught:
        again(shop, "2")
    assert caught.value.state == "Nothing was changed."
    assert serving(shop) == "blue 1"


def test_a_release_is_written_whole_or_not_at_all(shop: House):
    ship(shop)
    folder = Path(shop.folder / ".envmgr/prod/releases/1")
    assert {"release.json", "values.json", "envmgr.toml"} <= {one.name for one in folder.iterdir()}
    assert (folder / "values.json").stat().st_mode & 0o777 == 0o600
    assert "SECRET_KEY" not in json.dumps(json.loads((folder / "release.json").read_text())["images"])
