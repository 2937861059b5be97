"""Fixtures of the scenario tests: the bed for the session, engines that are empty for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.bed import Bed, BedNode
from support.cloud import Cloud
from support.engine import Engine


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """The test bed; from here on the tests live in its home namespace."""
    with Bed() as made:
        yield made


@pytest.fixture
def engine(bed: Bed) -> Iterator[Engine]:
    """The engine of the home namespace; emptied, and brought back if need be, after the test."""
    home = bed.home_engine()
    yield home
    home.wipe()


@pytest.fixture
def nodes(bed: Bed) -> Iterator[Callable[[int], list[BedNode]]]:
    """nodes(N) gives N nodes with engines of their own; healed and emptied after the test."""
    used: list[BedNode] = []

    def give(count: int) -> list[BedNode]:
        used[:] = bed.nodes(count)
        return list(used)

    yield give
    for node in used:
        node.place.heal()
        node.engine.wipe()


@pytest.fixture
def cloud(engine: Engine, tmp_path: Path) -> Iterator[Cloud]:
    """A console and one node on the home engine, `node-1`. Stopped in order after the test; a program that ends badly, or of
    which a sanitizer reports a leak, fails the test."""
    made = Cloud(tmp_path).start()
    try:
        made.join(engine)
        yield made
        made.stop()
    finally:
        made.kill()
