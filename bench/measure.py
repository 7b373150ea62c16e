"""Run commands in turn and compare them: wall time, processor time and peak memory of each, with all its children."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEPT = 64 * 1024
"""Bytes of output. A child's peak memory is never told below its parent's: what measures has to stay small."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, or several one after the other."""

    seconds: float
    cpu: float
    megabytes: float
    """Of the largest process."""
    output: str = ""

    def __add__(self, other: Sample) -> Sample:
        memory = max(self.megabytes, other.megabytes)
        return Sample(self.seconds + other.seconds, self.cpu + other.cpu, memory, self.output + other.output)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    against: str
    ours: float
    """Median, seconds."""
    theirs: float
    ratio: float
    """Median of the ratios of neighbouring runs: what slows the machine down slows both."""
    aim: float | None
    """None: told, not aimed at."""
    cpu: tuple[float, float] = (0.0, 0.0)
    megabytes: tuple[float, float] = (0.0, 0.0)
    runs: int = 0

    @property
    def verdict(self) -> str:
        """Say whether the aim is met."""
        if self.aim is None:
            return ""
        return "ok" if self.ratio <= self.aim else "missed"


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Sample:
    """Run a command that must succeed."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env={**_shell(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(max(output.tell() - _KEPT, 0))
        said = output.read().decode(errors="replace")
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with {child.returncode}:\n{said}")
    return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said)


def _shell() -> dict[str, str]:
    """Return the shell's variables, but let Python keep what it has compiled: an installed program has that at hand."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


Side = Callable[[], Sample]


def nothing() -> None:
    """Prepare nothing."""


def compare(
    names: tuple[str, str],
    sides: tuple[Side, Side],
    *,
    aim: float | None,
    runs: int,
    before: tuple[Callable[[], object], Callable[[], object]] = (nothing, nothing),
    warm_up: bool = True,
) -> Row:
    """Run both sides in turn, A B A B …; what prepares a run is not measured."""
    pairs: list[tuple[Sample, Sample]] = []
    for _ in range(runs + warm_up):
        one: list[Sample] = []
        for prepare, side in zip(before, sides, strict=True):
            prepare()
            one.append(side())
        pairs.append((one[0], one[1]))
    return row(names, pairs[warm_up:], aim)


def row(names: tuple[str, str], pairs: Sequence[tuple[Sample, Sample]], aim: float | None) -> Row:
    """Put a line together from pairs of runs."""
    left, right = zip(*pairs, strict=True)
    return Row(
        *names,
        ours=statistics.median(one.seconds for one in left),
        theirs=statistics.median(one.seconds for one in right),
        ratio=statistics.median(a.seconds / b.seconds for a, b in pairs),
        aim=aim,
        cpu=(statistics.median(one.cpu for one in left), statistics.median(one.cpu for one in right)),
        megabytes=(max(one.megabytes for one in left), max(one.megabytes for one in right)),
        runs=len(pairs),
    )
