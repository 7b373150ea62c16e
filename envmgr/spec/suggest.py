"""Suggestions for a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def near(word: str, known: Iterable[str]) -> str:
    """Return the known word most like `word`, or nothing."""
    import difflib  # takes longer than a command has that needs no suggestion

    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "…"?`, or nothing."""
    found = near(word, known)
    return f'did you mean "{found}"?' if found else ""


def listing(names: Iterable[str]) -> str:
    """Join names for a sentence."""
    return ", ".join(sorted(names)) or "none"
