"""All rules, in the order of their ids."""

from __future__ import annotations

from envmgr.rules import confinement, host, images, life, networks, resources, schema, secrets
from envmgr.rules.rule import Rule

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *(*schema.RULES, *images.RULES, *confinement.RULES, *host.RULES, *resources.RULES),
            *(*life.RULES, *networks.RULES, *secrets.RULES),
        ),
        key=lambda rule: rule.id,
    )
)
