"""All attempts of a trial as one shell script, and its output read back: one program started instead of fifty."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envmgr.model.observed import ExecResult
from envmgr.model.proof import Attempt, Trial

_FILES = "/run/secrets"


def script(trial: Trial, mark: str) -> str:
    """Return the text; `mark` is a word that no answer holds, and tells the attempts apart."""
    given = "".join(
        f'if [ -r "{_FILES}/{file}" ]; then {name}=$(cat "{_FILES}/{file}"); export {name}; fi\n'
        for name, file in trial.files.items()
    )
    parts = (_part(mark, number, text) for number, text in enumerate(texts(trial)))
    return f"{given}{trial.prelude}{''.join(parts)}"


def texts(trial: Trial) -> tuple[str, ...]:
    """Return what has to be run: each control once, then each attempt."""
    attempts = trial.attempts
    return tuple(dict.fromkeys((*(one.control for one in attempts), *(one.script for one in attempts))))


def _part(mark: str, number: int, text: str) -> str:
    # A shell of its own: whatever it exits with or opens ends there.
    begin, end = f"printf '\\n%s\\n' '{mark} {number}'", f"printf '\\n%s %s\\n' '{mark} {number}:' \"$?\""
    return f"{begin}\n(\n{text}\n) </dev/null 2>&1\n{end}\n"


def answers(trial: Trial, mark: str, output: str) -> Mapping[str, ExecResult]:
    """Return what came of each text; one that did not come to its end is not among them."""
    pattern = re.compile(rf"^{mark} (\d+)\n(.*?)\n?^{mark} \1: (\d+)$", re.MULTILINE | re.DOTALL)
    known = texts(trial)
    return {known[int(n)]: ExecResult(int(code), said.strip("\n")) for n, said, code in pattern.findall(output)}


def attempts_of(trial: Trial, other: str) -> tuple[Attempt, ...]:
    """Return the attempts that aim at one environment; empty is the server itself."""
    return tuple(one for one in trial.attempts if one.other == other)
