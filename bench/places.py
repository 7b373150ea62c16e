"""Where the bench finds what it runs, and keeps what it fetches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
ENVMGR = str(Path(sys.executable).parent / "envmgr")
TUTOR_VERSION = "22.0.3"


def tutor() -> tuple[str, dict[str, str]]:
    """Return the tutor command in a virtual environment of its own, made when it is not there, and its variables."""
    venv = CACHE / f"tutor-{TUTOR_VERSION}"
    command = venv / "bin" / "tutor"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [venv / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, f"tutor=={TUTOR_VERSION}"], check=True, stdout=sys.stderr)
    state = CACHE / "tutor-root"
    state.mkdir(parents=True, exist_ok=True)
    variables = {"TUTOR_ROOT": str(state), "TUTOR_PLUGINS_ROOT": str(CACHE / "tutor-plugins"), "PYTHONPATH": ""}
    return str(command), variables


def variables() -> dict[str, str]:
    """Return what envmgr's own runs need: this checkout, plain text."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {"PYTHONPATH": path, "NO_COLOR": "1"}
