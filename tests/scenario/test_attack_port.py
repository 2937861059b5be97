"""Hostile clients at the public port: noise, half handshakes, connections that are held, floods, and bodies nobody would send."""

import http.client
import json
import os
import random
import re
import resource
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from support.bystander import Bystander
from support.cloud import Api, Cloud
from support.waiting import PATIENCE_S, wait_until

ROUTES = Path(__file__).resolve().parents[2] / "core" / "api" / "routes_internal.h"
HANDSHAKES_MAX = 2 * 2048  # of both I/O loops


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A console without a node, and enough descriptors for the attackers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = Cloud(tmp_path_factory.mktemp("lone"), flags=("--io-threads", "2")).start()
    try:
        yield made
        made.stop()
    finally:
        made.kill()


def plain(cloud: Cloud) -> socket.socket:
    return socket.create_connection((cloud.console.host, cloud.console.port), timeout=PATIENCE_S)


def anyhow() -> ssl.SSLContext:
    """A client that trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dial(cloud: Cloud, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    return (context or anyhow()).wrap_socket(plain(cloud), server_hostname="x")


def answer_to(connection: socket.socket, sent: bytes) -> bytes:
    """Everything that comes back until the console ends the connection; fails when it does not end it."""
    got = b""
    try:
        connection.sendall(sent)
        while part := connection.recv(65536):
            got += part
    except TimeoutError:
        raise AssertionError(f"the console neither answers nor ends: {got[:100]!r}") from None
    except OSError:
        pass
    return got


def test_what_is_no_tls_is_cut_off(lone: Cloud) -> None:
    for noise in (os.urandom(5000), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + os.urandom(3000), b"\x80" * 100):
        answer = answer_to(plain(lone), noise)
        assert not answer.startswith(b"HTTP")


def test_protocols_and_certificates_that_are_not_ours_are_refused(lone: Cloud, tmp_path: Path) -> None:
    for names in (["h2"], ["nonsense"]):
        context = anyhow()
        context.set_alpn_protocols(names)
        with pytest.raises(ssl.SSLError):
            dial(lone, context)
    link = anyhow()
    link.set_alpn_protocols(["lattice-link/1"])
    assert answer_to(dial(lone, link), b"hello") == b"", "a link without a certificate"
    os.system(f"cd {tmp_path} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=x -days 2 2>/dev/null")
    link.load_cert_chain(tmp_path / "c", tmp_path / "k")
    assert answer_to(dial(lone, link), b"hello") == b"", "a certificate of another authority"


HOST = b"Host: x\r\n"
LOGIN = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n"
HEADS = {
    "zero in the path": b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded zero": b"GET /api/v1/workloads/%00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "dots": b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
    "endless path": b"GET /" + b"a" * 200000,
    "a thousand headers": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"h%d: x\r\n" % i for i in range(1000)) + b"\r\n",
    "two lengths": LOGIN + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    "length and chunks": LOGIN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": LOGIN + b"Content-Length: -5\r\n\r\n",
    "length past all numbers": LOGIN + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a body past the limit": LOGIN + b"Content-Length: 99999999999\r\n\r\n",
    "giant chunk": LOGIN + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "folded header": b"GET /healthz HTTP/1.1\r\n" + HOST + b"a: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "another host": b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "broken escape": b"GET /%zz%2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a thousand parameters": b"GET /api/v1/version?" + b"a=1&" * 1000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("what", HEADS)
def test_odd_requests_are_refused_with_a_problem(lone: Cloud, what: str) -> None:
    head, _, body = answer_to(dial(lone), HEADS[what]).partition(b"\r\n\r\n")
    assert 400 <= int(head.split()[1]) < 500
    assert json.loads(body)["code"]


def test_half_handshakes_do_not_keep_others_out(lone: Cloud) -> None:
    before = lone.console.descriptors()
    held = []
    with Bystander(lone.console) as bystander:
        for _ in range(HANDSHAKES_MAX + 1500):
            held.append(plain(lone))
            held[-1].send(b"\x16\x03\x01")
        wait_until(lambda: lone.console.descriptors() < before + HANDSHAKES_MAX + 50, "the oldest make room")
    bystander.check()
    for each in held:
        each.close()
    wait_until(lambda: lone.console.descriptors() < before + 20, "nothing is left of them")


def test_heads_that_never_end_and_floods_in_a_row_do_not_keep_others_out(lone: Cloud) -> None:
    before = lone.console.descriptors()
    held = [dial(lone) for _ in range(300)]
    with Bystander(lone.console) as bystander:
        for each in held[:290]:
            each.send(b"GET / HT")
        for each in held[290:]:
            each.setblocking(False)
            try:
                for _ in range(40):
                    each.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
            except (ssl.SSLWantWriteError, BlockingIOError):
                pass
        answer_to(dial(lone), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 200 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bystander.check()
    for each in held:
        each.close()
    wait_until(lambda: lone.console.descriptors() < before + 20, "nothing is left of them")


def test_event_streams_that_nobody_reads_do_not_hold_up_writes(lone: Cloud) -> None:
    bearer = str(lone.api.session.headers["Authorization"]).encode()
    held = [dial(lone) for _ in range(60)]
    for each in held:
        each.send(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer + b"\r\n\r\n")
    with Bystander(lone.console) as bystander:
        for i in range(40):
            lone.api("POST", "/api/v1/workloads", {"type": "redis", "name": f"noise-{i}"})
        for i in range(40):
            lone.api("DELETE", f"/api/v1/workloads/noise-{i}")
    bystander.check()
    for each in held:
        each.close()


def test_a_flood_of_logins_leaves_room_for_the_others(lone: Cloud) -> None:
    over = threading.Event()
    codes: Counter[int] = Counter()

    def guess() -> None:
        api = Api(lone.console.url, lone.console.authority)
        while not over.is_set():
            codes[api.ask("POST", "/api/v1/login", {"user": "erna", "password": "guess"}, timeout=PATIENCE_S).status_code] += 1

    guessers = [threading.Thread(target=guess) for _ in range(16)]
    for each in guessers:
        each.start()
    with Bystander(lone.console) as bystander:
        for _ in range(10):
            lone.api("GET", "/api/v1/workloads")
            lone.api("POST", "/api/v1/tokens", {"name": "busy"})
    over.set()
    for each in guessers:
        each.join()
    bystander.check()
    assert set(codes) <= {401, 429} and codes[401] < codes[429], "who guesses has to wait"
    assert lone.console.admin()("GET", "/api/v1/me")["user"] == "admin", "and nobody else"


# ---- bodies nobody would send

WORDS = ("type", "name", "params", "count", "cpu", "memory", "plain", "image", "env", "ports", "volumes", "user", "password", "role", "uses", "life",
         "pool", "node", "token", "request", "labels", "", "__index", "x" * 300)
ATOMS = (None, True, 0, -1, 2**31, 2**53, -(2**63), 1e308, 1.5, "", "a", "x" * 70000, "\u0000", "😀", "../../x", "${x}", "postgres", "custom", "1d", "-1",
         "999999999999h", "256m", "127.0.0.1:5000/web:1")
TEXTS = (b"", b"{", b"[" * 100000, b'{"a":' * 5000, b"\xff\xfe{}", b"null", b'{"a":1,"a":2}', b"1" * 100000, b'{"x":1e999999}', b'{"a":"\\ud800"}', b" " * (2 << 20))
SOUND: dict[str, dict[str, Any]] = {
    "/api/v1/workloads": {"type": "postgres", "name": "x", "params": {"database": "a"}, "count": 1, "cpu": "0.1", "memory": "64m"},
    "/api/v1/users": {"name": "u", "password": "a long password", "role": "user"},
    "/api/v1/tokens": {"name": "n", "life": "1h"},
    "/api/v1/join-tokens": {"uses": 1, "life": "1h"},
    "/api/v1/join": {"token": "x", "name": "y", "request": "z", "labels": {}},
}
NAMES = ("base", "x", "%00", "..", "%2e%2e", "%2F", "a%2Fb", "x" * 2000, "%ff", ";", "admin%2Fbase")


class Monkey:
    """Requests by chance, the same ones for the same seed."""

    def __init__(self, seed: int):
        self.chance = random.Random(seed)

    def tree(self, depth: int = 0) -> Any:
        kind = self.chance.random()
        if depth > 5 or kind < 0.5:
            return self.chance.choice(ATOMS)
        if kind < 0.7:
            return [self.tree(depth + 1) for _ in range(self.chance.choice((0, 1, 3, 200 if depth < 2 else 2)))]
        return {self.chance.choice(WORDS): self.tree(depth + 1) for _ in range(self.chance.choice((0, 1, 3, 8)))}

    def body(self, path: str) -> bytes:
        kind = self.chance.random()
        if kind < 0.2:
            return self.chance.choice(TEXTS)
        if kind < 0.8 and path in SOUND:
            return json.dumps(SOUND[path] | {self.chance.choice(WORDS): self.tree(2)}).encode()
        return json.dumps(self.tree()).encode()


def test_no_body_and_no_path_is_a_mistake_of_ours(lone: Cloud) -> None:
    routes = [route for route in re.findall(r'X\((GET|POST|PATCH|DELETE), "([^"]+)"', ROUTES.read_text()) if not route[1].endswith("/events")]
    assert len(routes) > 30
    lone.api("POST", "/api/v1/users", {"name": "bob", "password": "a long password", "role": "user"})
    lone.api("POST", "/api/v1/workloads", {"type": "postgres", "name": "base"})
    user = Api(lone.console.url, lone.console.authority).login("bob", "a long password")
    bearers = [{"Authorization": str(api.session.headers["Authorization"])} for api in (lone.api, user)] + [{}]
    trusted = ssl.create_default_context(cafile=str(lone.console.authority))
    connection = http.client.HTTPSConnection(lone.console.host, lone.console.port, context=trusted, timeout=PATIENCE_S)
    monkey = Monkey(seed=20)
    codes: Counter[int] = Counter()
    for _ in range(800):
        method, pattern = monkey.chance.choice(routes)
        if method == "DELETE":
            continue
        path = pattern.replace("{id}", monkey.chance.choice(NAMES)) + monkey.chance.choice(("", "", "?limit=-1", "?cursor=%00", "?tail=-9&follow=x", "?a=%zz"))
        headers = monkey.chance.choice(bearers) | {"Content-Type": "application/json"}
        if monkey.chance.random() < 0.2:
            headers["Idempotency-Key"] = monkey.chance.choice(("k", "x" * 255, "x" * 256, "\x7f", " "))
        sent = monkey.body(pattern) if method in ("POST", "PATCH") else None
        try:
            connection.request(method, path, body=sent, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError):  # refused before the body was sent to its end
            connection.close()
            continue
        codes[answer.status] += 1
        assert answer.status < 500, (method, path, sent and sent[:300], text)
        if answer.status >= 400:
            assert json.loads(text)["code"], (method, path)
    assert lone.api.ask("GET", "/readyz").status_code == 200
    assert {200, 400, 401, 404, 422} <= set(codes)


def test_after_all_of_it_a_user_logs_in(lone: Cloud) -> None:
    assert lone.console.admin()("GET", "/api/v1/me")["user"] == "admin"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{lone.console.host}:{lone.console.port}/healthz", timeout=PATIENCE_S)
