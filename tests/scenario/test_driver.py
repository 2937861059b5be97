"""The agent's Docker driver against real engines: what it makes, what it leaves alone, and what it says when things go wrong."""

import os
import queue
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from support.bed import Bed
from support.command import CommandFailed, run
from support.driver_probe import DriverError, DriverProbe
from support.engine import Container, Engine
from support.waiting import PATIENCE_S, wait_until

WEB = "lattice-test/web:1"


class Assignment:
    """A task as the driver takes it, for one workload on one node."""

    def __init__(self, name: str = "web", workload: str | None = None, ordinal: int = 0, **container: Any):
        self.allocation = str(uuid.uuid4())
        self.task = {"allocation": self.allocation, "workload": workload or str(uuid.uuid4()), "workload_name": name, "project": str(uuid.uuid4()),
                     "project_name": "default", "request_id": "request-1", "ordinal": ordinal, "digest": 1, "container": {"image": WEB, **container}}

    def changed(self, digest: int, **container: Any) -> dict[str, Any]:
        return {**self.task, "digest": digest, "container": {**self.task["container"], **container}}


@pytest.fixture
def probes(tmp_path: Path) -> Iterator[Callable[[Engine], DriverProbe]]:
    """probes(ENGINE) gives a driver of that engine that is up."""
    made: list[DriverProbe] = []

    def make(engine: Engine, node_id: str | None = None) -> DriverProbe:
        probe = DriverProbe(engine, node_id or str(uuid.uuid4()), tmp_path)
        made.append(probe)
        probe.wait_engine(up=True)
        return probe

    yield make
    for probe in made:
        probe.close()


@pytest.fixture
def driver(bed: Bed, engine: Engine, probes: Callable[[Engine], DriverProbe]) -> DriverProbe:
    bed.registry.ensure("web")
    return probes(engine)


def start(driver: DriverProbe, task: dict[str, Any]) -> dict[str, Any]:
    return driver.do("start", task=task)["status"]


def text_of(port: int, path: str = "/") -> str:
    return wait_until(lambda: requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S), path, tolerate=(requests.ConnectionError,)).text


def test_start_makes_a_container_that_answers_on_the_loopback(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment(ports=[{"name": "http", "port": 80}], env={"COLOUR": "blue"}, cpu_milli=500, memory_bytes=64 << 20, volumes=[{"name": "files", "path": "/data"}])
    status = start(driver, web.task)
    assert status["running"] and status["allocation"] == web.allocation and status["digest"] == 1
    assert "COLOUR=blue\n" in text_of(status["ports"]["http"], "/env")
    made = engine.api("GET", f"/containers/{status['container']}/json")
    assert made["Name"] == f"/lattice-web-0-{web.allocation[-8:]}"
    host = made["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (500_000_000, 64 << 20, 64 << 20, 4096)
    assert host["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert host["RestartPolicy"]["Name"] == "no" and not host["Privileged"] and host["SecurityOpt"] == ["no-new-privileges"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert {"lattice.allocation": web.allocation, "lattice.workload.name": "web", "lattice.request": "request-1"}.items() <= made["Config"]["Labels"].items()
    (volume,) = engine.volumes()
    assert volume["Name"] == f"lattice-{web.task['workload']}-0-files" and volume["Driver"] == "local" and not volume["Options"]
    (network,) = engine.networks()
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"


def test_start_pulls_what_is_missing_once_for_all_who_wait(driver: DriverProbe, engine: Engine) -> None:
    engine.docker("rmi", "-f", WEB, check=False)
    began = int(time.time())
    pending = [driver.begin("start", task=Assignment(name=f"web-{number}").task) for number in range(3)]
    for each in pending:
        assert each.result()["status"]["running"]
        assert [phase for phase, _ in each.phases][0] == "pulling" and each.phases[-1] == ("starting", "")
    pulled = engine.docker("events", "--since", str(began), "--until", str(int(time.time()) + 1), "--filter", "event=pull", "--format", "{{.Action}}")
    assert pulled.split() == ["pull"]


def test_image_that_nobody_has_is_no_image_and_leaves_nothing(driver: DriverProbe, engine: Engine) -> None:
    with pytest.raises(DriverError) as refused:
        driver.do("start", task=Assignment(image="nosuchimage:1").task)
    assert refused.value.code == "no_image" and refused.value.sentence
    assert engine.containers() == []


def test_start_again_finds_its_container_and_another_digest_replaces_it(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment(ports=[{"name": "http", "port": 80}], volumes=[{"name": "files", "path": "/data"}])
    first = start(driver, web.task)
    text_of(first["ports"]["http"])
    assert requests.put(f"http://127.0.0.1:{first['ports']['http']}/files/note", data=b"kept", timeout=PATIENCE_S).ok
    assert start(driver, web.task)["container"] == first["container"]
    driver.do("stop", allocation=web.allocation)
    stopped = driver.do("inspect", allocation=web.allocation)["status"]
    assert not stopped["running"] and stopped["exit_status"] == 0 and stopped["ports"] == {}
    again = start(driver, web.task)
    assert again["container"] == first["container"] and again["running"]
    other = start(driver, web.changed(2, env={"A": "b"}))
    assert other["container"] != first["container"] and other["digest"] == 2
    assert text_of(other["ports"]["http"], "/files/note") == "kept"
    assert len(engine.containers()) == 1


def test_what_is_there_is_recovered_by_another_driver_of_the_same_node(bed: Bed, engine: Engine, probes: Callable[..., DriverProbe]) -> None:
    bed.registry.ensure("web")
    node = str(uuid.uuid4())
    first = probes(engine, node)
    webs = [Assignment(name=f"web-{number}", ports=[{"name": "http", "port": 80}]) for number in range(3)]
    made = {start(first, web.task)["container"] for web in webs}
    stranger = engine.run_container(WEB)
    elsewhere = probes(engine)
    assert elsewhere.do("list")["list"] == []
    start(elsewhere, Assignment().task)
    second = probes(engine, node)
    assert {each["container"] for each in second.do("list")["list"]} == made
    assert start(second, webs[0].task)["container"] in made
    assert stranger.inspect()["State"]["Running"]


def test_taken_name_is_an_error_and_its_container_is_left_alone(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment()
    foreign = engine.run_container(WEB, options=("--name", f"lattice-web-0-{web.allocation[-8:]}"))
    with pytest.raises(DriverError) as refused:
        start(driver, web.task)
    assert refused.value.code == "engine" and "taken" in refused.value.sentence
    assert foreign.inspect()["State"]["Running"]


def test_remove_takes_volumes_unless_they_are_kept(driver: DriverProbe, engine: Engine) -> None:
    workload = str(uuid.uuid4())
    kept = Assignment(workload=workload, volumes=[{"name": "data", "path": "/data"}])
    other = Assignment(workload=workload, ordinal=1, volumes=[{"name": "data", "path": "/data"}])
    start(driver, kept.task)
    start(driver, other.task)
    driver.do("remove", allocation=kept.allocation, keep_data=True)
    assert len(engine.containers()) == 1 and len(engine.volumes()) == 2
    successor = Assignment(workload=workload, volumes=[{"name": "data", "path": "/data"}])
    start(driver, successor.task)
    driver.do("remove", allocation=successor.allocation)
    assert [each["Name"] for each in engine.volumes()] == [f"lattice-{workload}-1-data"]
    driver.do("remove", allocation=successor.allocation)
    driver.do("remove", allocation=other.allocation)
    assert engine.containers() == engine.volumes() == []


def test_volumes_are_removed_although_the_container_went_first(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment(volumes=[{"name": "data", "path": "/data"}])
    engine.docker("rm", "-f", start(driver, web.task)["container"])
    driver.do("remove", allocation=web.allocation)
    assert engine.volumes() == []


def test_end_of_a_container_is_told_and_its_reason_is_seen(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment(ports=[{"name": "http", "port": 80}])
    status = start(driver, web.task)
    text_of(status["ports"]["http"])
    requests.get(f"http://127.0.0.1:{status['ports']['http']}/exit?status=7", timeout=PATIENCE_S)
    driver.wait_event(lambda event: event.get("allocation") == web.allocation)
    ended = driver.do("inspect", allocation=web.allocation)["status"]
    assert not ended["running"] and ended["exit_status"] == 7 and not ended["out_of_memory"]
    engine.docker("start", status["container"])
    driver.wait_event(lambda event: event.get("allocation") == web.allocation)
    engine.docker("kill", status["container"])
    driver.wait_event(lambda event: event.get("allocation") == web.allocation)
    wait_until(lambda: driver.do("inspect", allocation=web.allocation)["status"]["exit_status"] == 137, "its end is seen")


def test_own_operations_are_not_told_as_news(driver: DriverProbe) -> None:
    web = Assignment()
    start(driver, web.task)
    for _ in range(4):
        driver.do("restart", allocation=web.allocation)
    for _ in range(4):
        driver.wait_event(lambda event: event.get("allocation") == web.allocation)  # an end is news, whoever caused it
    with pytest.raises(queue.Empty):
        driver.events.get(timeout=0.3)


def test_restart_gives_a_running_container_and_the_ports_it_has_now(driver: DriverProbe) -> None:
    web = Assignment(ports=[{"name": "http", "port": 80}])
    first = start(driver, web.task)
    second = driver.do("restart", allocation=web.allocation)["status"]
    assert second["running"] and second["container"] == first["container"] and second["started_at"] > first["started_at"]
    assert text_of(second["ports"]["http"]).startswith("hello")


def test_stop_waits_no_longer_than_the_container_asks_for(driver: DriverProbe) -> None:
    web = Assignment(env={"WEB_IGNORE_TERM": "1"}, stop_timeout_s=1)
    start(driver, web.task)
    began = time.monotonic()
    driver.do("stop", allocation=web.allocation)
    assert 0.9 < time.monotonic() - began < 10, "ten seconds is what the engine gives who says nothing"
    assert driver.do("inspect", allocation=web.allocation)["status"]["exit_status"] == 137


def test_logs_are_read_and_followed(driver: DriverProbe) -> None:
    web = Assignment(command=["--lines-per-second", "50", "--line-bytes", "60"])
    start(driver, web.task)
    follow = driver.begin("logs", allocation=web.allocation, follow=True)
    text = ""
    while "line 60 " not in text:
        text += follow.next()["data"]
    numbers = [int(line.split()[1]) for line in text.splitlines() if line.startswith("line ") and len(line) == 60]
    assert numbers[:60] == list(range(1, 61))
    last = driver.begin("logs", allocation=web.allocation, tail=3, timestamps=True)
    tail = ""
    while "end" not in (answer := last.next()):
        tail += answer["data"]
    lines = tail.splitlines()
    assert len(lines) == 3 and lines[0].startswith("20") and "Z line " in lines[0]
    driver.do("stop", allocation=web.allocation)
    while "end" not in (answer := follow.next()):
        assert "data" in answer


def test_the_log_of_one_container_is_not_that_of_the_next(driver: DriverProbe) -> None:
    web = Assignment()
    first = start(driver, web.task)["container"]
    second = start(driver, web.changed(2, env={"A": "b"}))["container"]
    assert second != first
    with pytest.raises(DriverError) as refused:
        driver.do("logs", allocation=web.allocation, container=first)
    assert refused.value.code == "not_found"
    own = driver.begin("logs", allocation=web.allocation, container=second, follow=True)
    wait_until(lambda: "listening" in own.next().get("data", ""), "its own log")


def test_commands_run_within_the_container(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment()
    start(driver, web.task)
    wait_until(lambda: driver.do("exec", allocation=web.allocation, command=["/web", "--probe", "/healthz"])["exit_status"] == 0, "it is healthy")
    assert driver.do("exec", allocation=web.allocation, command=["/web", "--probe", "/nosuch"])["exit_status"] == 1
    missing = driver.do("exec", allocation=web.allocation, command=["/nosuch"])
    assert missing["exit_status"] in (126, 127) and "nosuch" in missing["output"]
    driver.do("stop", allocation=web.allocation)
    with pytest.raises(DriverError) as refused:
        driver.do("exec", allocation=web.allocation, command=["/web"])
    assert refused.value.code == "conflict"
    with pytest.raises(DriverError) as refused:
        driver.do("exec", allocation=str(uuid.uuid4()), command=["/web"])
    assert refused.value.code == "not_found"


def test_stats_and_facts_are_plausible(driver: DriverProbe) -> None:
    web = Assignment(memory_bytes=64 << 20)
    start(driver, web.task)
    stats = driver.do("stats", allocation=web.allocation)
    assert 0 <= stats["cpu_percent"] < 400 and 0 < stats["memory_bytes"] < 64 << 20 and stats["memory_limit_bytes"] == 64 << 20 and stats["pids"] >= 1
    facts = driver.do("facts")
    assert facts["engine_version"].startswith("20.10") and facts["architecture"] in ("amd64", "arm64") and facts["cpu_milli"] >= 1000
    assert facts["disk_bytes"] > facts["disk_free_bytes"] > 0 and facts["memory_bytes"] > 1 << 30
    unlimited = Assignment()
    start(driver, unlimited.task)
    assert driver.do("stats", allocation=unlimited.allocation)["memory_limit_bytes"] == 0


def test_what_would_open_the_node_is_refused_here_too(driver: DriverProbe, engine: Engine) -> None:
    for setting in ({"privileged": True}, {"network_mode": "host"}, {"volumes": [{"name": "/etc", "path": "/data"}]}, {"cap_add": ["SYS_ADMIN"]}):
        with pytest.raises(DriverError) as refused:
            start(driver, Assignment(**setting).task)
        assert refused.value.code == "not_allowed"
    assert engine.containers() == engine.volumes() == []


def test_neighbours_on_a_node_do_not_reach_each_other(driver: DriverProbe, engine: Engine) -> None:
    first = start(driver, Assignment(name="first", ports=[{"name": "http", "port": 80}]).task)
    second = start(driver, Assignment(name="second").task)
    text_of(first["ports"]["http"])
    networks = engine.api("GET", f"/containers/{first['container']}/json")["NetworkSettings"]["Networks"]
    (address,) = [network["IPAddress"] for network in networks.values()]
    pid = str(engine.api("GET", f"/containers/{second['container']}/json")["State"]["Pid"])
    assert run("curl", "--silent", f"http://{address}/").startswith("hello"), "the node itself reaches it"
    with pytest.raises(CommandFailed):
        run("nsenter", "--target", pid, "--net", "curl", "--silent", "--max-time", "2", f"http://{address}/")


def test_network_that_vanished_is_made_again(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment()
    start(driver, web.task)
    driver.do("stop", allocation=web.allocation)
    (network,) = engine.networks()
    engine.docker("network", "rm", network["Id"])
    assert start(driver, web.task)["running"]
    assert start(driver, Assignment().task)["running"]
    assert len(engine.networks()) == 1 and len(engine.containers()) == 2


def test_engine_that_restarts_is_found_again(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment()
    start(driver, web.task)
    engine.stop()
    down = driver.wait_engine(up=False)
    assert down["error"]["code"] == "engine_down"
    with pytest.raises(DriverError) as refused:
        driver.do("inspect", allocation=web.allocation)
    assert refused.value.code == "engine_down"
    engine.start()
    driver.wait_engine(up=True)
    assert not driver.do("inspect", allocation=web.allocation)["status"]["running"]
    assert start(driver, web.task)["running"]


def test_engine_that_is_killed_is_noticed_at_once(driver: DriverProbe, engine: Engine) -> None:
    web = Assignment(env={"WEB_IGNORE_TERM": "1"}, stop_timeout_s=600)
    container = Container(engine, start(driver, web.task)["container"])
    wait_until(lambda: "listening" in container.logs(), "it hears signals")
    stop = driver.begin("stop", allocation=web.allocation)
    wait_until(lambda: "SIGTERM" in container.logs(), "it is being stopped")
    process = container.inspect()["State"]["Pid"]
    engine.kill()
    os.kill(process, signal.SIGKILL)  # the engine would wait for it when it starts again
    with pytest.raises(DriverError) as refused:
        stop.result()  # long before the ten minutes that the stop may take
    assert refused.value.code == "engine_down"
    driver.wait_engine(up=False)


@pytest.fixture
def small_engine(bed: Bed) -> Iterator[Engine]:
    """An engine whose disk holds 64 MB."""
    place = bed.network.add_node()
    engine = Engine(bed.folder / "small", bed.registry.mirror(place.gateway), place.namespace)
    data = engine.state / "data"
    data.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data)
    engine.start()
    yield engine
    engine.stop()
    run("umount", data, check=False)  # stopping it has unmounted what it used


def test_full_disk_while_pulling_is_no_space(bed: Bed, small_engine: Engine, probes: Callable[[Engine], DriverProbe]) -> None:
    bed.registry.ensure("postgres")
    driver = probes(small_engine)
    with pytest.raises(DriverError) as refused:
        driver.do("start", task=Assignment(image="postgres:15").task)
    assert refused.value.code == "no_space", refused.value


def test_shipped_types_images_run_with_the_rights_that_are_left(bed: Bed, engine: Engine, probes: Callable[[Engine], DriverProbe]) -> None:
    bed.registry.ensure("postgres", "redis", "nginx")
    driver = probes(engine)
    database = Assignment(name="db", image="postgres:15", env={"POSTGRES_PASSWORD": "x"}, volumes=[{"name": "data", "path": "/var/lib/postgresql/data"}])
    cache = Assignment(name="cache", image="redis:7", volumes=[{"name": "data", "path": "/data"}], memory_bytes=64 << 20)
    page = Assignment(name="page", image="nginx:1.22", ports=[{"name": "http", "port": 80}])

    def ends_well(assignment: Assignment, *command: str) -> bool:
        return driver.do("exec", allocation=assignment.allocation, command=list(command))["exit_status"] == 0

    for each in (database, cache, page):
        start(driver, each.task)
    wait_until(lambda: ends_well(database, "pg_isready", "-h", "127.0.0.1"), "PostgreSQL is ready")
    wait_until(lambda: ends_well(cache, "redis-cli", "ping"), "Redis answers")
    assert "nginx" in text_of(driver.do("inspect", allocation=page.allocation)["status"]["ports"]["http"])


def test_many_starts_and_removals_leave_nothing_behind(driver: DriverProbe, engine: Engine) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{driver.pid}/fd").iterdir()))

    for number in range(12):
        batch = [Assignment(name=f"web-{each}", ports=[{"name": "http", "port": 80}], volumes=[{"name": "data", "path": "/data"}]) for each in range(3)]
        for pending in [driver.begin("start", task=web.task) for web in batch]:
            pending.result()
        for pending in [driver.begin("remove", allocation=web.allocation) for web in batch]:
            pending.result()
        if number == 3:
            before = descriptors()
    assert engine.containers(ours=False) == engine.volumes(ours=False) == [] and not engine.published_ports()
    wait_until(lambda: descriptors() <= before, f"no more than {before} descriptors: spare connections are closed after a while")
