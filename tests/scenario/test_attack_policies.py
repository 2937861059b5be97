"""Hostile policies on a whole console: one decision each, and everybody else is served."""

import threading
from collections.abc import Iterator

import pytest

from support.cloud import Cloud
from support.hostile import KINDS, attack, idle_node, read_scripts

EACH = 3  # scripts of each kind; all of them are put to a jailed process by tests/unit/luahost


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A console with a node that takes everything and starts nothing."""
    folder = tmp_path_factory.mktemp("hostile")
    cloud = Cloud(folder).start()
    try:
        wire = idle_node(cloud, folder, "node-1")
        yield cloud
        wire.close()
        cloud.stop()
    finally:
        cloud.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_scripts_cost_their_own_decisions(lone: Cloud, kind: str) -> None:
    scripts = read_scripts(kind)
    chosen = scripts[:: len(scripts) // EACH][:EACH]
    ended = threading.Event()
    served: list[int] = []

    reader = lone.console.admin()

    def read() -> None:
        while not ended.is_set():
            served.append(reader.ask("GET", "/api/v1/workloads").status_code)

    other = threading.Thread(target=read)
    other.start()
    try:
        for number, script in enumerate(chosen, KINDS.index(kind) * EACH):
            assert not attack(lone, script, number), script.name
        assert served, "nobody else was served"
    finally:
        ended.set()
        other.join()
    assert set(served) == {200}
    logged = lone.console.log.read_text()
    assert "forged" not in [line.get("message") for line in lone.console.lines()]
    assert "\x1b" not in logged and "\u009b" not in logged
