"""Bad weather on our own programs: SIGKILL at any instant of a deploy. In the end: one workload, one container, running."""

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from support.cloud import Api, Cloud, Program, pause
from support.gate import Gate
from support.waiting import PATIENCE_S, wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
ROUNDS = 10
LATEST_MS = 400  # a deploy of a pulled image is over by then

def post_until_answered(api: Api, name: str, params: dict) -> requests.Response:
    """What a careful client does: one key for all attempts, and again until there is an answer that is final."""
    key = str(uuid.uuid4())
    body = {"type": "custom", "name": name, "params": params}

    def attempt() -> requests.Response | None:
        answer = requests.post(api.url + "/api/v1/workloads", json=body, verify=str(api.authority), timeout=PATIENCE_S,
                               headers={"Idempotency-Key": key, "Authorization": api.session.headers["Authorization"]})
        return None if answer.status_code >= 500 else answer

    return wait_until(attempt, f"{name} is accepted", tolerate=(requests.ConnectionError, requests.Timeout))


def deploy_and_hurt(cloud: Cloud, name: str, hurt: Callable[[], None], delay_ms: float) -> None:
    with ThreadPoolExecutor() as pool:
        deploy = pool.submit(post_until_answered, cloud.api, name, WEB)
        pause(delay_ms / 1000)
        hurt()
        answer = deploy.result()
    assert answer.status_code == 201, f"killed after {delay_ms:.0f} ms: {answer.status_code} {answer.text}"


def again(program: Program) -> Callable[[], None]:
    def hurt() -> None:
        program.kill()
        program.start()  # type: ignore[attr-defined]

    return hurt


def expect_one_each(cloud: Cloud, names: list[str]) -> None:
    for name in names:
        cloud.api.wait(name, "running")
    assert sorted(cloud.api.names()) == sorted(names)
    engine = cloud.agents[0].engine
    owners = sorted(each["Labels"]["lattice.workload.name"] for each in engine.containers())
    assert owners == sorted(names), "one container each, and no other"
    for name in names:
        url = cloud.api.url_of(name)
        wait_until(lambda url=url: requests.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S).ok, url,
                   tolerate=(requests.ConnectionError,))


@pytest.mark.parametrize("whom", ["console", "agent", "both"])
def test_a_kill_at_any_instant_of_a_deploy_leaves_one_of_each(weather: Cloud, whom: str) -> None:
    programs = {"console": [weather.console], "agent": [weather.agents[0]], "both": [weather.agents[0], weather.console]}[whom]
    delays = [LATEST_MS * (i + random.random()) / ROUNDS for i in range(ROUNDS)]
    random.shuffle(delays)
    names = []
    for i, delay_ms in enumerate(delays):
        names.append(f"web-{i}")

        def hurt() -> None:
            for program in programs:
                program.kill()
            for program in reversed(programs):
                program.start()  # type: ignore[attr-defined]

        deploy_and_hurt(weather, names[-1], hurt, delay_ms)
    weather.wait_node("node-1")
    expect_one_each(weather, names)


def test_kills_in_the_middle_of_other_changes_lose_none_of_them(weather: Cloud) -> None:
    """Stop, start, restart, scale and remove, each with the console or the agent killed right after it was acknowledged."""
    api = weather.api
    for name in ("stopped", "scaled", "removed", "restarted"):
        api.deploy("custom", name, params=WEB)
    changes = [("POST", "/api/v1/workloads/stopped/stop", None), ("POST", "/api/v1/workloads/scaled/scale", {"count": 3}),
               ("DELETE", "/api/v1/workloads/removed", None), ("POST", "/api/v1/workloads/restarted/restart", None)]
    for i, (method, path, body) in enumerate(changes):
        api(method, path, body)
        again([weather.console, weather.agents[0]][i % 2])()
    weather.wait_node("node-1")
    api.wait("stopped", "stopped")
    api.wait("restarted", "running")
    assert len(api.wait("scaled", "running")["allocations"]) == 3
    wait_until(lambda: "removed" not in api.names(), "it is removed")
    api("POST", "/api/v1/workloads/stopped/start")
    api("POST", "/api/v1/workloads/scaled/scale", {"count": 1})
    wait_until(lambda: len(weather.containers()) == 3, "two instances are gone")
    expect_one_each(weather, ["stopped", "scaled", "restarted"])


def test_an_agent_that_is_killed_while_it_pulls(slow_pulls: tuple[Cloud, Gate]) -> None:
    cloud, gate = slow_pulls
    gate.shut(trickle=True)
    for name in ("cache", "gone"):
        cloud.api.deploy("redis", name, wait=False)
        cloud.api.wait(name, "pulling")
    agent = cloud.agents[0]
    agent.kill()
    cloud.api.wait("cache", "unreachable")
    cloud.api("DELETE", "/api/v1/workloads/gone")
    agent.start()
    cloud.wait_node("node-1")
    cloud.api.wait("cache", "pulling")
    agent.kill()
    agent.start()
    gate.open()
    cloud.api.wait("cache", "running")
    wait_until(lambda: cloud.api.names() == ["cache"], "the other one is gone")
    assert len(cloud.containers()) == 1


def test_what_runs_goes_on_without_console_and_agent(weather: Cloud) -> None:
    """The console is away for a while: containers run on, and so does what the agent does for them."""
    url = weather.api.deploy("custom", "web", params=WEB)["endpoints"][0]["url"]
    engine = weather.agents[0].engine
    (container,) = weather.containers()
    started = engine.api("GET", f"/containers/{container}/json")["State"]["StartedAt"]
    weather.console.kill()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, verify=str(weather.console.authority), timeout=PATIENCE_S)
    engine.docker("kill", container)  # the agent starts it again by itself
    wait_until(lambda: engine.api("GET", f"/containers/{container}/json")["State"]["Running"], "the agent starts it again")
    weather.agents[0].kill()
    weather.agents[0].start()  # without a console: it knows from its journal what is wanted
    engine.docker("kill", container)
    wait_until(lambda: engine.api("GET", f"/containers/{container}/json")["State"]["Running"], "and again")
    weather.console.start()
    weather.wait_node("node-1")
    weather.api.wait("web", "running")
    assert weather.containers() == [container]
    assert engine.api("GET", f"/containers/{container}/json")["State"]["StartedAt"] != started
    answer = wait_until(lambda: requests.get(url, verify=str(weather.console.authority), timeout=PATIENCE_S), url, tolerate=(requests.ConnectionError,))
    assert answer.ok and weather.api.url_of("web") == url


def test_connections_of_clients_survive_what_does_not_concern_them(weather: Cloud) -> None:
    """A request under way at one workload goes on while others come and go."""
    url = weather.api.deploy("custom", "web", params=WEB | {"health": "http:/"})["endpoints"][0]["url"]
    with requests.Session() as session, ThreadPoolExecutor() as pool:
        slow = pool.submit(session.get, f"{url}/sleep?ms=3000", verify=str(weather.console.authority), timeout=PATIENCE_S)
        for i in range(3):
            weather.api.deploy("custom", f"other-{i}", params=WEB)
            weather.api.remove(f"other-{i}")
        assert slow.result().ok
