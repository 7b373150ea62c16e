"""Turn a text into a vector; a toy that stands in for a model, so that search can be shown without one.

Character trigrams of the words are hashed into SIZE dimensions. Texts that share spelling are near each other; meaning
plays no part. The same text gives the same vector on every machine and in every release.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

SIZE = 64  # the collection is provisioned with this size and with cosine distance
DISTANCE = "Cosine"


def embed(text: str) -> list[float]:
    """Return SIZE numbers whose squares add up to 1."""
    vector = [0.0] * SIZE
    for gram in _grams(text):
        digest = zlib.crc32(gram.encode("utf-8", "surrogatepass"))  # Python's own hash differs between processes
        # The sign keeps unrelated grams of one dimension from adding up.
        vector[digest % SIZE] += 1.0 if digest & 0x8000_0000 else -1.0
    length = math.hypot(*vector)
    if length == 0:  # no words, or all cancelled out; cosine has no answer for a vector without a direction
        return [1.0] + [0.0] * (SIZE - 1)
    return [value / length for value in vector]


def _grams(text: str) -> Iterator[str]:
    for word in text.casefold().split():
        padded = f" {word} "
        yield from (padded[start : start + 3] for start in range(len(padded) - 2))
