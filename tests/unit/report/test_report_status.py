"""`status` on a wide and on a narrow terminal: what is wrong first, and what gives way."""

from __future__ import annotations

import pytest

from envmgr.model.result import ContainerRow, Side, StackRow
from envmgr.report.status import write_status


def container(target: str, service: str, verdict: str = "healthy", number: int = 1, **fields: object) -> ContainerRow:
    uptime = 1620.0 if verdict in ("healthy", "unhealthy") else None
    known = {"reason": "", "image": f"example/play:{target}", "address": "", "restarts": 0, "uptime": uptime}
    name = f"play-{target}-{service}-{number}" if verdict != "not created" else ""
    return ContainerRow(target, service, name, verdict, **{**known, **fields})


def stack(target: str, *rows: ContainerRow, state: str = "up") -> StackRow:
    good = sum(row.verdict == "healthy" for row in rows)
    return StackRow(target, state, good, len(rows), target == "prod", rows)


def environment(name: str, port: int, **fields: object) -> StackRow:
    app = container(name, "app", address=f"http://localhost:{port}", **fields)
    return stack(name, app, container(name, "worker"))


INFRA = stack(
    "infra",
    container("infra", "postgres", image="registry.example/library/postgres:17", address="localhost:5433"),
    container("infra", "qdrant", image="qdrant:1", address="10.0.0.1:6333", stand_in="a toy"),
)
CRASHING = stack(
    "stage",
    container("stage", "app", address="http://localhost:8001"),
    container("stage", "worker", "crash loop", reason="restarted 4 times,\x1b[2J last exit code 1"),
    container("stage", "beat", "starting", reason="its healthcheck has not passed yet"),
    state="partly up",
)
DOWN = stack("prod", *(container("prod", name, "not created") for name in ("app", "worker")), state="down")
ALL = (INFRA, environment("dev", 8000), CRASHING, DOWN)


@pytest.fixture
def at(on_terminal, monkeypatch: pytest.MonkeyPatch):
    def shown(columns: int, stacks: tuple[StackRow, ...] = ALL, **options: bool) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        return on_terminal(lambda: write_status(stacks, as_json=False, **options))

    return shown


def test_on_eighty_columns_what_is_wrong_comes_first(at):
    assert at(80) == (
        """\
✗ worker of stage: crash loop (restarted 4 times,  last exit code 1)
  next: envmgr why stage worker

        dev              stage                prod
        2/2 up           1/3 up               down
app     ✓ 27 min  :8000  ✓ 27 min      :8001  -     play:…
worker  ✓ 27 min         ✗ crash loop         -     play:…
beat                     … starting                 play:stage

infra  2/2 up
postgres  ✓ healthy  27 min  localhost:5433  postgres:17
qdrant    ✓ healthy  27 min  10.0.0.1:6333   qdrant:1

stand-in: infra qdrant is a toy, not the real server
"""
    )


def test_forty_columns_keep_the_states(at):
    assert at(40).split("\n\n")[1:3] == [
        "        dev       stage         prod\n"
        "        2/2 up    1/3 up        down\n"
        "app     ✓ 27 min  ✓ 27 min      -\n"
        "worker  ✓ 27 min  ✗ crash loop  -\n"
        "beat              … starting",
        "infra  2/2 up\npostgres  ✓ healthy  27 min\nqdrant    ✓ healthy  27 min",
    ]


@pytest.mark.parametrize("columns", [20, 30, 40, 55, 70, 80, 100, 120, 200])
@pytest.mark.parametrize("in_detail", [False, True])
def test_no_line_of_a_table_is_wider_than_the_terminal(at, columns: int, in_detail: bool):
    stacks = (INFRA, *(environment(f"env{number}", 8000 + number) for number in range(8)))
    tables = [line for line in at(columns, stacks, in_detail=in_detail).splitlines() if "stand-in" not in line]
    assert max(map(len, tables)) <= max(columns, 27), "a service and its state are always there"


def test_more_environments_than_fit_stand_below_each_other(at):
    stacks = tuple(environment(f"env{number}", 8000 + number) for number in range(8))
    blocks = at(80, stacks).split("\n\n")
    named = [block.splitlines()[0].split() for block in blocks]
    assert [name for names in named for name in names] == [f"env{number}" for number in range(8)]
    assert len(blocks) == 2


def test_one_target_in_detail_has_titles_and_images(at):
    dev = stack(
        "prod",
        container("prod", "app", address="http://localhost:8002", image="registry.example/play:1"),
        container("prod", "worker", number=1),
        container("prod", "worker", "failed", number=2, reason="last exit code 1"),
        container("prod", "migrate", "completed"),
    )
    assert at(120, (dev,), in_detail=True) == (
        "✗ worker of prod: failed (last exit code 1)\n"
        "  next: envmgr why prod worker\n"
        "\n"
        "prod  2/4 up, protected\n"
        "SERVICE   STATE        UPTIME  ADDRESS                IMAGE\n"
        "app       ✓ healthy    27 min  http://localhost:8002  registry.example/play:1\n"
        "worker-1  ✓ healthy    27 min                         example/play:prod\n"
        "worker-2  ✗ failed                                    example/play:prod\n"
        "migrate   ✓ completed                                 example/play:prod\n"
    )
    assert "  play:1\n" in at(80, (dev,), in_detail=True)
    assert "IMAGE" not in at(60, (dev,), in_detail=True)


def test_copies_and_the_side_are_told(at):
    native: Side = "native"
    rows = (container("dev", "app", side=native, image=""), *(container("dev", "worker", number=n) for n in (1, 2, 3)))
    written = at(80, (stack("dev", *rows), environment("stage", 8001)))
    assert "✓ healthy native 27 min" in written
    (line,) = (
        line for line in at(200, (stack("dev", *rows), environment("stage", 8001))).splitlines() if "app" in line
    )
    assert line.endswith("  example/play:stage"), "what is on the desk has no image"
    assert "✓ healthy x3 27 min" in written


def test_a_stopped_container_is_wrong_unless_its_whole_stack_is_down(at):
    rows = [container("dev", "app", "stopped", reason="stopped"), container("dev", "worker", "not created")]
    assert "✗" not in at(80, (stack("dev", *rows, state="down"),))
    assert at(80, (stack("dev", *rows, state="partly up"),)).startswith("✗ app of dev: stopped\n")
    failed = container("dev", "app", "failed", reason="last exit code 3")
    assert at(80, (stack("dev", failed, state="down"),)).startswith("✗ app of dev: failed (last exit code 3)\n")


def test_where_nothing_runs_it_says_how_to_begin(at):
    assert at(80, (DOWN,)).endswith("\n\nnothing runs; start with: envmgr up dev\n")
    assert "nothing runs" not in at(80)


def test_colours_tell_the_same_as_the_signs(on_terminal):
    written = on_terminal(lambda: write_status(ALL, as_json=False))
    assert "\x1b[31;1m✗ worker of stage" in written
    for painted in ("\x1b[32m✓ healthy 27 min\x1b[0m", "\x1b[31m✗ crash loop\x1b[0m", "\x1b[33m… starting\x1b[0m"):
        assert painted in written
