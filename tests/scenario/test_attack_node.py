"""Hostile nodes: machines that joined as they should, and then speak the link as they like."""

import os
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bystander import Bystander
from support.cloud import ApiProblem, Cloud
from support.rogue import DATA, FIN, GO_AWAY, HELLO, MACHINE, PING, RST, SYN, WINDOW, Closed, Rogue, frame
from support.waiting import wait_until


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A console without a real node."""
    made = Cloud(tmp_path_factory.mktemp("lone")).start()
    try:
        yield made
        made.stop()
    finally:
        made.kill()


@pytest.fixture(scope="module")
def rogue(lone: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Rogue:
    return Rogue(lone, tmp_path_factory.mktemp("rogue"), "rogue-1")


def identifier() -> str:
    digits = uuid.uuid4().hex
    return str(uuid.UUID(f"{digits[:12]}7{digits[13:16]}8{digits[17:]}"))


VIOLATIONS = {
    "another version": frame(DATA, 0, 1, 0, version=9),
    "unknown type": frame(7, 0, 1, 0),
    "unknown flags": frame(DATA, 0x100, 1, 0),
    "ping on a stream": frame(PING, SYN, 3, 0),
    "data on no stream": frame(DATA, 0, 0, 1) + b"x",
    "stream that was never opened": frame(DATA, 0, 99, 1) + b"x",
    "stream of the console's numbers": frame(WINDOW, SYN, 2, 0),
    "stream opened twice": frame(WINDOW, SYN, 1, 0),
    "giant frame": frame(DATA, 0, 1, 0xFFFFFFFF),
    "more than the window": b"".join(frame(DATA, 0, 1, 65536) + struct.pack(">I", 1 << 20) * 16384 for _ in range(8)),
    "window past all bounds": frame(WINDOW, 0, 1, 0xFFFFFFFF) * 3,
    "giant message": frame(DATA, 0, 1, 4) + b"\xff\xff\xff\xff",
    "empty message": frame(DATA, 0, 1, 4) + b"\0\0\0\0",
    "message that is no JSON": frame(DATA, 0, 1, 8) + b"\0\0\0\4{{{{",
    "message that is no object": frame(DATA, 0, 1, 6) + b"\0\0\0\2[]",
    "message as deep as a well": frame(DATA, 0, 1, 20004) + struct.pack(">I", 20000) + b'{"a":' * 4000,
    "end of the control stream": frame(DATA, FIN, 1, 0),
    "reset of the control stream": frame(WINDOW, RST, 1, 0),
    "go-away of an unknown kind": frame(GO_AWAY, 0, 0, 77),
    "pings without end": frame(PING, SYN, 0, 5) * 50000,
}


@pytest.mark.parametrize("what", VIOLATIONS)
def test_who_breaks_the_rules_of_frames_loses_the_link(lone: Cloud, rogue: Rogue, what: str) -> None:
    wire = rogue.open()
    wire.say(HELLO)
    wire.hear_until("assigned")
    try:
        wire.send(VIOLATIONS[what])
    except Closed:
        pass
    assert wire.is_cut()
    assert lone.api.ask("GET", "/readyz").status_code == 200


def test_noise_in_front_of_hello_loses_the_link(rogue: Rogue) -> None:
    for noise in (os.urandom(10000), frame(WINDOW, SYN, 3, 0), frame(WINDOW, SYN, 1, 0) + frame(DATA, 0, 1, 6) + b"\0\0\0\2{}"):
        wire = rogue.dial()
        wire.send(noise)
        assert wire.is_cut()


def test_streams_by_the_thousand_are_closed_again(lone: Cloud, rogue: Rogue) -> None:
    wire = rogue.link()
    for header in (b"", b"\0\0\0\2{}", b"\0\0\x3f\xff{}"):
        wire = rogue.link()
        wire.send(*(frame(WINDOW, SYN, 3 + 2 * i, 0) + frame(DATA, 0, 3 + 2 * i, len(header)) + header for i in range(5000)))
        assert lone.node("rogue-1")["status"] == "ready"
        wire.close()


VALUES = [None, 0, -1, 1.5, 1e300, True, "x", "x" * 5000, [], {}, [[]], {"a": 1}, 2**53]


def test_members_of_a_wrong_type_are_passed_over(lone: Cloud, rogue: Rogue) -> None:
    seen = {"container": "x", "ports": {"a": 1}, "starts": 1, "exit_status": 1, "progress": "x", "volumes": ["x"]}
    observed = {"type": "observed", "allocation": identifier(), "generation": 1, "status": "running", "reason": "", "observed": seen}
    messages = [MACHINE, observed, {"type": "inventory", "allocations": []}, {"type": "heartbeat", "disk_free_bytes": 1}, HELLO, {"type": "assign"}]
    before = lone.metric("lattice_agent_messages_invalid_total")
    wire = rogue.link()
    for message in messages:
        for member in [*message, "labels"]:
            for value in VALUES:
                wire.say({**message, member: value})
    for member in seen:
        for value in VALUES:
            wire.say({**observed, "observed": {**seen, member: value}})
    wire.say({"type": "inventory", "allocations": VALUES})
    wire.say(MACHINE)
    wait_until(lambda: lone.metric("lattice_agent_messages_invalid_total") > before + 100, "wrong messages are counted")
    lone.wait_node("rogue-1")
    wire.close()


def test_a_node_speaks_for_its_own_allocations_alone(lone: Cloud, rogue: Rogue, tmp_path: Path) -> None:
    other = Rogue(lone, tmp_path, "rogue-2")
    wires = {rogue.id: rogue.link(), other.id: other.link()}
    lone.api("POST", "/api/v1/workloads", {"type": "redis", "name": "cache"})
    allocation = wait_until(lambda: lone.api.show("cache")["allocations"], "it is placed")[0]
    report = {"type": "observed", "allocation": allocation["id"], "generation": 1, "observed": {"ports": {"redis": 22}}}
    owner, thief = wires[allocation["node_id"]], wires[({*wires} - {allocation["node_id"]}).pop()]
    for status in ("running", "failed", "removed"):
        thief.say({**report, "status": status, "reason": "stolen"})
    owner.say({**report, "generation": 99, "status": "running", "reason": "of the future"})
    owner.say({**report, "status": "starting", "reason": "its own"})
    shown = wait_until(lambda: [each for each in lone.api.show("cache")["allocations"] if each["reason"]], "its own node is heard")[0]
    assert (shown["status"], shown["reason"]) == ("starting", "its own")
    owner.say({**report, "generation": 0, "status": "failed", "reason": "of the past"})
    owner.say({**report, "status": "running", "reason": "now"})
    wait_until(lambda: lone.api.show("cache")["allocations"][0]["reason"] == "now", "the newest is heard")
    for wire in wires.values():
        wire.close()


def test_a_node_that_floods_costs_neither_time_nor_disk_nor_memory(lone: Cloud, rogue: Rogue) -> None:
    wire = rogue.link()
    lone.console.lines()
    log_before = len([each for each in lone.console.lines() if each["message"] != "request"])
    with Bystander(lone.console) as bystander:
        for i in range(3000):
            down = i % 2 == 1
            wire.say({**MACHINE, "engine_version": "" if down else "20", "engine_error": "x" * 500, "labels": {f"l{i}-{k}": "v" * 200 for k in range(8)}})
            wire.say({"type": "observed", "allocation": identifier(), "generation": 1, "status": "running", "reason": ""})
        wire.say(MACHINE)
        lone.wait_node("rogue-1")
    bystander.check()
    assert len(lone.node("rogue-1")["labels"]) <= 64
    lines = [each for each in lone.console.lines() if each["message"] != "request"]
    assert len(lines) - log_before < 150, [each["message"] for each in lines[-5:]]
    wire.close()


def test_of_two_links_of_one_identity_the_newer_one_stays(lone: Cloud, rogue: Rogue) -> None:
    older = rogue.link()
    newer = rogue.link()
    assert older.hear_until("refuse")["code"] == "conflict"
    assert older.is_cut()
    assert lone.node("rogue-1")["status"] == "ready"
    newer.close()


def test_a_node_that_was_removed_is_shut_out(lone: Cloud, tmp_path: Path) -> None:
    removed = Rogue(lone, tmp_path, "rogue-3")
    wire = removed.link()
    lone.api("DELETE", f"/api/v1/nodes/{removed.id}")
    assert wire.hear_until("refuse")["code"] in ("forbidden", "not_found")
    assert wire.is_cut()
    again = removed.open()
    again.say(HELLO)
    assert again.hear_until("refuse")["code"] == "not_found"
    with pytest.raises(ApiProblem, match="403"):
        lone.api("POST", "/api/v1/join/renew", {"request": (removed.folder / "node.csr").read_text()})
