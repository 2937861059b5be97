"""Fixtures of the scenario tests: the bed for the session, engines that are empty for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.bed import Bed, BedNode
from support.cloud import Cloud
from support.engine import Engine
from support.gate import Gate


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


@pytest.fixture(scope="module")
def module_cloud(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud as `cloud`, for all tests of a module: starting one costs more than most tests."""
    home = bed.home_engine()
    made = Cloud(tmp_path_factory.mktemp("cloud")).start()
    try:
        made.join(home)
        yield made
        made.stop()
    finally:
        made.kill()
        home.wipe()


@pytest.fixture
def weather(module_cloud: Cloud, bed: Bed) -> Iterator[Cloud]:
    """The module's cloud, which a test may hurt: it is brought back after it, and nothing may be left of the workloads."""
    bed.registry.ensure("web")
    yield module_cloud
    module_cloud.clear_up()


@pytest.fixture(scope="session")
def gated(bed: Bed) -> Iterator[tuple[BedNode, Gate]]:
    """A node whose engine reaches the registry through a gate, so that a pull lasts as long as a test wants."""
    bed.registry.ensure("web", "redis", "postgres")
    gate = Gate(bed.registry.port)
    place = bed.network.add_node()
    engine = Engine(bed.folder / "gated", f"http://{place.gateway}:{gate.port}", place.namespace)
    engine.start()
    yield BedNode(place, engine), gate
    gate.close()


@pytest.fixture
def slow_pulls(gated: tuple[BedNode, Gate], bed: Bed, tmp_path: Path) -> Iterator[tuple[Cloud, Gate]]:
    """A cloud with one node whose engine has no image, and the gate in front of its registry."""
    node, gate = gated
    made = Cloud(tmp_path, bed.network.address).start()
    try:
        made.join(node.engine, namespace=node.place.namespace)
        yield made, gate
        gate.open()
        made.clear_up()
        made.stop()
    finally:
        gate.open()
        made.kill()
        node.engine.wipe()
        node.engine.forget_images()
