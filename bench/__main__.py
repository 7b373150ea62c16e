"""Start-up and rendering, each against a yardstick, in turn: A B A B …"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 15
ROOT = Path(__file__).resolve().parents[1]
ENVMGR = str(Path(sys.executable).parent / "envmgr")
BARE = [sys.executable, "-c", "pass"]
PAIRS = (
    ("envmgr --version", [ENVMGR, "--version"], "bare interpreter", BARE),
    ("envmgr --help", [ENVMGR, "--help"], "bare interpreter", BARE),
    ("envmgr render --check", [ENVMGR, "render", "--check"], "envmgr --version", [ENVMGR, "--version"]),
)


def seconds(command: list[str]) -> float:
    """Run a command and return its wall time."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print a line per pair."""
    print(f"medians of {RUNS} runs each, in turn")
    for name, command, yardstick, other in PAIRS:
        pairs = [(seconds(command), seconds(other)) for _ in range(RUNS + 1)][1:]
        one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name}: {one * 1000:.0f} ms; {yardstick}: {two * 1000:.0f} ms; ratio {ratio:.1f}")


main()
