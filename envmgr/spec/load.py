"""`envmgr.toml` → Spec: in one step for the caller, with every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envmgr.errors import Problem, SpecError
from envmgr.spec import source
from envmgr.spec.checks import check
from envmgr.spec.draft import Draft, spec_of
from envmgr.spec.kinds import KindOptions
from envmgr.spec.locate import Locator
from envmgr.spec.places import Finding
from envmgr.spec.schema import Spec
from envmgr.spec.sections import Sections
from envmgr.spec.text import read
from envmgr.spec.validate import Validator
from envmgr.spec.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec, what it was read from, and where in its file a dotted path stands."""

    spec: Spec
    locate: Locator
    draft: Draft
    data: Mapping[str, Any]
    """As written."""


def load(path: Path, kinds: KindOptions, text: str | None = None) -> LoadedSpec:
    """Read, validate and check a spec; `text` when the file has been read already.

    Raises:
        SpecError: with all problems of the file, in order of line.
    """
    file = str(path)
    text = read(path) if text is None else text
    data = source.parse(text, file)
    locator = Locator(file, text)
    draft, findings = _read(data, kinds, locator)
    if findings:
        problems = _problems(findings, locator)
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise SpecError(f"{file} has {count}", problems)
    return LoadedSpec(spec_of(draft), locator, draft, data)


def _read(data: dict[str, Any], kinds: KindOptions, locator: Locator) -> tuple[Draft, list[Finding]]:
    data, impossible = source.plain(data)
    sections = Sections(data, kinds, Validator(locator, Vocabulary(kinds)))
    draft = sections.draft()
    # A value that no key takes was emptied before validation, which then has nothing true to say about it.
    emptied = {finding.keys for finding in impossible}
    others = [finding for finding in (*sections.findings, *check(draft)) if finding.keys not in emptied]
    return draft, [*impossible, *others]


def _problems(findings: Iterable[Finding], locator: Locator) -> tuple[Problem, ...]:
    """Locate findings, each once however many environments show it, from the top of the file down."""
    unique = {(finding.keys, finding.message): finding for finding in findings}
    problems = [locator.problem(f.keys, f.message, f.hint) for f in unique.values()]
    return tuple(sorted(problems, key=lambda p: (p.line or 0, p.column or 0, p.path, p.message)))
