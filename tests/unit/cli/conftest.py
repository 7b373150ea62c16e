"""A project on the fake engine for every test that asks for it."""

from tests.house import house

__all__ = ["house"]
