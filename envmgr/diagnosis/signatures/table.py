"""All signatures, in the order in which they are looked for: a new one is a line in its own file and none here."""

from __future__ import annotations

from envmgr.diagnosis.signatures import containers, filesystem, network, programs, servers

FACTS = (*containers.FACTS, *network.FACTS)
"""What the engine knows; before any word."""
LATER = containers.LATER
"""What the engine knows; after all words, for a program may have said more."""
WORDS = (
    *containers.WORDS,
    *filesystem.WORDS,
    *servers.WORDS,
    *network.WORDS,
    *servers.OWN,
    *programs.WORDS,
)
"""Of two that fit the same line, the first counts: who refused before who could not be reached, and what went wrong
with a file or a name before the configuration that names it."""
