"""A whole proof on the fake engine."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from envmgr.errors import EngineError, UsageError
from envmgr.model.observed import Container, ExecResult
from envmgr.model.proof import Finding, Outcome, Proof
from envmgr.operations import prove as prove_module
from envmgr.operations.prove import prove
from envmgr.proving.reach import Machine
from tests.house import House

MARK = re.compile(r"printf '\\n%s\\n' '(\S+) (\d+)'\n\(\n(.*?)\n\) </dev/null", re.DOTALL)


@pytest.fixture
def running(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(prove_module, "machine", lambda _is_local: Machine(is_known=True))
    house.up("dev", "prod")
    house.forget()
    return house


def refusing(container: Container, argv: tuple[str, ...], _variables: Mapping[str, str]) -> ExecResult:
    """Let everything fail in PostgreSQL's words, but for what is one's own."""
    if argv[0] == "cat":
        return ExecResult(0, "")
    if "SCAN" in argv[-1]:
        return ExecResult(0, "end\n")
    said = []
    for mark, number, text in MARK.findall(argv[-1]):
        is_own = f"in_ {container.labels['envmgr.env']}_play" in text and "SELECT 1;" in text
        words = "" if is_own else "permission denied for database"
        said.append(f"\n{mark} {number}\n{words}\n{mark} {number}: {int(not is_own)}\n")
    return ExecResult(0, "".join(said))


def rows(proof: Proof, environment: str, area: str) -> dict[tuple[str, str], Finding]:
    return {(o.other, o.what): o for o in proof.findings if (o.environment, o.area) == (environment, area)}


def test_every_environment_that_runs_is_tried_from(running: House):
    running.engine.exec_handler = refusing
    proof = prove(running.session(), ())
    assert proof.environments == ("dev", "prod")
    assert rows(proof, "dev", "postgres")["prod", "connect"].outcome is Outcome.REFUSED
    assert rows(proof, "dev", "postgres")["stage", "connect"].outcome is Outcome.REFUSED
    assert proof.crossings == ()
    beside = {call[1:] for call in running.calls("companion")}
    app, server = running.container("play-dev-app-1"), running.container("play-infra-postgres-1")
    assert (app.id, server.image_id, "10001:10001") in beside


def test_an_attempt_that_comes_through_is_a_crossing(running: House):
    def open_to_dev(container: Container, argv: tuple[str, ...], variables: Mapping[str, str]) -> ExecResult:
        answer = refusing(container, argv, variables)
        if container.name != "play-dev-app-1":
            return answer
        return ExecResult(0, re.sub(r"permission denied for database\n(\S+ \d+): 1", r"\n\1: 0", answer.output))

    running.engine.exec_handler = open_to_dev
    proof = prove(running.session(), ("dev",))
    assert {one.environment for one in proof.crossings} == {"dev"}
    assert ("prod", "connect") in {(one.other, one.what) for one in proof.crossings}


def test_a_server_that_is_down_or_an_image_that_is_gone_proves_nothing(running: House):
    running.engine.exec_handler = refusing
    running.engine.halt(running.engine.get("play-infra-redis-1"))
    found = rows(prove(running.session(), ("dev",)), "dev", "redis")
    assert {one.outcome for key, one in found.items()} == {Outcome.NOT_TRIED}
    assert found["prod", "read keys"].detail == "redis of infra does not run"

    def gone(*_: object) -> ExecResult:
        raise EngineError("the engine went away")

    running.engine.exec_handler = gone
    found = rows(prove(running.session(), ("dev",)), "dev", "postgres")
    assert found["prod", "connect"].detail == "the engine went away"
    network = rows(prove(running.session(), ("dev",)), "dev", "network")
    assert network["prod", "resolve names"].outcome is Outcome.NOT_TRIED


def test_there_is_nothing_to_cross_from_in_the_base_or_in_what_is_down(running: House):
    with pytest.raises(UsageError, match="infra is what environments share"):
        prove(running.session(), ("infra",))
    with pytest.raises(UsageError, match="nothing of stage runs") as caught:
        prove(running.session(), ("dev", "stage"))
    assert caught.value.help == "envmgr up stage"


def test_with_nothing_running_there_is_no_proof(house: House):
    with pytest.raises(UsageError, match="nothing of dev, stage, prod runs"):
        prove(house.session(), ())
