"""All signatures, in the order in which they are looked for: a new one is a line in its own file and none here."""

from __future__ import annotations

from envmgr.diagnosis.signatures import containers, filesystem, network, programs, servers

FACTS = (*containers.FACTS, *network.FACTS)
"""What the engine knows; before any word."""
LATER = containers.LATER
"""What the engine knows; after all words, for a program may have said more."""
WORDS = (*containers.WORDS, *filesystem.WORDS, *servers.WORDS, *network.WORDS, *programs.WORDS)
"""Of two that fit the same line, the first counts."""
