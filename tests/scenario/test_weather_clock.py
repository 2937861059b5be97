"""The wall clock jumps, on the console's machine and on the node's: nothing expires by it, nothing is cut off, nothing is removed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from support.clock import WallClock
from support.cloud import Api, Cloud
from support.engine import Engine
from support.waiting import PATIENCE_S, wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def cloud(engine: Engine, tmp_path: Path, clock: WallClock) -> Iterator[Cloud]:
    """As the cloud of the other tests, with both programs under the clock."""
    made = Cloud(tmp_path)
    made.console.environment = clock.environment()
    made.start()
    try:
        made.join(engine, environment=clock.environment())
        yield made
        made.stop()
    finally:
        made.kill()


def signing_request(folder: Path) -> str:
    done = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-subj", "/CN=stranger", "-keyout", str(folder / "stranger.pem")], capture_output=True, text=True, check=True)
    return done.stdout


def lines_about(cloud: Cloud, message: str) -> int:
    return sum(line["message"].startswith(message) for line in cloud.console.lines())


def links(cloud: Cloud) -> int:
    return lines_about(cloud, "a node is linked")


@pytest.mark.parametrize("days", [365, -365, 3650])
def test_a_jump_expires_nothing(cloud: Cloud, clock: WallClock, days: int) -> None:
    shown = cloud.api.deploy("custom", "web", params=WEB)
    token = cloud.api("POST", "/api/v1/tokens", {"name": "ci", "life": "1h"})["token"]
    join_token = cloud.api("POST", "/api/v1/join-tokens", {"life": "1h"})["token"]
    once = {"json": {"name": "once"}, "headers": {"Idempotency-Key": "only-once"}}
    first = cloud.api.session.post(f"{cloud.console.url}/api/v1/tokens", **once).json()
    containers = cloud.containers()
    url = cloud.api.url_of("web")
    linked = links(cloud)

    clock.jump(days)

    def everything_is_as_it_was() -> None:
        assert cloud.api("GET", "/api/v1/me")["user"] == "admin"  # the token of a person
        robot = Api(cloud.console.url, cloud.console.authority, token)
        assert robot("GET", "/api/v1/workloads/web")["endpoints"] == shown["endpoints"]
        assert cloud.api.session.post(f"{cloud.console.url}/api/v1/tokens", **once).json() == first
        assert cloud.containers() == containers
        wait_until(lambda: requests.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S).ok, "the address answers",
                   tolerate=(requests.RequestException,))

    everything_is_as_it_was()
    assert Api(cloud.console.url, cloud.console.authority).login("admin", cloud.console.password())("GET", "/api/v1/me")
    wait_until(lambda: lines_about(cloud, "the system's clock has jumped") == 1, "the console says that it has seen it")
    assert links(cloud) == linked and cloud.node("node-1")["status"] == "ready"  # several heartbeats later

    # What comes anew is let in: a link, a console, a node of its own.
    agent = cloud.agents[0]
    agent.stop()
    agent.start()
    wait_until(lambda: links(cloud) > linked, "the node has linked again")
    cloud.console.kill()
    cloud.console.start()
    cloud.wait_node("node-1")
    everything_is_as_it_was()
    cloud.api("POST", "/api/v1/workloads/web/restart")
    cloud.api.wait("web", "running")
    stranger = {"token": join_token, "name": "stranger", "request": signing_request(cloud.state)}
    assert cloud.api("POST", "/api/v1/join", stranger)["name"] == "stranger"

    clock.jump(0)
    cloud.wait_node("node-1")
    assert cloud.api("GET", "/api/v1/me")["user"] == "admin"
