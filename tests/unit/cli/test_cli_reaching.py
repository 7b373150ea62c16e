"""`open`, `shell` and `logs --json`."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping

import pytest

from envmgr.errors import EngineError
from envmgr.model.observed import Container, ExecResult
from tests.house import WEB
from tests.unit.cli.test_cli_commands import Terminal, terminal

__all__ = ["terminal"]

SERVERS = """\
[infra.redis]
port = 6379

[infra.prometheus]

[infra.grafana]
port = 3000
uses = ["prometheus"]

[services.web]"""
USING = 'app = "play:app"\nuses = ["redis"]'
SPEC = WEB.replace("[services.web]", SERVERS).replace('app = "play:app"', USING)
SPEC += "ports = { web = 8000 }\n[environments.stage]\n"


@pytest.fixture
def opened(terminal: Terminal) -> list[str]:
    """What the browser was asked to show."""
    terminal.house.write(SPEC)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
        terminal.patch.delenv(name, raising=False)
    shown: list[str] = []
    terminal.patch.setattr(webbrowser, "open", lambda url: shown.append(url) or True)
    return shown


def sit_down(terminal: Terminal, **variables: str) -> None:
    """Sit at a terminal."""
    for name, value in variables.items():
        terminal.patch.setenv(name, value)
    terminal.patch.setattr("envmgr.cli.reaching._has_browser", lambda: bool(variables))


def test_in_a_pipe_the_address_alone_is_printed(terminal: Terminal, opened: list[str]):
    terminal.patch.setenv("DISPLAY", ":0")
    ended = terminal.run("open", "dev", "web")
    assert (ended.code, ended.out, ended.err, opened) == (0, "http://localhost:8000\n", "", [])


def test_a_server_of_the_base_is_found_from_any_environment(terminal: Terminal, opened: list[str]):
    for target in ("infra", "dev", "stage"):
        ended = terminal.run("open", target, "grafana")
        assert (ended.code, ended.out) == (0, "http://localhost:3000\n")
        assert ended.err == "login: admin, GRAFANA_ADMIN_PASSWORD\n"


def test_at_a_desktop_the_page_opens(terminal: Terminal, opened: list[str]):
    sit_down(terminal, DISPLAY=":0")
    assert "opening it in the browser" in terminal.run("open", "dev", "web").err
    assert opened == ["http://localhost:8000"]
    for arguments in (("open", "dev"), ("open", "dev", "web", "--print"), ("open", "dev", "web", "--json")):
        assert terminal.run(*arguments).code == 0
    assert terminal.run("open", "dev", "redis").out == "localhost:6379\n", "no page: printed, and not opened"
    assert opened == ["http://localhost:8000"]


def test_all_that_a_target_reaches_is_listed(terminal: Terminal, opened: list[str]):
    assert [line.split()[:3] for line in terminal.run("open", "dev").out.splitlines()[1:]] == [
        ["dev", "web", "http://localhost:8000"],
        ["infra", "redis", "localhost:6379"],
        ["infra", "grafana", "http://localhost:3000"],
    ]


def test_a_console_is_the_page_of_a_server_that_speaks_another_protocol(terminal: Terminal, opened: list[str]):
    console = '[infra.minio]\nbuckets = ["files"]\nport = 9000\nports = { console = 9001 }\n'
    terminal.house.write(SPEC.replace("[infra.redis]", f"{console}\n[infra.redis]").replace('["redis"]', '["minio"]'))
    sit_down(terminal, DISPLAY=":0")
    assert terminal.run("open", "dev", "minio").out == "localhost:9000\nhttp://localhost:9001\n"
    assert opened == ["http://localhost:9001"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dve",), 'did you mean "dev"?'),
        (("dev", "grafan"), 'dev has no service grafan (did you mean "grafana"?)\nnext:  envmgr open dev'),
        (("stage", "web"), "web of stage has no address on this host"),
        (("infra", "web"), "infra has no service web"),
    ],
)
def test_what_has_no_address_is_an_error(terminal: Terminal, opened: list[str], arguments: tuple[str, ...], says: str):
    ended = terminal.run("open", *arguments)
    assert (ended.code, ended.out, opened) == (2, "", [])
    assert says in ended.err


def test_a_browser_is_there_for_who_has_a_screen(terminal: Terminal, opened: list[str]):
    from envmgr.cli.reaching import _has_browser

    terminal.patch.setattr(sys, "platform", "linux")
    terminal.patch.setattr(sys.stdout, "isatty", lambda: True)
    assert not _has_browser()
    terminal.patch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert _has_browser()
    terminal.patch.setattr(sys.stdout, "isatty", lambda: False)
    assert not _has_browser()


# ---- shell


def answering(terminal: Terminal, answer: ExecResult | EngineError) -> None:
    def exec_handler(container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        if isinstance(answer, EngineError):
            raise answer
        return answer

    terminal.run("up", "dev")
    terminal.house.engine.exec_handler = exec_handler


def test_the_best_shell_of_the_image_is_opened(terminal: Terminal):
    answering(terminal, ExecResult(0, "/usr/bin/bash\n"))
    terminal.house.engine.terminal_exit_code = 3
    assert terminal.run("shell", "dev", "app").code == 3
    ((_, args),) = terminal.house.calls("passthrough")
    assert args == ("exec", "-i", terminal.house.container("play-dev-app-1").id, "/usr/bin/bash")


@pytest.mark.parametrize(
    "answer", [ExecResult(127, "exec: sh: not found"), ExecResult(0, ""), EngineError("'sh' cannot run")]
)
def test_an_image_without_a_shell_is_said_to_have_none(terminal: Terminal, answer: ExecResult | EngineError):
    answering(terminal, answer)
    ended = terminal.run("shell", "dev", "app")
    assert (ended.code, ended.out) == (2, "")
    assert "error: the image of app of dev has no shell\n" in ended.err
    assert "next:  envmgr exec dev app PROGRAM" in ended.err
    assert terminal.house.calls("passthrough") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dev", "app"), "app of dev does not run\nnext:  envmgr up dev app"),
        (("dev", "ap"), 'did you mean "app"?'),
        (("dve", "app"), 'did you mean "dev"?'),
    ],
)
def test_a_shell_needs_a_container_that_runs(terminal: Terminal, arguments: tuple[str, ...], says: str):
    ended = terminal.run("shell", *arguments)
    assert ended.code == 2
    assert says in ended.err


# ---- logs


def test_each_line_of_a_log_is_an_object(terminal: Terminal):
    terminal.house.engine.terminal_lines = (
        "app-1     | 2026-11-24T10:59:11.345565721Z | started | [1m",
        "worker-12  | 2026-11-24T10:59:12Z ",
        "my-job-1  | 2026-11-24T10:59:13.1Z",
        "no such container",
    )
    lines = terminal.run("logs", "dev", "--json").lines
    assert [line.pop("event") for line in lines] == ["log"] * 4
    assert [(line["target"], line["service"], line["time"], line["text"]) for line in lines] == [
        ("dev", "app", "2026-11-24T10:59:11.345565721Z", "| started | [1m"),
        ("dev", "worker", "2026-11-24T10:59:12Z", ""),
        ("dev", "my-job", "2026-11-24T10:59:13.1Z", ""),
        ("dev", "", None, "no such container"),
    ]
    ((_, args),) = terminal.house.calls("follow")
    assert args == ("compose", "-p", "play-dev", "logs", "--timestamps", "--no-color", "--tail", "100")


def test_logs_as_json_end_with_composes_code(terminal: Terminal):
    terminal.house.engine.terminal_exit_code = 1
    assert terminal.run("logs", "dev", "--json").code == 1


def test_logs_have_colours_where_the_terminal_shows_them(terminal: Terminal):
    terminal.patch.setenv("FORCE_COLOR", "1")
    terminal.patch.delenv("NO_COLOR", raising=False)
    terminal.run("logs", "dev", "app", "-n", "5", "-F")
    ((_, args),) = terminal.house.calls("passthrough")
    assert args == ("compose", "-p", "play-dev", "--ansi", "always", "logs", "--tail", "5", "--follow", "app")
    terminal.patch.setenv("NO_COLOR", "1")
    terminal.run("logs", "dev")
    ((_, args),) = terminal.house.calls("passthrough")
    assert args[3:5] == ("--ansi", "never")


@pytest.mark.parametrize("words", [("ls", "-h"), ("--", "ls", "-h")])
def test_what_follows_the_service_is_the_programs_with_or_without_dashes(terminal: Terminal, words: tuple[str, ...]):
    assert terminal.run("up", "dev").code == 0
    assert terminal.run("exec", "dev", "app", *words).code == 0
    (_, args) = terminal.house.engine.calls[-1]
    assert args == ("exec", "-i", terminal.house.container("play-dev-app-1").id, "ls", "-h")
