"""Find the signature that explains one service: the engine's words first, then facts, then the program's own words."""

from __future__ import annotations

from collections.abc import Iterable

from envmgr.diagnosis.log import clean, final_part, is_telling, last_error, meaningful
from envmgr.diagnosis.scene import Scene
from envmgr.diagnosis.signature import Explanation, Fact, Finding
from envmgr.diagnosis.signatures.table import FACTS, LATER, WORDS
from envmgr.model.health import Verdict
from envmgr.model.observed import State

_BLAMING = (
    "connect", "refused", "unreachable", "timed out", "timeout", "resolve", "name or service", "broken pipe",
    "reset by", "operationalerror", "broker", "no such host", "unavailable", "not ready",
)  # fmt: skip
"""What a program says that fails because of another one."""


def explain(scene: Scene) -> Finding:
    """Return what is wrong with a service; when nothing is recognised, what it said last."""
    # What the engine says of a start concerns the last one; what it knows may be about an end before.
    found = _by_engine(scene) or _by_facts(scene, FACTS) or _by_healthcheck(scene) or _by_log(scene) or _by_probe(scene)
    if found is not None and not _is_premature(scene, found):
        return found
    return _by_facts(scene, LATER) or _unrecognised(scene)


def _is_premature(scene: Scene, found: Finding) -> bool:
    """Tell whether a program that is still starting may yet get over what it complains of."""
    witness = scene.witness
    is_fresh = witness.runs and witness.container is not None and witness.container.restart_count == 0
    if witness.health.verdict is not Verdict.STARTING or not is_fresh:
        return False
    blamed = found.explanation.points_at
    return blamed is None or scene.evidence.witness(blamed) is None


def _by_facts(scene: Scene, facts: Iterable[Fact]) -> Finding | None:
    for fact in facts:
        explanation = fact.explain(scene)
        if explanation is not None:
            return Finding(fact.name, explanation)
    return None


def _by_engine(scene: Scene) -> Finding | None:
    return _by_words(scene, engine_words(scene), "engine")


def engine_words(scene: Scene) -> tuple[str, ...]:
    """Return what the engine said when it could not start a service: on its container, or of the whole stack."""
    container = scene.witness.container
    if container is not None and (container.error or container.state is not State.CREATED):
        return clean(container.error)
    refusal = scene.evidence.refusal
    named = tuple(line for line in refusal if container is not None and container.name in line)
    is_anothers = any(one.container is not None and one.container.error for one in scene.evidence.witnesses)
    return named or (() if is_anothers else refusal)


def _by_healthcheck(scene: Scene) -> Finding | None:
    """Look at a failing healthcheck: what it cannot connect to is the very program that it checks."""
    if not scene.witness.runs:
        return None
    failed = [run for run in scene.witness.checks if run.exit_code != 0]
    lines = clean(failed[-1].output) if failed else ()
    found = _by_words(scene, meaningful(final_part(lines)), "healthcheck")
    if found is None or (found.signature == "connection-refused" and found.explanation.points_at is None):
        return None
    return found


def _by_log(scene: Scene) -> Finding | None:
    return _by_words(scene, meaningful(final_part(scene.witness.log)), "log")


def _by_probe(scene: Scene) -> Finding | None:
    found = _by_words(scene, clean(scene.witness.probe), "probe")
    return None if found is None or found.signature == "connection-refused" else found


def _by_words(scene: Scene, lines: tuple[str, ...], source: str) -> Finding | None:
    """Return what the last line that any signature recognises says: what came before, the program survived."""
    for number in range(len(lines) - 1, -1, -1):
        for words in WORDS:
            explanation = words.explain(scene, lines[number], lines[number + 1 :])
            if explanation is not None:
                return Finding(words.name, explanation, source, lines[number])
    return None


# ---- when nothing is recognised


def _unrecognised(scene: Scene) -> Finding:
    verdict = scene.witness.health.verdict
    if verdict is Verdict.MISSING:
        absent = Explanation(f"{scene.name} has not been created", scene.up, is_own=False)
        return Finding("missing", absent, is_recognised=False)
    if verdict is Verdict.STARTING:
        reason = scene.witness.health.reason
        waits = Explanation(f"{scene.name} is still starting: {reason}", f"envmgr why {scene.target}", is_own=False)
        return Finding("starting", waits, is_recognised=False)
    if scene.service.is_job:
        return _ended(scene, "job-failed")
    if verdict in (Verdict.CRASHING, Verdict.FAILED):
        return _ended(scene, "crash")
    return _unhealthy(scene)


def _ended(scene: Scene, signature: str) -> Finding:
    line = last_error(scene.witness.log)
    said = f": {line}" if line else ""
    health = scene.witness.health
    is_own = is_telling(line) and not _is_blaming(line)
    return Finding(
        signature,
        Explanation(f"{scene.name}: {health.verdict}: {health.reason}{said}", scene.logs, is_own=is_own),
        "log" if line else "",
        line,
        is_recognised=False,
    )


def _unhealthy(scene: Scene) -> Finding:
    health = scene.witness.health
    failed = [run for run in scene.witness.checks if run.exit_code != 0]
    line = last_error(clean(failed[-1].output)) if failed else ""
    said = f": {line}" if line and line not in health.reason else ""
    return Finding(
        "unhealthy",
        Explanation(f"{scene.name}: {health.verdict}: {health.reason}{said}", scene.logs, is_own=False),
        "healthcheck" if line else "",
        line,
        is_recognised=False,
    )


def _is_blaming(line: str) -> bool:
    return any(word in line.lower() for word in _BLAMING)
