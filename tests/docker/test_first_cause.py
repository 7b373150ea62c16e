"""How often the first cause is named, of failures seeded into a real system; most of them two at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker.conftest import Sandbox, docker, free_port, make_sandbox
from tests.docker.first_causes import CASES, Broken, Case, spec_of

pytestmark = pytest.mark.docker
AT_ONCE = 4
WANTED = 19 / 20
PUBLISHED = ("inner", "port")
"""Cases that need a port of the host."""


@dataclass(frozen=True)
class Outcome:
    """What was diagnosed of one case."""

    case: Case
    diagnosis: dict[str, Any]
    seconds: float

    @property
    def first(self) -> tuple[str, str, str]:
        """Target, service and signature that were named first."""
        cause = self.diagnosis.get("cause") or {}
        return cause.get("target", ""), cause.get("service", ""), cause.get("signature", "nothing")

    @property
    def wanted(self) -> tuple[str, str, str]:
        """What should have been."""
        target, service, signature = self.case.first
        return target or self.case.name, service, signature

    @property
    def others(self) -> set[tuple[str, str]]:
        """Services and signatures that were named besides."""
        return {(fault["service"], fault["signature"]) for fault in self.diagnosis.get("others", ())}

    @property
    def followers(self) -> set[str]:
        """Services that were called consequences."""
        return {one["service"] for one in self.diagnosis.get("consequences", ())}

    @property
    def misses(self) -> list[str]:
        """What was expected and not named."""
        found = [] if self.first == self.wanted else [f"first cause {self.first}"]
        if self.case.also is not None and self.case.also not in self.others:
            found.append(f"not named besides: {self.case.also}, only {sorted(self.others)}")
        missing = set(self.case.follows) - self.followers
        return [*found, *([f"no consequence: {sorted(missing)}"] if missing else [])]

    def __str__(self) -> str:
        verdict = "MISS" if self.first != self.wanted else "part" if self.misses else "good"
        words = f"{verdict}  {self.case.name:10} {' '.join(self.wanted):40} {self.seconds:5.1f} s"
        cause = self.diagnosis.get("cause") or {}
        others = "".join(f"\n      also: {one['sentence']}" for one in self.diagnosis.get("others", ()))
        return f"{words}  {'; '.join(self.misses)}\n      {cause.get('sentence', '')}{others}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The project with every case, its base up."""
    one = make_sandbox(tmp_path_factory.mktemp("causes") / "project")
    ports: dict[str, int] = {}
    for name in PUBLISHED:
        ports[name] = next(port for port in iter(free_port, 0) if port not in ports.values())
    (one.folder / "envmgr.toml").write_text(spec_of(one.name, ports))
    try:
        one.ok("up", "infra", timeout=600)
        yield one
    finally:
        docker("rm", "-f", f"{one.name}-holder", check=False)
        one.remove()


def come_up(sandbox: Sandbox, case: Case) -> Outcome | None:
    """Bring a case up; what cannot come up is diagnosed by that, and taken away."""
    result = sandbox.run("up", case.name, "--json", timeout=240)
    if case.breaks is not None and result.code == 0:
        return None
    clear(sandbox, case)
    error = result.events[-1].get("error", {}) if result.out else {}
    told = error.get("diagnosis", {"cause": {"sentence": error.get("message", result.err)}})
    return Outcome(case, told if case.breaks is None else {"cause": {"sentence": f"not up: {told}"}}, result.seconds)


def clear(sandbox: Sandbox, case: Case) -> None:
    """Remove the containers of a case: a crash loop takes time from the others."""
    ids = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={sandbox.name}-{case.name}").split()
    if ids:
        docker("rm", "-f", "-v", *ids)


def break_and_ask(sandbox: Sandbox, case: Case) -> Outcome:
    """Break a case that is up, ask why, and take it away."""
    one = Broken(sandbox, case.name)
    assert case.breaks is not None
    try:
        case.breaks(one)
        result = sandbox.run("why", case.name, "--json")
        told = result.json if result.code == 5 else {"cause": {"sentence": f"exit {result.code}: {result.err}"}}
        return Outcome(case, told, result.seconds)
    except AssertionError as error:
        return Outcome(case, {"cause": {"sentence": f"could not be broken: {error}"}}, 0)
    finally:
        if case.mends is not None:
            case.mends(one)
        clear(sandbox, case)


def run(sandbox: Sandbox, case: Case) -> Outcome | None:
    """Play a case to its end, unless it breaks the base: that is done later, when nobody else stands on it."""
    outcome = come_up(sandbox, case)
    if outcome is not None or case.mends is not None:
        return outcome
    return break_and_ask(sandbox, case)


def test_the_first_cause_is_named(project: Sandbox) -> None:
    assert len(CASES) >= 20
    assert sum(case.also is not None for case in CASES) * 2 >= len(CASES)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        early = list(pool.map(lambda case: run(project, case), CASES))
    late = [break_and_ask(project, case) for case, one in zip(CASES, early, strict=True) if one is None]
    outcomes = [*(one for one in early if one is not None), *late]
    hits = sum(one.first == one.wanted for one in outcomes)
    print(f"\nfirst causes named: {hits} of {len(CASES)}")
    for one in outcomes:
        print(one)
    misses = "\n".join(str(one) for one in outcomes if one.misses)
    assert hits >= WANTED * len(CASES), f"{hits} of {len(CASES)}:\n{misses}"
    assert len(outcomes) == len(CASES)
