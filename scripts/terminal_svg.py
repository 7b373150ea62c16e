"""Turn what a terminal shows into an SVG picture.

Usage: tmux capture-pane -e -p | python scripts/terminal_svg.py TITLE > docs/terminal.svg
"""

import io
import re
import sys

from rich.console import Console
from rich.text import Text


def main() -> None:
    """Read stdin, write the picture."""
    lines = sys.stdin.read().rstrip().splitlines()
    texts = [Text.from_ansi(line) for line in lines]
    console = Console(record=True, width=max(text.cell_len for text in texts), file=io.StringIO(), force_terminal=True)
    for text in texts:
        console.print(text, soft_wrap=True)
    svg = console.export_svg(title=sys.argv[1])
    # No font is fetched from anywhere: the reader's own monospace one will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    sys.stdout.write(svg.replace("Fira Code", "monospace"))


main()
