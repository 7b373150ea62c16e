"""Decode the engine's multiplexed output streams; pure, it must not read from anywhere.

A frame is one byte of stream (1 stdout, 2 stderr), three zero bytes, a big-endian length of four bytes, then the
payload: docs.docker.com/reference/api/engine, "Attach to a container".
"""

from __future__ import annotations

import codecs
import struct
from dataclasses import dataclass, field

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
"""What the engine calls it since API 1.42; a container with a terminal sends its output as it is."""
HEADER = struct.Struct(">BxxxL")


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


@dataclass(slots=True)
class Demultiplexer:
    """Turns frames, cut anywhere, into text; a character cut in two by frames of its own stream comes out whole."""

    _pending: bytes = b""
    _decoders: dict[int, codecs.IncrementalDecoder] = field(default_factory=dict)

    def feed(self, data: bytes) -> str:
        """Return the text that these bytes complete."""
        self._pending += data
        texts: list[str] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            decoder = self._decoders.setdefault(self._pending[start], _decoder())
            texts.append(decoder.decode(self._pending[start + HEADER.size : end]))
            start = end
        self._pending = self._pending[start:]
        return "".join(texts)

    def _frame_end(self, start: int) -> int | None:
        if len(self._pending) < start + HEADER.size:
            return None
        end = start + HEADER.size + int(HEADER.unpack_from(self._pending, start)[1])
        return end if len(self._pending) >= end else None

    def finish(self) -> str:
        """Return what a stream that ended in the middle of a frame or a character still holds."""
        rest = self._pending[HEADER.size :].decode("utf-8", "replace")
        self._pending = b""
        return "".join(decoder.decode(b"", final=True) for decoder in self._decoders.values()) + rest


def decode(data: bytes, content_type: str = MULTIPLEXED) -> str:
    """Return the text of a whole output stream."""
    if not content_type.startswith(MULTIPLEXED):
        return data.decode("utf-8", "replace")
    frames = Demultiplexer()
    return frames.feed(data) + frames.finish()
