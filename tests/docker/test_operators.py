"""Two operators, Ctrl-C, SIGKILL: nothing is lost, nothing is left half done."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.docker.conftest import Sandbox, eventually, play_spec

pytestmark = pytest.mark.docker


def slow_spec(sandbox: Sandbox, seconds: int = 6) -> None:
    sandbox.write(play_spec(sandbox.name, mode="slow", extra="start_seconds = 60"))
    sandbox.edit('PLAY = "slow"', f'PLAY = "slow"\nPLAY_SECONDS = "{seconds}"')


def wait_for_container(sandbox: Sandbox, command: subprocess.Popen) -> None:
    def is_there() -> bool:
        assert command.poll() is None, command.communicate()
        return bool(sandbox.containers("dev"))

    eventually(is_there, "a container of dev is there", seconds=120)


def test_the_second_operator_is_told_who_works_on_it(sandbox: Sandbox) -> None:
    slow_spec(sandbox)
    first = sandbox.start("up", "dev")
    wait_for_container(sandbox, first)
    second = sandbox.run("up", "dev")
    assert second.code == 8
    assert f"pid {first.pid}" in second.err
    assert "envmgr up dev" in second.err
    assert second.seconds < 3
    _out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    sandbox.ok("up", "dev")


def test_ctrl_c_says_what_is_left_running(sandbox: Sandbox) -> None:
    slow_spec(sandbox, seconds=12)
    command = sandbox.start("up", "dev")
    wait_for_container(sandbox, command)
    eventually(lambda: any(c["State"]["Running"] for c in sandbox.containers("dev").values()), "the container runs")
    began = time.monotonic()
    os.kill(command.pid, signal.SIGINT)
    _out, err = command.communicate(timeout=30)
    assert command.returncode == 130, err
    assert time.monotonic() - began < 10
    assert "error: interrupted" in err
    assert "Running in dev: web" in err
    assert "envmgr up" in err
    assert "Traceback" not in err
    sandbox.ok("up", "dev")


@pytest.mark.parametrize(
    "moment",
    [
        0.3,
        0.8,
        pytest.param(1.2, marks=pytest.mark.full),
        1.6,
        pytest.param(2.0, marks=pytest.mark.full),
        pytest.param(2.5, marks=pytest.mark.full),
        3.0,
    ],
)
def test_sigkill_anywhere_in_up_is_repaired_by_the_next(sandbox: Sandbox, moment: float) -> None:
    slow_spec(sandbox, seconds=1)
    sandbox.ok("up", "dev")
    sandbox.edit("cpus = 0.5", "cpus = 0.6")
    command = sandbox.start("up", "dev")
    time.sleep(moment)  # where it is killed is the point; every moment must do
    os.kill(command.pid, signal.SIGKILL)
    command.wait(10)
    result = sandbox.ok("up", "dev")
    containers = sandbox.containers("dev")
    assert set(containers) == {f"{sandbox.name}-dev-web-1"}, result.err
    assert containers[f"{sandbox.name}-dev-web-1"]["HostConfig"]["NanoCpus"] == 600_000_000
    assert sandbox.ok("up", "dev", "--json").json["changed"] == 0


def test_sigkill_in_the_first_up_is_repaired_by_the_next(sandbox: Sandbox) -> None:
    slow_spec(sandbox, seconds=1)
    sandbox.ok("render")
    command = sandbox.start("up", "dev")
    wait_for_container(sandbox, command)
    os.kill(command.pid, signal.SIGKILL)
    command.wait(10)
    sandbox.ok("up", "dev")
    assert set(sandbox.containers("dev")) == {f"{sandbox.name}-dev-web-1"}


def test_down_twice_and_for_a_stack_that_never_was(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    sandbox.ok("render")
    sandbox.ok("down", "dev")
    sandbox.ok("up", "dev")
    sandbox.ok("down", "dev")
    assert sandbox.ok("down", "dev", "--json").json["removed"] == []
    assert sandbox.containers() == {}


def test_a_mistyped_target_or_service_is_answered_with_the_nearest(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    for arguments, near in ((("up", "dve"), "dev"), (("restart", "dev", "wbe"), "web"), (("logs", "dev", "we"), "web")):
        result = sandbox.run(*arguments)
        assert result.code == 2, result.err
        assert f'did you mean "{near}"?' in result.err


def test_a_dead_engine_is_one_sentence(sandbox: Sandbox) -> None:
    sandbox.write(play_spec(sandbox.name))
    sandbox.env["DOCKER_HOST"] = f"unix://{sandbox.folder}/nobody.sock"
    for command in (("up", "dev"), ("status",), ("health",), ("down", "dev")):
        result = sandbox.run(*command)
        assert result.code == 4, (command, result.err)
        assert result.err.count("error:") == 1
        assert "Traceback" not in result.err
        assert "next:" in result.err
