"""Where the `envmgr` command starts; must import nothing that `--version` does not need."""

from __future__ import annotations

import sys

from envmgr import __version__


def main() -> None:
    """Answer `--version` at once, hand everything else to the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"envmgr, version {__version__}\n")
        return
    from envmgr.cli.main import main as run

    run()
