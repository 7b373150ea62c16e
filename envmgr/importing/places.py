"""Where something stands in the Compose files: the last file that says it wins, as it does for Compose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str, ...]
_SAME = {
    "limits.memory": ("mem_limit", "deploy.resources.limits.memory"),
    "limits.cpus": ("cpus", "deploy.resources.limits.cpus"),
    "limits.pids": ("pids_limit", "deploy.resources.limits.pids"),
    "reaches": ("networks",),
    "aliases": ("networks",),
    "egress": ("networks",),
    "replicas": ("scale", "deploy.replicas"),
}
"""Key of a comparison → where a Compose file says it."""


class Places:
    """Finds lines; nothing of the files is believed but where keys stand."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._roots = {file: root for file, text in texts.items() if (root := _root(text)) is not None}

    def __call__(self, service: str, key: str) -> str:
        """Return `file:line` of a key, or of the nearest thing above it; empty when no file has it."""
        start: Keys = ("services", service) if service else ()
        best = max((self._found(start, one) for one in _spellings(key)), key=lambda found: found[0], default=(0, ""))
        return best[1]

    def _found(self, start: Keys, key: str) -> tuple[int, str]:
        candidates = []
        for number, (file, root) in enumerate(self._roots.items()):
            depth, line = _deepest(root, start, key)
            if depth > (len(start) - 1 if start else 0):
                candidates.append(((depth, number), f"{file}:{line}"))
        (depth, _), place = max(candidates, default=((0, 0), ""))
        return depth, place


def _spellings(key: str) -> Iterator[str]:
    yield key
    for prefix, others in _SAME.items():
        if key == prefix or key.startswith(f"{prefix}."):
            yield from others


def _root(text: str) -> Any:
    """Compose a file's nodes without making anything of them; None when it is not YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return None


def _deepest(root: Any, start: Keys, key: str) -> tuple[int, int]:
    """Return how many levels could be followed, and the line of the last."""
    node, depth, line = root, 0, root.start_mark.line + 1
    rest = key
    for part in start:
        found = _child(node, part)
        if found is None:
            return depth, line
        node, line, depth = found[1], found[0], depth + 1
    while rest:
        step = _longest(node, rest)
        if step is None:
            break
        used, (line, node), depth = step[0], step[1], depth + 1
        rest = rest[len(used) + 1 :]
    return depth, line


def _longest(node: Any, key: str) -> tuple[str, tuple[int, Any]] | None:
    """Follow the longest beginning of a dotted key that is a key here: names hold dots too."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        found = _child(node, name)
        if found is not None:
            return name, found
    entry = _entry(node, key)
    return (key, entry) if entry else None


def _child(node: Any, name: str) -> tuple[int, Any] | None:
    if getattr(node, "id", "") != "mapping":
        return None
    for key, value in node.value:
        if key.value == name:
            return key.start_mark.line + 1, value
    for key, value in node.value:
        if key.value == "<<":
            for merged in value.value if value.id == "sequence" else [value]:
                found = _child(merged, name)
                if found is not None:
                    return found
    return None


def _entry(node: Any, key: str) -> tuple[int, Any] | None:
    """Find the entry of a list that speaks of a key: `NAME=value`, `./src:/srv`, `{target: /srv}`."""
    if getattr(node, "id", "") != "sequence":
        return None
    words = {key, key.partition("/tcp")[0], key.partition("/udp")[0], key.partition(".")[0]}
    for item in node.value:
        if item.id == "scalar" and any(_speaks(item.value, word) for word in words):
            return item.start_mark.line + 1, item
        if item.id == "mapping" and any(v.id == "scalar" and v.value in words for _, v in item.value):
            return item.start_mark.line + 1, item
    return None


def _speaks(text: str, word: str) -> bool:
    return text == word or text.startswith((f"{word}=", f"{word}:")) or f":{word}" in text or text.endswith(f":{word}")
