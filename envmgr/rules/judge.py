"""Documents against all rules: findings in the order of their places, and those that the documents accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from envmgr.model.lint import Finding, LintResult
from envmgr.naming import LINT_ACCEPTS as ACCEPTS
from envmgr.rules.document import Document, table
from envmgr.rules.rule import MEDIUM, Rule, of_document
from envmgr.rules.table import RULES
from envmgr.rules.tree import Keys

Accepting = tuple[tuple[Keys, dict[str, object]], ...]
"""Place → rule or row → why."""


def judge(documents: Sequence[Document]) -> LintResult:
    """Hold documents against all rules."""
    accepting = {id(one): tuple(_accepting(one)) for one in documents}
    every = [found for rule in every_rule() for found in _findings(rule, tuple(documents), accepting)]
    unique = list({(one.rule, one.file, one.line, one.column, one.path): one for one in reversed(every)}.values())
    unique.sort(key=lambda one: (one.file, one.line, one.column, one.rule, one.path))
    return LintResult(
        files=tuple(dict.fromkeys(file for one in documents for file in one.files)),
        findings=tuple(one for one in unique if not one.reason),
        accepted=tuple(one for one in unique if one.reason),
    )


def _findings(rule: Rule, documents: tuple[Document, ...], accepting: Mapping[int, Accepting]) -> Iterator[Finding]:
    for document, keys, message in rule.check(documents):
        place = document.place(keys)
        yield Finding(
            rule=rule.id,
            severity=rule.severity,
            title=rule.title,
            message=message,
            instead=rule.instead,
            references=rule.references,
            file=place.file,
            line=place.line,
            column=place.column,
            path=".".join(map(str, keys)),
            reason="" if rule is SUPPRESSION else _accepted(accepting[id(document)], keys, rule),
        )


def _accepted(accepting: Accepting, keys: Keys, rule: Rule) -> str:
    """Return why a breach is accepted; empty when it is not."""
    for above, reasons in accepting:
        if keys[: len(above)] == above:
            for name in (rule.id, rule.family):
                reason = reasons.get(name)
                if isinstance(reason, str) and reason.strip():
                    return " ".join(reason.split())
    return ""


def _accepting(document: Document) -> Iterator[tuple[Keys, dict[str, object]]]:
    """Yield every place that accepts something, with its table."""
    for keys in document.places:
        if keys and keys[-1] == ACCEPTS:
            value: object = document.data
            for key in keys:
                value = table(value).get(str(key))
            yield keys[:-1], dict(table(value))


# ---- suppressions themselves


def _suppressions(document: Document) -> Iterator[tuple[Keys, str]]:
    known = {name for rule in RULES for name in (rule.id, rule.family)}
    for above, reasons in _accepting(document):
        if not reasons:
            yield (*above, ACCEPTS), f"{ACCEPTS} is a table of rule and reason"
        for name, reason in reasons.items():
            if name not in known:
                yield (*above, ACCEPTS, name), f"{ACCEPTS} names {name}, which is no rule"
            elif not isinstance(reason, str) or not reason.strip():
                yield (*above, ACCEPTS, name), f"{ACCEPTS} accepts {name} and does not say why"


SUPPRESSION = Rule(
    "EM-S00-suppression",
    MEDIUM,
    "What is accepted is a rule, and has a reason",
    f'{ACCEPTS}: {{ EM-S04-root: "why" }} beside what it is about',
    of_document(_suppressions),
)
"""It cannot be accepted itself."""


def every_rule() -> tuple[Rule, ...]:
    """Return all rules, that about suppressions first."""
    return (SUPPRESSION, *RULES)
