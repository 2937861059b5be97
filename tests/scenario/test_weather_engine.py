"""Bad weather on the engine: stopped, killed, frozen, restarted, while workloads run and while one is deployed.

Whatever happens, the node and its workloads say why they are away, and come back by themselves: with their data, in one container.
"""

from collections.abc import Callable

import psycopg2
import pytest

from support.bed import Bed
from support.cloud import Cloud
from support.engine import Engine
from support.postgres import ask, ask_until
from support.waiting import wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}


@pytest.fixture(scope="module", autouse=True)
def images(bed: Bed) -> None:
    bed.registry.ensure("postgres")


def engine_of(cloud: Cloud) -> Engine:
    return cloud.agents[0].engine


def away(cloud: Cloud, name: str) -> None:
    """The node and a workload on it say that the engine is gone."""
    cloud.wait_node("node-1", "engine_down")
    assert cloud.node("node-1")["reason"], "a node that is away says why"
    shown = cloud.api.wait(name, "unreachable")
    assert "node-1" in shown["reason"] and "ngine" in shown["reason"], shown["reason"]


@pytest.mark.parametrize("hurt", [Engine.stop, Engine.kill], ids=["stopped", "killed"])
def test_a_database_outlives_its_engine(weather: Cloud, hurt: Callable[[Engine], None]) -> None:
    url = weather.api.deploy("postgres", "db")["endpoints"][0]["url"]
    ask(url, "create table kept as select 42 as x")
    hurt(engine_of(weather))
    away(weather, "db")
    with pytest.raises(psycopg2.OperationalError):
        ask(url, "select 1")
    # What is deployed meanwhile waits, and says for what.
    weather.api.deploy("custom", "later", wait=False, params=WEB)
    pending = weather.api.wait("later", "pending")
    assert "node-1" in pending["reason"] or "node" in pending["reason"], pending

    engine_of(weather).start()
    weather.wait_node("node-1")
    assert ask_until(url, "select x from kept") == [(42,)]
    assert weather.api.wait("db", "running")["endpoints"][0]["url"] == url
    weather.api.wait("later", "running")
    assert len(weather.containers()) == 2


def test_a_frozen_engine_is_away_and_goes_on_where_it_was(weather: Cloud) -> None:
    url = weather.api.deploy("postgres", "db")["endpoints"][0]["url"]
    ask(url, "create table kept as select 42 as x")
    containers = weather.containers()
    engine_of(weather).pause()
    weather.api.deploy("custom", "meanwhile", wait=False, params=WEB)  # before anybody knows
    weather.api.deploy("custom", "removed", wait=False, params=WEB)
    away(weather, "db")
    weather.api("DELETE", "/api/v1/workloads/removed")
    engine_of(weather).resume()
    weather.wait_node("node-1")
    weather.api.wait("db", "running")
    assert ask_until(url, "select x from kept") == [(42,)]
    weather.api.wait("meanwhile", "running")
    wait_until(lambda: "removed" not in weather.api.names(), "it is removed")
    assert len(weather.containers()) == 2 and set(containers) < set(weather.containers())


@pytest.mark.parametrize("hurt", [Engine.kill, Engine.stop], ids=["killed", "stopped"])
def test_an_engine_that_goes_in_the_middle_of_deploys(weather: Cloud, hurt: Callable[[Engine], None]) -> None:
    names = [f"web-{i}" for i in range(6)]
    for name in names[:3]:
        weather.api.deploy("custom", name, wait=False, params=WEB)
    wait_until(lambda: len(engine_of(weather).containers()) >= 1, "the first container is made", interval_s=0.01)
    hurt(engine_of(weather))
    for name in names[3:]:
        weather.api.deploy("custom", name, wait=False, params=WEB)
    weather.wait_node("node-1", "engine_down")
    engine_of(weather).start()
    for name in names:
        weather.api.wait(name, "running")
    assert len(weather.containers()) == len(names)


def test_removal_and_stop_wait_for_an_engine_that_is_away(weather: Cloud) -> None:
    for name in ("removed", "stopped", "kept"):
        weather.api.deploy("custom", name, params=WEB | {"volumes": ["data:/data"]})
    engine_of(weather).kill()
    away(weather, "kept")
    weather.api("DELETE", "/api/v1/workloads/removed")
    weather.api("POST", "/api/v1/workloads/stopped/stop")
    for name, status in (("removed", "removing"), ("stopped", "stopping")):
        weather.api.wait(name, status)
        wait_until(lambda name=name: "node-1" in weather.api.show(name)["reason"], "it says what it waits for")
    engine_of(weather).start()
    wait_until(lambda: "removed" not in weather.api.names(), "it is removed")
    weather.api.wait("stopped", "stopped")
    weather.api.wait("kept", "running")
    assert len(weather.containers()) == 2 and len(engine_of(weather).volumes()) == 2
