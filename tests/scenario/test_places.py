"""What a workload asks of its node, on a real engine: devices that the container really gets, ports, constraints, what a node says of itself."""

import datetime
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bed import Bed, BedNode
from support.cloud import Cloud
from support.engine import Engine
from support.waiting import wait_until

GPU = Path(f"/dev/lattice-test-gpu-{os.getpid()}")  # /dev is the machine's, and other sessions run on it
IMAGE = ("--image", "redis:7", "--entrypoint", "/bin/sh")


@pytest.fixture(scope="module")
def gpu() -> Iterator[Path]:
    """A harmless character device, another /dev/zero, in the part of a GPU."""
    GPU.unlink(missing_ok=True)
    os.mknod(GPU, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    GPU.chmod(0o666)
    yield GPU
    GPU.unlink()


@pytest.fixture
def day(engine: Engine, bed: Bed, gpu: Path, tmp_path: Path) -> Iterator[Cloud]:
    bed.registry.ensure("redis")
    cloud = Cloud(tmp_path).start()
    cloud.join(engine, environment={
        "LATTICE_GPUS": f"none;model=T4,memory=16g,device={gpu}", "LATTICE_BANDWIDTH": "100m", "LATTICE_LABELS": "zone=a",
    })
    yield cloud
    cloud.clear_up()
    cloud.stop()


def show(cloud: Cloud, name: str) -> Any:
    return json.loads(cloud.cli("show", name, "--json").stdout)


def waits(cloud: Cloud, name: str, because: str) -> None:
    def look() -> bool:
        shown = cloud.api.show(name)
        return shown["status"] == "pending" and because in shown["reason"]

    wait_until(look, f"{name} waits because {because}")


def test_a_container_has_the_device_it_asked_for_and_shares_add_up(day: Cloud, gpu: Path) -> None:
    look = f"head -c 4 {gpu} | wc -c; sleep 600"
    for name in ("half", "other"):
        day.cli("deploy", "custom", name, *IMAGE, "--gpus", "0.5:T4", "--gpu-memory", "16g", "--", "-c", look)
        wait_until(lambda name=name: day.cli("logs", name).stdout.strip() == "4", f"{name} reads its device")
    day.cli("deploy", "custom", "third", *IMAGE, "--gpus", "0.5", "--detach", "--", "-c", look)
    waits(day, "third", "GPU")
    day.cli("deploy", "custom", "plain", *IMAGE, "--", "-c", f"test -e {gpu} || echo none; sleep 600")
    wait_until(lambda: day.cli("logs", "plain").stdout.strip() == "none", "another has no device")
    node = json.loads(day.cli("node", "show", "node-1", "--json").stdout)
    assert [(each["model"], each["memory_bytes"]) for each in node["gpus"]] == [("T4", 16 << 30)]
    day.cli("rm", "half", "--yes")
    day.api.wait("third", "running")
    wait_until(lambda: day.cli("logs", "third").stdout.strip() == "4", "third reads its device")
    day.cli("deploy", "custom", "never", *IMAGE, "--gpus", "1:H100", "--detach", "--", "-c", look)
    waits(day, "never", "H100")


def test_instances_that_share_devices_and_are_spread_are_placed_by_one_decision(day: Cloud) -> None:
    day.cli("deploy", "custom", "crowd", *IMAGE, "--gpus", "0.3", "--spread", "node", "--count", "3", "--", "-c", "sleep 600")
    decisions = day.api("GET", "/api/v1/workloads/crowd/evaluations")["items"]
    assert [(each["reason"], each["receipt"]["nodes"][0]["instances"]) for each in decisions] == [("placed 3 instances on node-1", 3)]
    day.cli("deploy", "custom", "late", *IMAGE, "--gpus", "0.3", "--detach", "--", "-c", "sleep 600")
    waits(day, "late", "GPU")
    answer = json.loads(day.cli("deploy", "custom", "dry", *IMAGE, "--port", "16380:6379/tcp", "--count", "2", "--dry-run", "--json", check=False).stdout)
    assert (answer["count"], answer["placed"]) == (2, 1) and "its port 16380 is taken" in answer["reason"]


def test_a_node_says_what_it_offers_and_is_chosen_by_it(day: Cloud) -> None:
    node = json.loads(day.cli("node", "show", "node-1", "--json").stdout)
    assert node["bandwidth_bps"] == 100_000_000 and node["on_battery"] in (False, True) and node["rank"] == 500
    assert node["attributes"]["runtime.runc"] == "yes" and node["attributes"]["kernel"]
    day.cli("deploy", "custom", "good", *IMAGE, "--runtime", "runc", "--require", "zone=a", "--require", "attribute.kernel", "--prefer", "ssd:80",
            "--bandwidth", "60m", "--spread", "node", "--", "-c", "sleep 600")
    inspected = day.agents[0].engine.containers()[0]
    assert inspected["HostConfig"]
    wait_until(lambda: "redis:7" in (day.node("node-1")["images"] or []), "the image is told of")
    for name, flag, because in (
        ("elsewhere", ("--require", "zone=b"), "zone = b is required, and it has a"),
        ("jailed", ("--runtime", "runsc"), "no runtime runsc"),
        ("busy", ("--bandwidth", "60m"), "Mbit/s are wanted"),
        ("lonely", ("--apart", "good"), "an instance of 'good' is on it"),
        ("huge", ("--disk", "900t"), "of disk are wanted"),
    ):
        day.cli("deploy", "custom", name, *IMAGE, *flag, "--detach", "--", "-c", "sleep 600")
        waits(day, name, because)
    day.cli("deploy", "custom", "close", *IMAGE, "--near", "good", "--", "-c", "sleep 600")
    for words, because in ((("--label", "zone=b", "--label", "extra=1"), "its owner's hours"), (("--label", "extra-"), "its owner's hours")):
        day.cli("node", "set", "node-1", *words, "--available-until", "2020-01-01T00:00:00Z")
        day.cli("deploy", "custom", f"late-{len(words)}", *IMAGE, "--detach", "--", "-c", "sleep 600")
        waits(day, f"late-{len(words)}", because)
    assert day.node("node-1")["labels"] == {"zone": "b"}
    day.cli("node", "set", "node-1", "--available-until", "always")
    for name in ("late-2", "late-4", "elsewhere"):
        day.api.wait(name, "running")
    day.cli("rm", "good", "close", "--yes")
    day.api.wait("busy", "running")
    day.api.wait("lonely", "running")


def test_a_fixed_port_of_the_node_is_given_once(day: Cloud) -> None:
    day.cli("deploy", "redis", "cache")  # engines choose other ports beside it
    day.cli("deploy", "custom", "first", "--image", "redis:7", "--port", "16379:6379/tcp")
    allocation = show(day, "first")["allocations"][0]
    assert allocation["observed"]["ports"] == {"port-6379": 16379}
    day.cli("deploy", "custom", "second", "--image", "redis:7", "--port", "16379:6379/tcp", "--detach")
    waits(day, "second", "its port 16379 is taken")
    day.cli("rm", "first", "--yes")
    day.api.wait("second", "running")


def test_outside_of_an_owners_hours_nothing_begins_and_everybody_is_told_when_it_will(day: Cloud) -> None:
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    hours = f"{tomorrow:%a} 00:00-24:00".lower()
    opens = f"{tomorrow:%Y-%m-%d} 00:00"
    for wrong, word in (("monday 8-18", "'monday' is no day"), ("mon 8-18", "'8-18' is no span of time"), ("", "There is no day")):
        refused = day.cli("node", "set", "node-1", "--hours", wrong, check=False)
        assert refused.returncode == 2 and word in refused.stderr and "mon-fri 18:00-08:00" in refused.stderr
    day.cli("node", "set", "node-1", "--hours", hours)
    node = day.node("node-1")
    assert node["hours"] == hours and not node["available"] and node["closes_at"] is None
    assert node["opens_at"].startswith(f"{tomorrow:%Y-%m-%d}T00:00:00")
    assert f"{hours}; not now, from {opens}" in day.cli("node", "show", "node-1").stdout
    day.cli("deploy", "custom", "late", *IMAGE, "--detach", "--", "-c", "sleep 600")
    waits(day, "late", f"its owner's hours begin at {opens} UTC")
    told = day.cli("explain", "late").stdout
    assert f"refused, from {opens}" in told and f"node-1 comes nearest: its owner's hours begin at {opens} UTC." in told
    assert f"from {opens}" in day.cli("node", "explain", "node-1").stdout
    receipt = json.loads(day.cli("explain", "late", "--json").stdout)["receipt"]
    assert [(each["tense"], each["when"]) for each in (*receipt["nodes"], *receipt["rules"])] == [("when", node["opens_at"])] * 2
    day.cli("node", "set", "node-1", "--hours", "always")
    day.api.wait("late", "running")
    assert day.node("node-1")["available"] and day.node("node-1")["opens_at"] is None


def test_a_policy_prefers_the_node_whose_engine_has_the_image(nodes: Callable[[int], list[BedNode]], bed: Bed, tmp_path: Path) -> None:
    bed.registry.ensure("web")
    two = nodes(2)
    two[0].engine.forget_images()
    two[1].engine.docker("pull", "lattice-test/web:1")
    cloud = Cloud(tmp_path, host=two[0].place.gateway).start()
    try:
        for number, node in enumerate(two):
            cloud.join(node.engine, f"node-{number}", node.place.namespace)
        assert "lattice-test/web:1" not in cloud.node("node-0")["images"]
        wait_until(lambda: "lattice-test/web:1" in (cloud.node("node-1")["images"] or []), "the image is told of")
        for sign, wanted in (("", "node-1"), ("-", "node-0")):
            cloud.api("PUT", "/api/v1/policies/placement", {
                "source": f"function score(node, workload) if node.has_image then return {sign}1 end return 0 end\n"})
            answer = cloud.api("POST", "/api/v1/workloads?dry_run=true", {
                "type": "custom", "name": "web", "params": {"image": "lattice-test/web:1"}})
            assert answer["policy"].startswith("placement ") and answer["decided_by"], "the compiled policy decided"
            assert [node["name"] for node in answer["receipt"]["nodes"] if node["verdict"] == "taken"] == [wanted]
        shown = cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1"})
        assert shown["allocations"][0]["node"] == "node-0"
        wait_until(lambda: "lattice-test/web:1" in cloud.node("node-0")["images"], "the image that was pulled is told of")
        cloud.clear_up()
        cloud.stop()
    finally:
        cloud.kill()
