"""Whether a value could be guessed: short, well known, an example, equal to its own name, or without variety."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise

SHORTEST = 12
_BITS = 56
"""Below it, whoever has a hash finds the value in days."""
_WORDS = (
    *("admin", "administrator", "root", "user", "guest", "default", "test", "testing", "demo", "sample", "example"),
    *("password", "passwort", "passwd", "passphrase", "pass", "secret", "key", "token", "credential", "login"),
    *("changeme", "change", "replaceme", "replace", "insert", "todo", "fixme", "placeholder", "dummy", "yours", "your"),
    *("changethis", "here", "none", "null", "value", "string", "supersecret", "super", "insecure", "django", "flask"),
    *("minio", "postgres", "postgresql", "redis", "valkey", "rabbitmq", "mysql", "mongo", "elastic", "grafana"),
    *("qdrant", "celery", "letmein", "welcome", "qwerty", "iloveyou", "monkey", "dragon", "foobar", "foo", "bar"),
    *("dev", "develop", "development", "stage", "staging", "prod", "production", "local", "my", "me", "app", "db"),
)
_EXAMPLES = re.compile(
    r"change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this|with)|^your[-_ ]|^<.*>$|^\$\{|example|placeholder|insecure"
    r"|^x{4,}|^\.{3,}|^\*{3,}|^todo\b|^insert[-_ ]|not[-_ ]?(?:so[-_ ]?)?secret",
    re.IGNORECASE,
)
_STEPS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEET = str.maketrans("0134@$5", "oieaass")
_EXTRA = 8
"""Digits and marks that people add to a word."""
_PIECE = re.compile(r"[a-z]+")


def weakness(name: str, value: str, own_words: Iterable[str] = ()) -> str:
    """Say why a secret's value is weak, in words that show nothing of it; nothing when it is not.

    `own_words` are names that everybody knows: of the project, of its environments and services.
    """
    if "\n" in value.strip():
        return ""  # a key or a certificate: its own format says how strong it is
    plain = _letters(value)
    if plain and plain == _letters(name):
        return "equal to its own name"
    if _EXAMPLES.search(value):
        return "an example value"
    if _known(value, {*_WORDS, *(_letters(word) for word in own_words), *_PIECE.findall(name.lower())}):
        return "a well-known value"
    if len(value) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    return "" if _entropy(value) >= _BITS else "easily guessed: too little variety"


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _known(value: str, words: set[str]) -> bool:
    """Tell whether nothing is left of a value but a few digits and marks when well-known words are taken out."""
    spellings = (value.lower(), value.lower().rstrip("0123456789!?.-_").translate(_LEET))
    letters = sum(mark.isalpha() for mark in value)
    return bool(letters) and len(value) - letters <= _EXTRA and any(not _left(one, words) for one in spellings)


def _left(text: str, words: set[str]) -> str:
    left = re.sub(r"[^a-z]", "", text)
    for word in sorted((word for word in words if len(word) > 1), key=len, reverse=True):
        left = left.replace(word, "")
    return left


def _entropy(value: str) -> float:
    """Return the bits that somebody has to guess who knows which characters occur; runs and steps count once."""
    follows = [_follows(before, mark) for before, mark in pairwise(f" {value}")]
    # A single step is chance; two in a row are somebody's finger on the keyboard.
    kept = [mark for mark, two in zip(value, pairwise((False, *follows)), strict=True) if not all(two)]
    variety = len(set(kept))
    pool = sum(
        size
        for size, belongs in (
            (10, str.isdigit),
            (26, str.islower),
            (26, str.isupper),
            (20, lambda one: not one.isalnum()),
        )
        if any(belongs(mark) for mark in kept)
    )
    return len(kept) * math.log2(max(2, min(pool, variety * 3))) if variety > 1 else 0.0


def _follows(before: str, mark: str) -> bool:
    pair = (before + mark).lower()
    return before == mark or any(pair in steps or pair[::-1] in steps for steps in _STEPS)
