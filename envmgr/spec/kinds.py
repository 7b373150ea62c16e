"""What the catalog tells the loader about kinds of services, so that the spec never imports the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envmgr.spec.values import Strict


@dataclass(frozen=True, slots=True)
class KindOptions:
    """Kind → model of the keys which that kind adds to the common ones."""

    infra: Mapping[str, type[Strict]]
    services: Mapping[str, type[Strict]]
