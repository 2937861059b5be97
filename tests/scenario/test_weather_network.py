"""Bad weather between console and nodes: links that are cut, reset and lossy; nodes that go while others stay.

A cut link stops nothing: what runs goes on, what is wanted meanwhile happens afterwards.
"""

from collections.abc import Iterator

import pytest
import requests

from support.bed import Bed, BedNode
from support.cloud import Cloud, pause
from support.engine import Container
from support.waiting import wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
CUT_S = 60


@pytest.fixture(scope="module")
def spread_cloud(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, list[BedNode]]]:
    """A console in the middle and two nodes, each behind a cable of its own."""
    bed.registry.ensure("web")
    both = bed.nodes(2)
    made = Cloud(tmp_path_factory.mktemp("spread"), bed.network.address).start()
    try:
        for number, node in enumerate(both, 1):
            made.join(node.engine, f"node-{number}", node.place.namespace)
        yield made, both
        made.stop()
    finally:
        made.kill()
        for node in both:
            node.place.heal()
            node.engine.wipe()


@pytest.fixture
def spread(spread_cloud: tuple[Cloud, list[BedNode]]) -> Iterator[tuple[Cloud, list[BedNode]]]:
    cloud, both = spread_cloud
    yield cloud, both
    for node in both:
        node.place.heal()
    cloud.clear_up()


def get(cloud: Cloud, url: str) -> requests.Response:
    return requests.get(url, verify=str(cloud.console.authority), timeout=20)  # what is lost on the way is asked for again


def answers(cloud: Cloud, url: str) -> None:
    wait_until(lambda: get(cloud, url).ok, f"{url} answers", tolerate=(requests.RequestException,))


def node_of(cloud: Cloud, name: str) -> int:
    """The index of the node on which the only instance runs."""
    (allocation,) = cloud.api.show(name)["allocations"]
    return int(allocation["node"].removeprefix("node-")) - 1


def started_at(node: BedNode, container: str) -> str:
    return Container(node.engine, container).inspect()["State"]["StartedAt"]


def test_a_link_that_is_cut_for_a_minute(spread: tuple[Cloud, list[BedNode]]) -> None:
    cloud, both = spread
    url = cloud.api.deploy("custom", "web", params=WEB)["endpoints"][0]["url"]
    index = node_of(cloud, "web")
    node, other = both[index], both[1 - index]
    (before,) = [each["Id"] for each in node.engine.containers()]
    started = started_at(node, before)
    other.engine.stop()  # so that what is deployed meanwhile has to wait
    cloud.wait_node(f"node-{2 - index}", "engine_down")
    node.place.cut()
    cut_for = 0
    cloud.wait_node(f"node-{index + 1}", "unreachable")
    away = cloud.api.wait("web", "unreachable")
    assert f"node-{index + 1}" in away["reason"] and len(away["reason"]) > len("node node-1: "), away["reason"]
    assert Container(node.engine, before).inspect()["State"]["Running"], "what runs goes on"
    with pytest.raises(requests.RequestException):
        get(cloud, url)

    cloud.api.deploy("custom", "meanwhile", wait=False, params=WEB)
    assert "node" in cloud.api.wait("meanwhile", "pending")["reason"]
    cloud.api("POST", "/api/v1/workloads/meanwhile/scale", {"count": 2})
    while cut_for < CUT_S - 20:  # it took about twenty seconds until it was noticed
        pause(5)
        cut_for += 5
        assert cloud.api.show("web")["status"] == "unreachable"
    node.place.heal()
    cloud.api.wait("web", "running")
    answers(cloud, url)
    assert cloud.api.url_of("web") == url
    shown = cloud.api.wait("meanwhile", "running")
    assert len(shown["allocations"]) == 2
    assert len(node.engine.containers()) == 3
    assert started_at(node, before) == started, "the container was neither replaced nor restarted"


def test_connections_that_are_reset_and_packets_that_are_lost(spread: tuple[Cloud, list[BedNode]]) -> None:
    cloud, both = spread
    url = cloud.api.deploy("custom", "web", params=WEB, count=2)["endpoints"][0]["url"]
    before = cloud.containers()
    for node in both:
        node.place.reset_connections()
    for name in ("node-1", "node-2"):
        cloud.wait_node(name, "unreachable")
    cloud.api.wait("web", "unreachable")
    for node in both:
        node.place.heal()
        node.place.lose(0.2)
    cloud.api.wait("web", "running")  # over a lossy line
    cloud.api.deploy("custom", "lossy", params=WEB)
    wait_until(lambda: len(get(cloud, f"{url}/bytes?n=200000").content) == 200_000, "bytes pass", tolerate=(requests.RequestException,))
    for node in both:
        node.place.heal()
    answers(cloud, url)
    cloud.api.wait("web", "running")
    assert set(before) < set(cloud.containers()) and len(cloud.containers()) == 3


def test_two_instances_spread_and_one_goes_on_without_the_other(spread: tuple[Cloud, list[BedNode]]) -> None:
    cloud, both = spread
    url = cloud.api.deploy("custom", "web", params=WEB, count=2)["endpoints"][0]["url"]
    assert [len(node.engine.containers()) for node in both] == [1, 1]
    before = cloud.containers()

    def who_answers() -> set[str]:
        return {get(cloud, f"{url}/hostname").text for _ in range(4)}

    wait_until(lambda: who_answers() == {each[:12] for each in before}, "both answer, in turn", tolerate=(requests.RequestException,))

    both[0].engine.kill()
    cloud.wait_node("node-1", "engine_down")
    away = cloud.api.wait("web", "unreachable")
    assert "node-1" in away["reason"]
    assert sorted(each["status"] for each in away["allocations"]).count("running") >= 1
    for _ in range(4):
        answers(cloud, url)
    late = cloud.api.deploy("custom", "late", params=WEB)
    assert late["allocations"][0]["node"] == "node-2"
    both[0].engine.start()
    cloud.api.wait("web", "running")
    cloud.api.remove("late")
    assert cloud.containers() == before


def test_a_workload_that_is_removed_while_its_node_is_away(spread: tuple[Cloud, list[BedNode]]) -> None:
    cloud, both = spread
    cloud.api.deploy("custom", "web", params=WEB | {"volumes": ["data:/data"]})
    cloud.api.deploy("custom", "kept", params=WEB | {"volumes": ["data:/data"]})
    node, agent = both[node_of(cloud, "web")], cloud.agents[node_of(cloud, "web")]
    agent.kill()
    cloud.wait_node(agent.node, "unreachable")
    cloud.api("DELETE", "/api/v1/workloads/web")
    wait_until(lambda: agent.node in cloud.api.show("web")["reason"], "it says what it waits for")
    assert cloud.api.show("web")["status"] == "removing"
    done = cloud.cli("rm", "web", "--wait-timeout", "2s", check=False)
    assert done.returncode not in (0, 2), done
    cloud.console.kill()
    cloud.console.start()
    assert cloud.api.show("web")["status"] == "removing", "that it is wanted away is not forgotten"
    agent.start()
    wait_until(lambda: cloud.api.names() == ["kept"], "it is removed")
    cloud.api.wait("kept", "running")
    assert len(cloud.containers()) == 1 and sum(len(each.engine.volumes()) for each in both) == 1
    assert node.engine.networks(), "the node's network stays"


def test_scaling_while_a_node_is_away_goes_to_the_other(spread: tuple[Cloud, list[BedNode]]) -> None:
    cloud, both = spread
    cloud.api.deploy("custom", "web", params=WEB)
    index = node_of(cloud, "web")
    cloud.agents[index].kill()
    cloud.wait_node(f"node-{index + 1}", "unreachable")
    cloud.api("POST", "/api/v1/workloads/web/scale", {"count": 2})
    wait_until(lambda: len(both[1 - index].engine.containers()) == 1, "the second instance is made on the other node")
    cloud.agents[index].start()
    assert len(cloud.api.wait("web", "running")["allocations"]) == 2
    assert [len(node.engine.containers()) for node in both] == [1, 1]
