"""Recipe images, and a bench to try them on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.image_bench import Bench, Images


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def images() -> Images:
    return Images()
