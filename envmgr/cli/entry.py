"""Where the `envmgr` command starts; must import nothing that `--version` does not need."""

from __future__ import annotations

import sys

from envmgr import __version__

_COLLECT_AFTER = 20_000
"""Objects. What start-up makes lives to the end: looking for garbage among it every 700 costs a tenth of the time."""


def main() -> None:
    """Answer `--version` at once, hand everything else to the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"envmgr, version {__version__}\n")
        return
    _start_lean()
    from envmgr.cli.main import main as run

    run()


def _start_lean() -> None:
    import gc
    from types import ModuleType

    gc.set_threshold(_COLLECT_AFTER, 50, 50)
    # httpx brings a command line of its own, which loads rich and pygments; it goes without when it finds none there.
    sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
