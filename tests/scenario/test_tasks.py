"""Tasks run to their end once, on a real engine, whatever is restarted meanwhile."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bed import Bed
from support.cloud import Cloud, pause
from support.engine import Container
from support.waiting import wait_until

IMAGE = ("--image", "redis:7", "--entrypoint", "/bin/sh")


@pytest.fixture
def day(module_cloud: Cloud, bed: Bed) -> Iterator[Cloud]:
    bed.registry.ensure("redis")
    yield module_cloud
    module_cloud.clear_up()


def task(*flags: str, script: str) -> tuple[str, ...]:
    return ("--task", *IMAGE, *flags, "--", "-c", script)


def starts(cloud: Cloud, name: str) -> int:
    shown = json.loads(cloud.cli("show", name, "--json").stdout)
    return max(allocation["observed"]["starts"] for allocation in shown["allocations"])


def test_a_task_ends_and_its_exit_status_says_how(day: Cloud) -> None:
    done = day.cli("deploy", "custom", "good", *task(script="echo it is done"))
    assert done.stdout == "good\n"
    shown = json.loads(day.cli("show", "good", "--json").stdout)
    assert (shown["status"], shown["kind"]) == ("completed", "task")
    assert shown["allocations"][0]["observed"]["exit_status"] == 0
    assert "it is done" in day.cli("logs", "good").stdout
    assert "completed" in day.cli("ps").stdout

    done = day.cli("deploy", "custom", "bad", *task(script="echo my last words; exit 7"), check=False)
    assert done.returncode == 1
    assert "ended with status 7" in done.stderr and "my last words" in done.stderr
    assert starts(day, "bad") == 1

    done = day.cli("deploy", "custom", "stubborn", *task("--retries", "2", script="exit 4"), check=False)
    assert done.returncode == 1
    assert "the last of 3 runs" in done.stderr
    assert starts(day, "stubborn") == 3

    day.cli("restart", "good")
    assert starts(day, "good") == 2
    assert json.loads(day.cli("show", "good", "--json").stdout)["status"] == "completed"


def test_one_that_ended_stays_ended_when_it_is_stopped_and_waits_for_room_to_run_again(day: Cloud) -> None:
    (node,) = day.api("GET", "/api/v1/nodes")["items"]
    whole = str(node["cpu_milli"] / 1000)
    day.cli("deploy", "custom", "whole", *task("--cpu", whole, "--volume", "data:/data", script="echo ran >> /data/runs; cat /data/runs"))
    day.cli("stop", "whole")
    shown = json.loads(day.cli("show", "whole", "--json").stdout)
    assert (shown["status"], shown["reason"]) == ("stopped", "it had ended before: completed")
    day.cli("start", "whole")
    assert starts(day, "whole") == 1, "to start it is not to run it again"
    day.cli("deploy", "custom", "part", "--cpu", "0.1", *IMAGE, "--", "-c", "sleep 600")
    day.cli("restart", "whole", "--detach")
    day.api.wait("whole", "pending")
    wait_until(lambda: "free" in day.api.show("whole")["reason"], "it says what it waits for")
    day.cli("rm", "part", "--yes")
    day.api.wait("whole", "completed")
    assert day.cli("logs", "whole").stdout.split()[-2:] == ["ran", "ran"], "its second run finds what the first one left"


def test_what_has_ended_is_not_run_again_by_any_restart(day: Cloud) -> None:
    day.cli("deploy", "custom", "once", *task("--volume", "data:/data", script="echo ran >> /data/runs; cat /data/runs"))
    day.cli("deploy", "custom", "slow", *task("--detach", "--volume", "data:/data", script="echo ran >> /data/runs; until [ -e /data/end ]; do sleep 0.1; done; cat /data/runs"))
    day.api.wait("slow", "running")
    agent, engine = day.agents[0], day.agents[0].engine
    (slow,) = [each for each in engine.containers() if each["Labels"]["lattice.workload.name"] == "slow"]
    agent.kill()
    day.console.kill()
    Path(slow["Mounts"][0]["Source"], "end").touch()
    Container(engine, slow["Id"]).exit_status()  # it ends with nobody there
    day.console.start()
    day.console.wait_ready()
    agent.start()
    day.api.wait("slow", "completed")
    engine.stop()
    engine.start()
    day.wait_node(agent.node)
    agent.kill()
    agent.start()
    day.wait_node(agent.node)
    pause(3)
    for name in ("once", "slow"):
        assert day.api.show(name)["status"] == "completed"
        assert day.cli("logs", name).stdout.split() == ["ran"], "its one run saw one line in its volume"
        assert starts(day, name) == 1


def test_any_change_of_its_spec_is_the_order_to_run_it_again(day: Cloud) -> None:
    day.cli("deploy", "custom", "again", *task(script="echo ran"))
    for runs, change in ((2, {"priority": 60}), (2, {"labels": {"tier": "night"}}), (3, {"retries": 1})):
        day.api("PATCH", "/api/v1/workloads/again", change)
        wait_until(lambda runs=runs: starts(day, "again") == runs, f"{runs} runs are told of")
        day.api.wait("again", "completed")
    assert starts(day, "again") == 3


def test_one_that_the_engine_took_down_has_failed_and_is_retried(day: Cloud) -> None:
    day.cli("deploy", "custom", "cut", *task("--detach", "--retries", "3", "--volume", "data:/data", script="echo ran >> /data/runs; [ $(wc -l < /data/runs) -ge 2 ] || sleep 600"))
    day.api.wait("cut", "running")
    engine = day.agents[0].engine
    engine.kill()
    engine.start()
    day.api.wait("cut", "completed")
    wait_until(lambda: starts(day, "cut") == 2, "the second run is told of")
