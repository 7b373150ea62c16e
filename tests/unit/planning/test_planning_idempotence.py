"""After `up` the next plan is empty, whatever the spec says; and what a changed spec changes is in the plan."""

from __future__ import annotations

from tests.house import house

__all__ = ["house"]
