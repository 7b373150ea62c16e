"""Compose files as text, and what the rules say of them."""

from __future__ import annotations

from envmgr.model.lint import Finding, LintResult
from envmgr.rules.document import Modes, document
from envmgr.rules.joining import extended, joined
from envmgr.rules.judge import judge
from envmgr.rules.source import parse


def web(*lines: str, image: str = "example/web:1.0") -> str:
    """Write a file with one service."""
    body = "".join(f"    {line}\n" for line in (f"image: {image}", *lines))
    return f"services:\n  web:\n{body}"


def judged(modes: dict[str, Modes] | None = None, /, **files: str) -> LintResult:
    """Judge files by name, `compose` standing for compose.yml and `compose_prod` for compose.prod.yml."""
    named = {f"{name.replace('_', '.')}.yml": text for name, text in files.items()}
    trees = {name: parse(text, name) for name, text in named.items()}
    trees = {name: extended(tree, name, lambda _, other: trees.get(other)) for name, tree in trees.items()}
    return judge([document(root, chain, modes) for chain, root in joined(trees)])


def found(text: str) -> tuple[Finding, ...]:
    """Return the findings of one file."""
    return judged(compose=text).findings


def broken(text: str) -> set[str]:
    """Return the rules that one file breaks."""
    return {one.rule for one in found(text)}


def places(text: str, rule: str) -> list[tuple[int, int, str]]:
    """Return line, column and path of each breach of a rule."""
    return [(one.line, one.column, one.path) for one in found(text) if one.rule == rule]
