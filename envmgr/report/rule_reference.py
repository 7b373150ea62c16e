"""The table of all rules as Markdown, made from the rules alone."""

from __future__ import annotations

from envmgr.rules.judge import every_rule
from envmgr.rules.rule import Rule


def rule_table() -> str:
    """Return the table; the same rules give the same text."""
    head = "| rule | severity | what holds | write instead | KICS | CIS | OWASP |\n|---|---|---|---|---|---|---|\n"
    return head + "".join(_row(rule) for rule in every_rule())


def _row(rule: Rule) -> str:
    known = rule.references
    cells = (
        f"`{rule.id}`",
        rule.severity.value,
        rule.title,
        rule.instead,
        ", ".join(known.kics),
        ", ".join(known.cis),
        ", ".join(f"#{one}" for one in known.owasp),
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"
