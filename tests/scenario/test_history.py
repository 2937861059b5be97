"""What the console keeps of the past: what nodes and workloads used, and logs that outlive their node, its agent and the console."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cloud import Cloud
from support.engine import Engine
from support.waiting import wait_until

IMAGE = "lattice-test/web:1"
COUNTER = {"image": IMAGE, "command": ["--lines-per-second", "20", "--line-bytes", "1"]}


@pytest.fixture
def watched(engine: Engine, tmp_path: Path) -> Iterator[Cloud]:
    """A cloud whose agent measures every second."""
    made = Cloud(tmp_path).start()
    try:
        made.join(engine, environment={"LATTICE_SAMPLE_INTERVAL": "1s"})
        yield made
        made.stop()
    finally:
        made.kill()


def measured(cloud: Cloud, path: str) -> dict:
    items = cloud.api("GET", f"{path}/metrics?from=10m&step=60")["items"]
    return items[0]["measures"] if items else {}


def deploy_counter(cloud: Cloud) -> None:
    cloud.api.deploy("custom", "counter", params=COUNTER)


def kept(cloud: Cloud, query: str = "since=1h") -> list[int]:
    """The numbers of the counter's lines that the console has."""
    text = cloud.api.ask("GET", f"/api/v1/workloads/counter/logs?{query}").text
    return [int(line.removeprefix("line ")) for line in text.splitlines() if line.startswith("line ")]


def test_what_nodes_and_workloads_use_is_kept(watched: Cloud) -> None:
    deploy_counter(watched)
    seen = wait_until(lambda: "cpu_percent" in (m := measured(watched, "/api/v1/workloads/counter")) and m, "samples of the workload")
    assert {"cpu_percent", "memory_bytes", "pids", "network_rx_bytes", "block_written_bytes"} <= set(seen)
    assert max(value or 0 for value in seen["memory_bytes"]["max"]) > 10_000
    node = wait_until(lambda: "cpu_percent" in (m := measured(watched, "/api/v1/nodes/node-1")) and m, "samples of the node")
    assert {"memory_bytes", "load", "disk_used_bytes"} <= set(node)
    shown = watched.cli("stats", "--since", "10m", "counter").stdout
    assert "MEMORY" in shown and "RECEIVED" in shown
    assert "LOAD" in watched.cli("node", "stats", "node-1").stdout
    watched.console.kill()
    watched.console.start()
    assert measured(watched, "/api/v1/workloads/counter")["memory_bytes"]["max"]


def test_logs_have_neither_gap_nor_repeat_over_kills_of_agent_and_console(cloud: Cloud) -> None:
    deploy_counter(cloud)
    wait_until(lambda: len(kept(cloud)) > 20, "lines are kept")
    cloud.agents[0].kill()
    before = len(kept(cloud))
    cloud.agents[0].start()
    wait_until(lambda: len(kept(cloud)) > before + 20, "it goes on after the agent")
    before = len(kept(cloud))
    cloud.console.kill()
    cloud.console.start()
    wait_until(lambda: len(kept(cloud)) > before + 20, "it goes on after the console")
    numbers = kept(cloud)
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_log_is_there_when_its_node_is_not(cloud: Cloud) -> None:
    deploy_counter(cloud)
    wait_until(lambda: len(kept(cloud)) > 20, "lines are kept")
    cloud.agents[0].stop()
    cloud.wait_node("node-1", "unreachable")
    lines = cloud.cli("logs", "--tail", "5", "counter").stdout.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("line ")
    assert cloud.cli("logs", "--grep", "line 7", "--until", "0s", "counter").stdout.splitlines()[0] == "line 7 "
    cloud.agents[0].start()
    cloud.wait_node("node-1")


def test_the_log_before_this_one_is_kept(cloud: Cloud) -> None:
    deploy_counter(cloud)
    wait_until(lambda: len(kept(cloud)) > 20, "lines are kept")
    cloud.api("PATCH", "/api/v1/workloads/counter", {"params": {"command": ["--lines-per-second", "1", "--line-bytes", "30"]}})
    wait_until(lambda: "...." in cloud.api.ask("GET", "/api/v1/workloads/counter/logs?since=1h").text, "the new one writes")
    previous = cloud.cli("logs", "--previous", "counter").stdout
    assert "line 20 \n" in previous and "...." not in previous


def test_a_reload_takes_over_how_much_is_kept(engine: Engine, tmp_path: Path) -> None:
    settings = tmp_path / "lattice.conf"
    settings.write_text("LATTICE_HISTORY_LOGS_BYTES=1g\n")
    cloud = Cloud(tmp_path, flags=("--config", str(settings))).start()
    try:
        cloud.join(engine)
        deploy_counter(cloud)
        wait_until(lambda: len(kept(cloud)) > 60, "lines are kept")
        assert kept(cloud)[0] == 1
        settings.write_text("LATTICE_HISTORY_LOGS_BYTES=200\n")
        assert cloud.console.process
        cloud.console.process.send_signal(signal.SIGHUP)
        wait_until(lambda: kept(cloud)[:1] > [20], "the oldest lines are forgotten")
        settings.write_text("LATTICE_HISTORY_LOGS_BYTES=some\n")
        cloud.console.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "the settings were not reloaded" in cloud.console.log.read_text(), "a mistake is said")
        cloud.stop()
    finally:
        cloud.kill()
