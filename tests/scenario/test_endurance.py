"""Endurance: what comes and goes leaves nothing behind, neither in our processes nor on the engine.

With the release build always: what a sanitizer keeps for itself would hide what is asked here.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from support.bed import Bed
from support.cloud import Api, Cloud, ProcessOf, Program, pause
from support.engine import Engine
from support.waiting import PATIENCE_S, wait_until

RELEASE_BIN = Path(os.environ.get("LATTICE_RELEASE_BIN_DIR", Path(__file__).resolve().parents[2] / "build" / "release" / "bin"))
WEB = {"image": "lattice-test/web:1", "ports": ["80/http"], "volumes": ["data:/data"]}
WARM_UP, ROUNDS, AT_ONCE = 20, 100, 4
GROWTH_MAX_BYTES = 1_000_000
SETTLE_S = 5  # until connections that were closed are gone


@pytest.fixture
def release(engine: Engine, bed: Bed, tmp_path: Path) -> Iterator[Cloud]:
    if not RELEASE_BIN.joinpath("lattice").exists():
        pytest.fail(f"there is no release build in {RELEASE_BIN}: cmake --preset release && cmake --build --preset release")
    bed.registry.ensure("web")
    made = Cloud(tmp_path, binaries=RELEASE_BIN).start()
    try:
        made.join(engine)
        yield made
        made.stop()
    finally:
        made.kill()


@dataclass
class Footprint:
    memory: dict[str, int]
    descriptors: dict[str, int]
    on_the_engine: tuple[list[str], list[str], list[str], set[int]]
    listening: set[int]


def listening_ports(pid: int) -> set[int]:
    """TCP ports on which anybody in the process's network namespace listens."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]]
    return {int(words[1].rpartition(":")[2], 16) for words in lines if words[3] == "0A"}


def processes(cloud: Cloud) -> dict[str, Program | ProcessOf]:
    hosts = {f"lua-host {i}": child for i, child in enumerate(cloud.console.children("lua-host"))}
    return {"console": cloud.console, "agent": cloud.agents[0]} | hosts


def descriptors(cloud: Cloud) -> dict[str, int]:
    return {name: process.descriptors() for name, process in processes(cloud).items()}


def footprint(cloud: Cloud) -> Footprint:
    cloud.api.session.close()
    pause(SETTLE_S)
    engine = cloud.agents[0].engine
    return Footprint(
        {name: process.memory_bytes() for name, process in processes(cloud).items()},
        descriptors(cloud),
        ([each["Id"] for each in engine.containers(ours=False)], [each["Name"] for each in engine.volumes(ours=False)],
         [each["Name"] for each in engine.networks(ours=False)], engine.published_ports()),
        listening_ports(cloud.console.pid),
    )


def come_and_go(cloud: Cloud, count: int) -> None:
    bearer = str(cloud.api.session.headers["Authorization"]).removeprefix("Bearer ")

    def one(number: int) -> None:
        api = Api(cloud.api.url, cloud.api.authority, bearer)
        name = f"web-{number}"
        shown = api.deploy("custom", name, params=WEB)
        url = shown["endpoints"][0]["url"]
        wait_until(lambda: requests.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S).ok, url, tolerate=(requests.ConnectionError,))
        api.remove(name)
        api.session.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(count)))


def test_a_hundred_deploys_and_removals_leave_nothing(release: Cloud) -> None:
    come_and_go(release, WARM_UP)
    before = footprint(release)
    come_and_go(release, ROUNDS)
    after = footprint(release)

    def growth() -> dict[str, int]:
        return {name: process.memory_bytes() - before.memory[name] for name, process in processes(release).items() if name in before.memory}

    print(f"memory {before.memory}, growth {growth()}, descriptors {after.descriptors}")
    wait_until(lambda: max(growth().values()) < GROWTH_MAX_BYTES, f"no more memory than before: {growth()}")
    wait_until(lambda: all(count <= before.descriptors[name] for name, count in descriptors(release).items()), "no descriptor is left")
    assert after.on_the_engine == before.on_the_engine
    containers, volumes, networks, ports = after.on_the_engine
    assert (containers, volumes, ports) == ([], [], set()) and len(networks) == 1, "the node's network alone"
    assert after.listening == before.listening


def test_streams_that_nobody_reads_are_not_kept_in_memory(release: Cloud) -> None:
    api = release.api
    api.deploy("custom", "chatty", params=WEB | {"command": ["--lines-per-second", "-1"]})
    url = api.deploy("custom", "web", params=WEB | {"health": "http:/"})["endpoints"][0]["url"]
    before = footprint(release)
    with api.session.get(api.url + "/api/v1/workloads/chatty/logs?follow=true", stream=True, timeout=PATIENCE_S) as log, \
            requests.get(f"{url}/bytes?n=200000000", stream=True, verify=str(release.console.authority), timeout=PATIENCE_S) as download, \
            api.session.get(api.url + "/api/v1/events", stream=True, timeout=PATIENCE_S):
        assert log.raw.read(1000) and download.raw.read(1000)
        for i in range(5):
            api.deploy("custom", f"other-{i}", params=WEB)
        during = footprint(release)
    for name in ("console", "agent"):
        assert during.memory[name] - before.memory[name] < 16 << 20, (name, before.memory, during.memory)
    # Five more allocations, and the console follows the log of each. Spare connections to the engine end when nobody needs them.
    wait_until(lambda: descriptors(release)["agent"] <= before.descriptors["agent"] + 5 + 2, "no descriptor of the streams is left")
    release.remove_all()
