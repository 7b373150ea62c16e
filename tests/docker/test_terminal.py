"""A person at a terminal on a real engine: the board of `up`, Ctrl-C, `status`, a shell; and a machine with logs."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.docker.conftest import ENVMGR, ROOT, Sandbox, play_spec
from tests.typist import Typist, typing

pytestmark = pytest.mark.docker

REMOVE = "import os; [os.remove(p) for n in ('sh', 'bash', 'dash') for p in ['/usr/bin/' + n] if os.path.lexists(p)]"
"""A program that takes every shell out of an image."""


@contextmanager
def at_terminal(sandbox: Sandbox, *arguments: str, columns: int = 80) -> Iterator[Typist]:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with typing([*ENVMGR, *arguments], sandbox.folder, columns=columns, **variables) as one:
        yield one


def test_the_board_is_interrupted_and_goes_on(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name, mode="slow", extra="start_seconds = 60"))
    sandbox.edit('PLAY = "slow"', 'PLAY = "slow"\nPLAY_SECONDS = "8"')
    with at_terminal(sandbox, "up", "dev", columns=40) as one:
        one.until(r"… dev  web  starting", seconds=120)
        one.resize(60)
        one.type("\x03")
        one.until(r"error: interrupted\n.*\nnext:  envmgr up dev goes on from here", seconds=60)
        assert one.end() == 130
        assert one.raw.count("\x1b[?25l") == one.raw.count("\x1b[?25h"), "the cursor is given back"
        assert "Traceback" not in one.raw
    sandbox.edit('PLAY_SECONDS = "8"', 'PLAY_SECONDS = "0"')
    with at_terminal(sandbox, "up", "dev") as one:
        one.until(r"✓ dev  web  healthy in [\d.]+ s", seconds=120)
        one.until(r"dev up: 1 service healthy, 1 started, [\d.]+ s\n\s+dev\s+web\s+http://localhost:\d+", seconds=60)
        assert one.end() == 0


def test_who_looks_sees_it_side_by_side_and_reaches_it(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name) + "\n[environments.stage]\n")
    sandbox.ok("up", "dev")
    with at_terminal(sandbox, "status") as one:
        one.until(r"\s+dev\s+stage\n\s+1/1 up\s+down\nweb\s+✓ healthy \d+ s\s+http://localhost:\d+\s+-")
        assert one.end() == 0
        assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", one.raw).splitlines())) <= 80
    with at_terminal(sandbox, "status", "dev", columns=120) as one:
        one.until(rf"dev  1/1 up\nSERVICE .*IMAGE\nweb\s+✓ healthy.*{sandbox.name}-play:env-dev")
        assert one.end() == 0
    with at_terminal(sandbox, "shell", "dev", "web") as one:
        one.type("echo $((40 + 2)) $ENVIRONMENT; exit 3\r")
        one.until(r"\n42 dev\s")
        assert one.end() == 3
    opened = sandbox.ok("open", "dev", "web")
    assert re.fullmatch(r"http://localhost:\d+\n", opened.out)


def test_logs_for_machines_have_services_and_times(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    sandbox.ok("up", "dev")
    lines = [json.loads(line) for line in sandbox.ok("logs", "dev", "--json").out.splitlines()]
    assert {(line["target"], line["service"]) for line in lines} == {("dev", "web")}
    assert "playing serve" in [line["text"] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["time"]) for line in lines)


def test_an_image_without_a_shell_is_said_to_have_none(sandbox: Sandbox) -> None:
    shutil.copytree(sandbox.folder / "fixture", sandbox.folder / "bare")
    dockerfile = sandbox.folder / "bare" / "Dockerfile"
    text = dockerfile.read_text()
    assert "USER 10001" in text
    dockerfile.write_text(text.replace("USER 10001", f"RUN {json.dumps(['python3', '-c', REMOVE])}\nUSER 10001"))
    (sandbox.folder / "bare" / "uvicorn").write_text("#!/usr/bin/env -S python -u /usr/local/bin/play.py\n")
    sandbox.write(play_spec(sandbox.name))
    sandbox.edit('context = "fixture"', 'context = "bare"')
    sandbox.ok("up", "dev")
    ended = sandbox.run("shell", "dev", "web")
    assert (ended.code, ended.out) == (2, "")
    assert "error: the image of web of dev has no shell\n" in ended.err
    assert sandbox.ok("exec", "dev", "web", "python3", "-c", "print(6 * 7)").out == "42\n"
