"""Bad weather inside: containers that end by themselves, are killed or removed by others, eat memory, or fall ill.

Each says what happened, and is started again after waits that grow.
"""

import json
import re
from pathlib import Path

import pytest
import requests

from support.cloud import Cloud
from support.engine import Container, Engine
from support.waiting import PATIENCE_S, wait_until

IMAGE = "lattice-test/web:1"
WEB = {"image": IMAGE, "ports": ["80/http"]}


def engine_of(cloud: Cloud) -> Engine:
    return cloud.agents[0].engine


def reasons(cloud: Cloud, name: str, part: str) -> str:
    """The reason of the workload, once it contains that."""
    return wait_until(lambda: part in (reason := cloud.api.show(name)["reason"]) and reason, f"{name} says: {part}")


def fetch(cloud: Cloud, url: str) -> requests.Response:
    return requests.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S)


def test_a_container_that_ends_at_once_is_started_again_after_growing_waits(weather: Cloud) -> None:
    weather.api.deploy("custom", "web", wait=False, params={"image": IMAGE, "command": ["--exit-status", "3"]})
    weather.api.wait("web", "failed")
    assert "status 3" in reasons(weather, "web", "starts again in")
    (container,) = weather.containers()

    def waits() -> list[int]:
        lines = weather.agents[0].lines()
        return [int(found[1]) for line in lines if (found := re.search(r"status 3; starts again in (\d+) s", line.get("reason", "")))]

    wait_until(lambda: 4 in waits(), "the waits grow to four seconds")
    assert waits()[:3] == [1, 1, 2], "half a second, one, two, four"
    states = [line["status"] for line in weather.agents[0].lines() if line["message"] == "allocation" and line["workload"] == "web"]
    assert "running" not in states[states.index("failed"):], "it is not said to run in between"
    assert weather.containers() == [container], "the same container, again and again"
    done = weather.cli("deploy", "custom", "other", "--image", IMAGE, "--", "--exit-status", "4", check=False)
    assert done.returncode == 1 and "ended by itself with status 4" in done.stderr, done
    weather.api.wait("other", "failed")
    assert "status 4" in reasons(weather, "other", "starts again in")
    weather.cli("stop", "web")
    assert weather.api.show("web")["status"] == "stopped"
    weather.api("PATCH", "/api/v1/workloads/web", {"params": {"command": None}})
    weather.cli("start", "web")
    assert weather.api.show("web")["status"] == "running"


def test_what_ends_later_is_killed_or_removed_by_others_comes_back(weather: Cloud) -> None:
    url = weather.api.deploy("custom", "web", params=WEB | {"volumes": ["data:/data"]})["endpoints"][0]["url"]
    session = requests.Session()
    session.verify = str(weather.console.authority)
    session.trust_env = False
    wait_until(lambda: session.put(f"{url}/files/note", data=b"kept", timeout=PATIENCE_S).ok, "it takes a file", tolerate=(requests.ConnectionError,))

    def comes_back() -> None:
        weather.api.wait("web", "running")
        answer = wait_until(lambda: fetch(weather, f"{url}/files/note"), "the volume is there", tolerate=(requests.ConnectionError,))
        assert answer.content == b"kept"
        assert len(weather.containers()) == 1

    session.get(f"{url}/exit?status=7", timeout=PATIENCE_S)
    assert "status 7" in reasons(weather, "web", "starts again")
    comes_back()
    engine_of(weather).docker("kill", weather.containers()[0])
    assert "137" in reasons(weather, "web", "starts again")
    comes_back()
    (before,) = weather.containers()
    engine_of(weather).docker("rm", "-f", before)
    wait_until(lambda: weather.containers() not in ([], [before]), "it is made again")
    comes_back()
    engine_of(weather).docker("stop", "-t", "1", weather.containers()[0])
    wait_until(lambda: Container(engine_of(weather), weather.containers()[0]).inspect()["State"]["Running"], "it is started again")
    comes_back()


def test_a_container_that_uses_more_memory_than_it_may(weather: Cloud) -> None:
    url = weather.api.deploy("custom", "web", params=WEB | {"health": "http:/"}, memory="32m")["endpoints"][0]["url"]
    with pytest.raises(requests.RequestException):
        fetch(weather, f"{url}/memory?mb=200").raise_for_status()
    assert "memory" in reasons(weather, "web", "starts again")
    weather.api.wait("web", "running")
    assert fetch(weather, url).ok


def test_a_container_that_falls_ill_says_so_and_recovers(weather: Cloud) -> None:
    weather.api.deploy("custom", "web", wait=False, params=WEB | {"health": "http:/files/fine", "volumes": ["data:/data"]})
    weather.api.wait("web", "starting")
    reasons(weather, "web", "until it is healthy")
    (container,) = weather.containers()
    (volume,) = engine_of(weather).volumes()
    sign = Path(volume["Mountpoint"], "fine")
    sign.write_text("yes")
    assert weather.api.wait("web", "running")["reason"] == "healthy"
    url = weather.api.url_of("web")
    assert fetch(weather, f"{url}/files/fine").text == "yes"
    sign.unlink()
    assert "404" in weather.api.wait("web", "unhealthy")["reason"]
    assert fetch(weather, url).ok, "the endpoint still leads to it: an answer may be better than none"
    sign.write_text("again")
    assert weather.api.wait("web", "running")["reason"] == "healthy"
    assert weather.containers() == [container]
    weather.agents[0].kill()
    weather.agents[0].start()
    weather.wait_node("node-1")
    assert weather.api.wait("web", "running")["reason"] == "healthy"


def test_stopping_and_removing_a_container_that_ignores_its_signal(weather: Cloud) -> None:
    weather.api.deploy("custom", "stubborn", params=WEB | {"env": {"WEB_IGNORE_TERM": "1"}})
    weather.api.deploy("custom", "slow", params=WEB | {"env": {"WEB_TERM_DELAY_MS": "7000"}})
    for name in ("stubborn", "slow"):
        weather.api("POST", f"/api/v1/workloads/{name}/stop")
        weather.api.wait(name, "stopping")
    weather.api("POST", "/api/v1/workloads/slow/start")  # while it is still stopping
    weather.api("DELETE", "/api/v1/workloads/stubborn")
    weather.api.wait("slow", "running")
    wait_until(lambda: weather.api.names() == ["slow"], "the stubborn one is gone")
    assert len(weather.containers()) == 1


def test_changes_of_mind_in_a_row_end_with_the_last_one(weather: Cloud) -> None:
    """Stop during start, start during stop, restart upon restart, removal in the middle of anything."""
    for name in ("a", "b", "c"):
        weather.api.deploy("custom", name, wait=False, params=WEB)
    weather.api("POST", "/api/v1/workloads/a/stop")
    weather.api("DELETE", "/api/v1/workloads/b")
    for action in ("stop", "start", "restart", "restart", "stop", "start"):
        weather.api("POST", f"/api/v1/workloads/c/{action}")
    weather.api.wait("a", "stopped")
    weather.api.wait("c", "running")
    wait_until(lambda: sorted(weather.api.names()) == ["a", "c"], "b is gone")
    running = [each for each in engine_of(weather).containers() if each["State"] == "running"]
    assert [each["Labels"]["lattice.workload.name"] for each in running] == ["c"]
    assert len(weather.containers()) <= 2


# ---- what is not ours


def test_what_others_have_on_the_engine_is_never_touched(weather: Cloud) -> None:
    engine = engine_of(weather)
    foreign = engine.run_container(IMAGE, options=("--name", "foreign", "--label", "other.allocation=x", "-v", "theirs:/data"))
    lookalike = engine.run_container(IMAGE, options=("--label", "lattice.node=another-node", "--label", "lattice.allocation=other"))
    engine.docker("network", "create", "theirs")
    try:
        weather.api.deploy("custom", "web", wait=False, params=WEB | {"volumes": ["data:/data"]})
        weather.api.wait("web", "running")
        name = engine.api("GET", f"/containers/{ours(weather, 'web')}/json")["Name"].lstrip("/")
        # A container of somebody else takes the name that ours has to have.
        weather.cli("stop", "web")
        engine.docker("rm", ours(weather, "web"))
        thief = engine.run_container(IMAGE, options=("--name", name))
        weather.api("POST", "/api/v1/workloads/web/start")
        failed = weather.api.wait("web", "failed")
        assert name in failed["reason"] and "taken" in failed["reason"], failed["reason"]
        thief.remove()
        weather.api.wait("web", "running")
        weather.api.remove("web")
        weather.agents[0].kill()
        weather.agents[0].start()
        weather.wait_node("node-1")
        for each in (foreign, lookalike):
            assert each.inspect()["State"]["Running"]
        assert "theirs" in json.dumps(engine.volumes(ours=False)) and "theirs" in json.dumps(engine.networks(ours=False))
    finally:
        for each in (foreign, lookalike):
            each.remove()
        engine.docker("network", "rm", "theirs")
        engine.docker("volume", "rm", "theirs")


def ours(cloud: Cloud, name: str) -> str:
    return next(each["Id"] for each in engine_of(cloud).containers() if each["Labels"].get("lattice.workload.name") == name)
