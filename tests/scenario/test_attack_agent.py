"""A hostile console: the node gives away what it was asked to run, and nothing else of its machine."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.bed import Bed
from support.cloud import BIN, Agent
from support.engine import Engine
from support.rogue import DATA, RST, SYN, WINDOW, Closed, Wire, frame, message
from support.rogue_console import RogueConsole, ask, assignment

IMAGE = "lattice-test/web:1"
SERVED = {"image": IMAGE, "ports": [{"name": "http", "port": 80}]}
STREAMS = 3000

TAKE_OVERS: dict[str, Any] = {
    "privileged": {"privileged": True},
    "network": {"network_mode": "host"},
    "processes": {"pid_mode": "host"},
    "files": {"binds": ["/:/host"]},
    "devices": {"devices": ["/dev/sda"]},
    "capabilities": {"cap_add": ["ALL"]},
    "engine's own words": {"HostConfig": {"Privileged": True}},
    "volume that is a path": {"volumes": [{"name": "/etc", "path": "/host"}]},
    "volume that climbs": {"volumes": [{"name": "../x", "path": "/host"}]},
    "volume that is a bind": {"volumes": [{"name": "data", "path": "/run/docker.sock", "type": "bind"}]},
    "no seccomp": {"security_opt": ["seccomp=unconfined"]},
    "port for all the world": {"ports": [{"name": "a", "port": 80, "host_ip": "0.0.0.0"}]},
    "labels of ours": {"labels": {"lattice.node": "x"}},
    "image that climbs": {"image": "../../x"},
}


class Hostage:
    """A real agent that joined a rogue console."""

    def __init__(self, console: RogueConsole, agent: Agent, node_id: str, engine: Engine):
        self.console = console
        self.agent = agent
        self.node_id = node_id
        self.engine = engine

    def link(self) -> Wire:
        return self.console.link(self.node_id)

    def settle(self, wire: Wire, assignments: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        """Sends assignments and waits until each has run or failed: status and reason by allocation."""
        for each in assignments:
            wire.say(each)
        wanted = {each["allocation"] for each in assignments}
        seen: dict[str, tuple[str, str]] = {}
        while len(seen) < len(wanted):
            heard = wire.hear_until("observed")
            if heard["allocation"] in wanted and heard["status"] in ("running", "failed"):
                seen[heard["allocation"]] = (heard["status"], heard["reason"])
        return seen


@pytest.fixture(scope="module")
def hostage(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostage]:
    home = bed.home_engine()
    bed.registry.ensure("web")
    folder = tmp_path_factory.mktemp("rogue")
    console = RogueConsole(folder / "console", BIN)
    agent = Agent(folder, "node-1", console, home)
    agent.start(console.join_token())
    try:
        yield Hostage(console, agent, console.admit(), home)
        agent.stop()
    finally:
        if agent.runs():
            agent.kill()
        console.close()
        home.wipe()


def test_rubbish_costs_the_link_and_the_agent_dials_again(hostage: Hostage) -> None:
    wire = hostage.link()
    try:
        wire.send(os.urandom(5000))
    except Closed:
        pass
    assert wire.is_cut()
    hostage.link().close()


def test_the_agent_itself_refuses_what_would_take_over_its_machine(hostage: Hostage) -> None:
    wire = hostage.link()
    assignments = [assignment({"image": IMAGE, **each}) for each in TAKE_OVERS.values()]
    seen = hostage.settle(wire, assignments)
    for what, each in zip(TAKE_OVERS, assignments, strict=True):
        status, reason = seen[each["allocation"]]
        assert status == "failed" and reason, what
    assert hostage.engine.containers() == []
    wire.close()


def test_names_that_are_no_names_reach_no_other_part_of_the_engine(hostage: Hostage) -> None:
    wire = hostage.link()
    odd = [assignment(SERVED, workload_name=name) for name in ("../../../x?name=y#", "a\nb", "a&b=c%00")]
    assert {status for status, _ in hostage.settle(wire, odd).values()} == {"failed"}
    for container in (None, [], "x", 1):
        wire.say(assignment(container))
    wire.say(assignment(SERVED, allocation="../../x"))
    assert hostage.engine.containers() == []
    wire.close()


def test_tunnels_lead_to_ports_of_the_allocation_alone_and_end_somewhere(hostage: Hostage) -> None:
    wire = hostage.link()
    wanted = assignment(SERVED)
    hostage.settle(wire, [wanted])
    tunnel = {"kind": "tunnel", "allocation": wanted["allocation"], "generation": 1, "port": "http"}
    refused = [{**tunnel, "port": "22"}, {**tunnel, "port": ""}, {**tunnel, "generation": 9}, {**tunnel, "allocation": "127.0.0.1"},
               {**tunnel, "allocation": assignment(None)["allocation"]}, {**tunnel, "kind": "exec"}, {}, {"kind": 5}]
    number = 2
    for header in refused:
        assert "code" in ask(wire, number, header), header
        number += 2
    assert ask(wire, number, {**tunnel, "host": "192.0.2.1"}) == {"ok": True}, "a member that it does not know says nothing"

    text = message(tunnel)
    opened = range(number + 2, number + 2 + 2 * STREAMS, 2)
    for each in opened:
        wire.send(frame(WINDOW, SYN, each, 0), frame(DATA, 0, each, len(text)) + text)
    settled: set[int] = set()
    while len(settled) < STREAMS:
        heard = wire.read()
        if heard.stream in opened and (heard.type == DATA or heard.flags & RST):
            settled.add(heard.stream)
    assert hostage.agent.descriptors() < 2100
    wire.close()
