"""Bad weather around images: ones that nobody has, pulls that take their time, disks that are full."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bed import Bed
from support.cloud import ApiProblem, Cloud
from support.command import run
from support.engine import Engine
from support.gate import Gate
from support.waiting import wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}


def test_an_image_that_nobody_has_fails_by_name_and_a_good_one_runs(weather: Cloud) -> None:
    weather.api.deploy("custom", "web", wait=False, params=WEB | {"image": "nosuchimage:1"})
    failed = weather.api.wait("web", "failed")
    assert "nosuchimage:1" in failed["reason"]
    assert failed["allocations"][0]["status"] == "failed" and "nosuchimage:1" in failed["allocations"][0]["reason"]
    assert weather.containers() == []
    waited = weather.cli("deploy", "custom", "other", "--image", "nosuchimage:2", check=False)
    assert waited.returncode == 1 and "nosuchimage:2" in waited.stderr
    weather.cli("rm", "other")

    url = weather.api.url_of("web")
    weather.api("PATCH", "/api/v1/workloads/web", {"params": {"image": WEB["image"]}})
    mended = weather.api.wait("web", "running")
    assert mended["reason"] in ("", "healthy") and mended["endpoints"][0]["url"] == url
    assert len(weather.containers()) == 1
    weather.cli("rm", "web")
    assert weather.containers() == []


def test_a_failing_workload_is_tried_again_and_can_be_removed(weather: Cloud) -> None:
    weather.api.deploy("custom", "web", wait=False, params={"image": "nosuchimage:1"})
    weather.api.wait("web", "failed")

    def refused() -> int:
        return sum(line["message"] == "an operation failed" for line in weather.agents[0].lines())

    first = refused()
    wait_until(lambda: refused() >= first + 2, "it is tried again")
    weather.cli("stop", "web")
    assert weather.api.show("web")["status"] == "stopped"
    weather.cli("rm", "web")


def test_a_pull_shows_its_progress_and_waits_for_its_registry(slow_pulls: tuple[Cloud, Gate]) -> None:
    cloud, gate = slow_pulls
    gate.shut(trickle=True)
    cloud.api.deploy("redis", "cache", wait=False)
    cloud.api.wait("cache", "pulling")

    def progress() -> str:
        (allocation,) = cloud.api.show("cache")["allocations"]
        return (allocation["observed"] or {}).get("progress", "")

    wait_until(lambda: "MB" in progress(), "the pull tells how far it is")
    assert "redis:7" in cloud.api.show("cache")["reason"]
    gate.open()
    cloud.api.wait("cache", "running")
    assert len(cloud.containers()) == 1


def test_a_workload_can_be_changed_stopped_and_removed_while_it_pulls(slow_pulls: tuple[Cloud, Gate]) -> None:
    cloud, gate = slow_pulls
    gate.shut()
    for name in ("removed", "stopped"):
        cloud.api.deploy("redis", name, wait=False)
    cloud.api.deploy("postgres", "changed", wait=False)
    for name in ("removed", "stopped", "changed"):
        cloud.api.wait(name, "pulling")
    cloud.api.remove("removed")
    cloud.api("POST", "/api/v1/workloads/stopped/stop")
    cloud.api.wait("stopped", "stopped")
    assert cloud.containers() == [], "neither was made in the end"

    gate.open()
    cloud.api.wait("changed", "running")
    cloud.api("POST", "/api/v1/workloads/stopped/start")
    cloud.api.wait("stopped", "running")
    assert len(cloud.containers()) == 2


def test_an_engine_that_dies_while_it_pulls_goes_on_when_it_is_back(slow_pulls: tuple[Cloud, Gate]) -> None:
    cloud, gate = slow_pulls
    gate.shut(trickle=True)
    cloud.api.deploy("redis", "cache", wait=False)
    cloud.api.wait("cache", "pulling")
    cloud.agents[0].engine.kill()
    assert "does not answer" in cloud.api.wait("cache", "unreachable")["reason"]
    gate.open()
    cloud.agents[0].engine.start()
    cloud.api.wait("cache", "running")
    assert len(cloud.containers()) == 1


# ---- a full disk


@pytest.fixture
def small_cloud(bed: Bed, tmp_path: Path) -> Iterator[Cloud]:
    """A node whose engine's disk holds 64 MB."""
    bed.registry.ensure("web", "postgres")
    place = bed.network.add_node()
    engine = Engine(bed.folder / f"small{place.number}", bed.registry.mirror(place.gateway), place.namespace)
    data = engine.state / "data"
    data.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data)
    engine.start()
    made = Cloud(tmp_path, bed.network.address).start()
    try:
        made.join(engine, namespace=place.namespace)
        yield made
        made.clear_up()
        made.stop()
    finally:
        made.kill()
        engine.stop()
        run("umount", data, check=False)  # stopping it has unmounted what it used


def test_a_disk_that_is_full_while_pulling_is_told_and_it_goes_on_when_there_is_room(small_cloud: Cloud) -> None:
    api, engine = small_cloud.api, small_cloud.agents[0].engine
    api.deploy("postgres", "big", wait=False)
    failed = api.wait("big", "failed")
    assert "disk" in failed["reason"] or "space" in failed["reason"], failed["reason"]
    api.deploy("custom", "web", params=WEB)  # what fits still runs
    run("mount", "-o", "remount,size=2g", engine.state / "data")
    api.wait("big", "running")
    assert len(small_cloud.containers()) == 2
    with pytest.raises(ApiProblem, match="already"):
        api.deploy("postgres", "big")
