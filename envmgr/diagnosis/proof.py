"""The lines that show what was found: what the engine, the healthcheck, the probe and the program said."""

from __future__ import annotations

from envmgr.diagnosis.evidence import Evidence, Witness
from envmgr.diagnosis.explain import engine_words
from envmgr.diagnosis.log import clean, meaningful
from envmgr.diagnosis.masking import mask
from envmgr.diagnosis.scene import Scene
from envmgr.diagnosis.signature import Finding
from envmgr.model.observed import Container, State

MOST = 12
"""Lines of evidence for one fault."""
_OF_HEALTHCHECK = 3
_LONGEST = 400
"""Characters of a line."""


def proof(evidence: Evidence, finding: Finding, scene: Scene | None) -> tuple[str, ...]:
    """Return the lines that show a finding, the most telling source first, without any secret."""
    lines = [f"{finding.source}: {finding.line}"] if scene is None and finding.line else []
    if scene is not None:
        lines = [*_of_engine(scene), *_of_healthcheck(scene.witness), *_of_probe(scene.witness)]
        lines += _of_log(scene.witness, finding, MOST - len(lines))
    return tuple(mask(line, evidence.secrets)[:_LONGEST] for line in lines[:MOST])


def _of_engine(scene: Scene) -> list[str]:
    said = [f"engine: {line}" for line in engine_words(scene)[-2:]]
    container = scene.witness.container
    return [*said, f"engine: {_state(container)}"] if container is not None else said


def _state(container: Container) -> str:
    """Say what the engine knows of a container, without the moment: evidence is read, and compared, later too."""
    parts = [container.state.value]
    if container.state in (State.EXITED, State.RESTARTING, State.DEAD):
        parts.append(f"exit code {container.exit_code}")
    if container.is_oom_killed:
        parts.append("out of memory")
    if container.restart_count:
        parts.append(f"restarted {container.restart_count} times")
    return ", ".join(parts)


def _of_healthcheck(witness: Witness) -> list[str]:
    failed = [run for run in witness.checks if run.exit_code != 0 and run.output.strip()]
    if not failed or not witness.runs:
        return []
    return [f"healthcheck: {line.strip()}" for line in meaningful(clean(failed[-1].output))[-_OF_HEALTHCHECK:]]


def _of_probe(witness: Witness) -> list[str]:
    return [f"probe: {line}" for line in clean(witness.probe)[-1:]]


def _of_log(witness: Witness, finding: Finding, most: int) -> list[str]:
    if witness.log_error:
        return [f"log: it cannot be read: {witness.log_error}"]
    told = meaningful(witness.log)
    last = told[-most:]
    if finding.source == "log" and finding.line and not any(finding.line in line for line in last):
        last = (finding.line, *told[-(most - 1) :])
    if not last and witness.container is not None:
        return ["log: it wrote nothing"]
    return [f"log: {line}" for line in last]
