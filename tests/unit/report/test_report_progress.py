"""Progress: JSON lines for machines, plain lines in a pipe, a table that changes in place on a terminal."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from envmgr.model.health import ServiceHealth, Verdict
from envmgr.model.progress import Caution, Message, Note, Output, Progress, Step
from envmgr.report.progress import _Board, as_event, describe, listening

STARTING = ServiceHealth("dev", "app", Verdict.STARTING, "its healthcheck has not passed yet", None, 0.00004)
HEALTHY = ServiceHealth("dev", "app", Verdict.HEALTHY, "", 0.012345, 3.14159)
MESSAGES: tuple[Message, ...] = (
    Step("dev", "starting app"),
    Step("", "pulling redis:8.0"),
    Output("dev", "layer 1"),
    Note("dev", "generated [SECRET_KEY]"),
    Caution("", "CPU limits add up to 9"),
    Progress(STARTING),
    Progress(HEALTHY),
)


def test_every_message_as_an_event():
    service = {"event": "service", "target": "dev", "service": "app"}
    assert [as_event(message) for message in MESSAGES] == [
        {"event": "step", "target": "dev", "text": "starting app"},
        {"event": "step", "target": "", "text": "pulling redis:8.0"},
        {"event": "output", "target": "dev", "text": "layer 1"},
        {"event": "note", "target": "dev", "text": "generated [SECRET_KEY]"},
        {"event": "caution", "target": "", "text": "CPU limits add up to 9"},
        service
        | {"verdict": "starting", "reason": "its healthcheck has not passed yet", "latency": None, "seconds": 0.0},
        service | {"verdict": "healthy", "reason": "", "latency": 0.0123, "seconds": 3.1416},
    ]


def test_for_machines_each_event_is_a_line_on_stdout(capsys: pytest.CaptureFixture[str]):
    with listening(as_json=True) as listen:
        for message in MESSAGES:
            listen(message)
    out, err = capsys.readouterr()
    assert err == ""
    assert [json.loads(line) for line in out.splitlines()] == [{"format": 1, **as_event(one)} for one in MESSAGES]


def test_in_a_pipe_each_message_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]):
    with listening(as_json=False) as listen:
        for message in MESSAGES:
            listen(message)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "dev: starting app",
        "pulling redis:8.0",
        "dev: note: generated [SECRET_KEY]",
        "warning: CPU limits add up to 9",
        "dev: app: starting (its healthcheck has not passed yet)",
        "dev: app: healthy in 3.1 s",
    ]


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (HEALTHY, "healthy in 3.1 s"),
        (STARTING, "starting (its healthcheck has not passed yet)"),
        (ServiceHealth("dev", "app", Verdict.HEALTHY), "healthy"),
        (ServiceHealth("dev", "app", Verdict.HEALTHY, "no healthcheck"), "healthy (no healthcheck)"),
        (ServiceHealth("dev", "job", Verdict.COMPLETED, "exited with code 0", None, 2), "completed in 2.0 s"),
        (ServiceHealth("dev", "app", Verdict.CRASHING, "restarted 2 times"), "crash loop (restarted 2 times)"),
        (ServiceHealth("dev", "app", Verdict.MISSING), "not created"),
    ],
)
def test_a_verdict_in_words(health: ServiceHealth, words: str):
    assert describe(health) == words


# ---- on a terminal


def told(*messages: Message) -> None:
    with listening(as_json=False) as listen:
        for message in messages:
            listen(message)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_on_a_terminal_services_change_in_place(on_terminal):
    written = on_terminal(lambda: told(*MESSAGES))
    assert "note  dev: generated [SECRET_KEY]" in plain(written)
    assert "warning  CPU limits add up to 9" in plain(written)
    assert plain(written).rstrip().splitlines()[-1].split() == ["✓", "dev", "app", "healthy", "in", "3.1", "s"]
    assert "\x1b[32m" in written


def test_what_is_being_done_goes_when_it_is_over(on_terminal):
    written = on_terminal(lambda: told(Step("dev", "starting app"), Output("dev", "  [layer] 1  "), Progress(STARTING)))
    assert plain(written).rstrip().splitlines()[-1].startswith("… dev  app  starting")


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(on_terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "dumb")
    written = on_terminal(lambda: told(Step("dev", "starting app"), Progress(STARTING), Progress(HEALTHY)))
    assert written.splitlines() == [
        "dev: starting app",
        "dev: app: starting (its healthcheck has not passed yet)",
        "dev: app: healthy in 3.1 s",
    ]


def test_a_low_terminal_shows_what_is_not_good_yet():
    board = _Board()
    for number in range(20):
        board.take(Progress(ServiceHealth("infra", f"s{number}", Verdict.HEALTHY)))
    for message in (Progress(STARTING), Step("dev", "starting app"), Output("dev", "layer 1")):
        board.take(message)
    console = Console(file=io.StringIO(), width=80, height=10)
    with console.capture() as shown:
        console.print(board)
    first, second, *below = shown.get().splitlines()
    assert first == "✓ 20 of 21 are healthy"
    assert second == "… dev  app  starting (its healthcheck has not passed yet)"
    assert [line.split()[-2:] for line in below] == [["starting", "app"], ["layer", "1"]]
    board.is_over = True
    with console.capture() as shown:
        console.print(board)
    assert len(shown.get().splitlines()) == 21, "all are shown when it is over"


@pytest.mark.parametrize("columns", ["40", "80"])
def test_a_line_is_never_broken(on_terminal, monkeypatch: pytest.MonkeyPatch, columns: str):
    monkeypatch.setenv("COLUMNS", columns)
    crash = ServiceHealth("dev", "app", Verdict.CRASHING, "restarted 4 times, last exit code 1, " + "and so on " * 9)
    written = plain(on_terminal(lambda: told(Step("dev", "starting " + "app " * 40), Progress(crash))))
    assert max(len(line.rstrip()) for line in written.replace("\r", "\n").splitlines()) <= int(columns)


def test_no_color_leaves_the_words(on_terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    written = on_terminal(lambda: told(Caution("dev", "disk"), Progress(HEALTHY)))
    assert "warning  dev: disk" in plain(written)
    assert not re.findall(r"\x1b\[(?:[0-9;]*;)?3[0-9][0-9;]*m", written)


def test_an_error_inside_gives_the_cursor_back(on_terminal):
    def fail() -> None:
        with listening(as_json=False) as listen:
            listen(Step("dev", "starting app"))
            raise RuntimeError("boom")

    def caught() -> None:
        with pytest.raises(RuntimeError, match=r"^boom$"):
            fail()

    written = on_terminal(caught)
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1
    assert written.index("\x1b[?25l") < written.index("\x1b[?25h")
