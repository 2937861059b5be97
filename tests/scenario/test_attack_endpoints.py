"""Hostile clients of public endpoints: noise, connections that say nothing, storms, and two thousand honest ones at once."""

import hashlib
import os
import resource
import select
import selectors
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from support.bed import Bed
from support.bystander import Bystander
from support.cloud import Cloud
from support.waiting import PATIENCE_S, wait_until

SILENT = 4096 + 600  # more than one I/O loop takes
PARALLEL = 1500
ECHOED = 20000  # bytes that each of them wants back


@pytest.fixture(scope="module")
def served(bed: Bed, module_cloud: Cloud) -> Iterator[Cloud]:
    """A cloud with an encrypted and a plain Redis, and a web server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bed.registry.ensure("web", "redis")
    module_cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1", "ports": ["80/http"]})
    module_cloud.api.deploy("redis", "closed")
    module_cloud.api.deploy("redis", "open", plain=True)
    yield module_cloud
    module_cloud.remove_all()


def dial(cloud: Cloud, name: str) -> socket.socket:
    return socket.create_connection((cloud.console.host, cloud.api.show(name)["endpoints"][0]["port"]), timeout=PATIENCE_S)


def encrypted(plain: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def login(cloud: Cloud, name: str) -> bytes:
    return f"AUTH {cloud.api('GET', f'/api/v1/workloads/{name}?credentials=true')['credentials']['password']}\r\n".encode()


def answers(cloud: Cloud) -> bool:
    with encrypted(dial(cloud, "closed")) as client:
        client.sendall(login(cloud, "closed") + b"PING\r\n")
        got = b""
        while got.count(b"\r\n") < 2:
            got += client.recv(100)
        return got == b"+OK\r\n+PONG\r\n"


def test_noise_at_an_encrypted_endpoint_is_cut_off(served: Cloud) -> None:
    for name in ("web", "closed"):
        for noise in (os.urandom(5000), b"GET / HTTP/1.1\r\n\r\n", b"PING\r\n" * 10):
            client = dial(served, name)
            client.sendall(noise)
            got = b""
            try:
                while part := client.recv(4096):
                    got += part
            except ConnectionError:
                pass
            assert b"PONG" not in got and b"HTTP" not in got
    assert answers(served)


def test_connections_that_say_nothing_do_not_shut_other_endpoints(served: Cloud) -> None:
    before = served.console.descriptors()
    port = served.api.show("web")["endpoints"][0]["port"]
    held = [socket.create_connection((served.console.host, port), timeout=PATIENCE_S) for _ in range(SILENT)]
    try:
        # Where it took long to make them, the first have been told by now that they said nothing.
        wait_until(lambda: served.console.descriptors() > before + 4000 or select.select(held[:1], [], [], 0)[0], "they are taken")
        assert answers(served)
    finally:
        for each in held:
            each.close()
    wait_until(lambda: served.console.descriptors() < before + 20, "nothing is left of them")


def test_clients_that_vanish_in_the_middle_leave_nothing_behind(served: Cloud) -> None:
    agent = served.agents[0]
    before = served.console.descriptors(), agent.descriptors()
    for i in range(150):
        client = encrypted(dial(served, "web"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        if i % 2:
            client.recv(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    wait_until(lambda: served.console.descriptors() < before[0] + 10 and agent.descriptors() < before[1] + 10, "nothing is left of them")
    assert answers(served)


class Honest:
    """One client that sends bytes of its own and wants exactly them back."""

    def __init__(self, number: int, address: tuple[str, int], first: bytes):
        blob = hashlib.sha256(str(number).encode()).hexdigest().encode() * (ECHOED // 64)
        self.left = first + b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % len(blob) + blob + b"\r\n"
        self.want = b"+OK\r\n$%d\r\n" % len(blob) + blob + b"\r\n"
        self.got = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)

    def step(self, events: int) -> str | None:
        """How it ended, once it has."""
        try:
            if events & selectors.EVENT_WRITE and self.left:
                self.left = self.left[self.socket.send(self.left[:16384]):]
            if events & selectors.EVENT_READ:
                part = self.socket.recv(65536)
                self.got += part
                if not part:
                    return "ended early"
        except BlockingIOError:
            return None
        except OSError as error:
            return str(error)
        if len(self.got) < len(self.want):
            return None
        return "good" if self.got == self.want else "other bytes"


def test_a_thousand_and_more_clients_at_once_get_their_own_bytes(served: Cloud) -> None:
    address = (served.console.host, served.api.show("open")["endpoints"][0]["port"])
    first = login(served, "open")
    ends: Counter[str] = Counter()
    with selectors.DefaultSelector() as selector, Bystander(served.console) as bystander:
        for number in range(PARALLEL):
            client = Honest(number, address, first)
            selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
        while selector.get_map():
            ready = selector.select(PATIENCE_S)
            assert ready, f"nothing moves any more: {ends}"
            for key, events in ready:
                if end := key.data.step(events):
                    ends[end] += 1
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
                elif not key.data.left:
                    selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
    assert ends == {"good": PARALLEL}
    bystander.check()


def test_readers_that_stand_still_do_not_hold_up_others(served: Cloud) -> None:
    first = login(served, "open")
    with dial(served, "open") as writer:
        writer.sendall(first + b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % (4 << 20) + b"y" * (4 << 20) + b"\r\n")
        assert writer.recv(100)
    held = [dial(served, "open") for _ in range(30)]
    for each in held:
        each.sendall(first + b"GET big\r\n")
    for _ in range(5):
        assert answers(served)
    for each in held:
        each.close()
