"""A node that does not keep to the rules: it joins as any other, and then says whatever a test wants said.

The frames are written here a second time, from docs/link.md and not with the code under test, so that a mistake in one is
not a mistake in both.
"""

import json
import socket
import ssl
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cloud import Cloud
from .waiting import PATIENCE_S

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
FRAME = struct.Struct(">BBHII")
WINDOW_START = 256 * 1024


@dataclass
class Frame:
    type: int
    flags: int
    stream: int
    length: int
    data: bytes = b""


def frame(type: int, flags: int, stream: int, length: int, version: int = 0) -> bytes:
    return FRAME.pack(version, type, flags, stream, length)


def message(body: Any) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return struct.pack(">I", len(text)) + text


class Closed(Exception):
    """The other side has closed the connection."""


class Wire:
    """One connection that speaks frames, of either side; what is read is only what a test asks for."""

    def __init__(self, connection: ssl.SSLSocket):
        self.connection = connection
        self.pending = b""
        self.control = b""
        self.room = WINDOW_START  # bytes that the other side still takes on the control stream

    def send(self, *parts: bytes) -> None:
        try:
            self.connection.sendall(b"".join(parts))
        except OSError as error:
            raise Closed(str(error)) from error

    def data(self, stream: int, data: bytes, flags: int = 0) -> None:
        self.send(*(frame(DATA, flags, stream, len(part)) + part for part in (data[at:at + 16384] for at in range(0, len(data), 16384))))

    def say(self, body: Any) -> None:
        """Sends a message, as fast as the control stream's window has room for it."""
        text = message(body)
        while text:
            while self.room == 0:
                self._listen()
            part, text = text[:self.room], text[self.room:]
            self.room -= len(part)
            self.data(1, part)

    def _take(self, size: int) -> bytes:
        while len(self.pending) < size:
            try:
                got = self.connection.recv(65536)
            except (ConnectionError, ssl.SSLError) as error:
                raise Closed(str(error)) from error
            if not got:
                raise Closed("ended")
            self.pending += got
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def read(self) -> Frame:
        """The next frame; pings are answered on the way."""
        while True:
            _, type, flags, stream, length = FRAME.unpack(self._take(FRAME.size))
            if type == PING and flags == SYN:
                self.send(frame(PING, ACK, 0, length))
                continue
            return Frame(type, flags, stream, length, self._take(length) if type == DATA else b"")

    def _listen(self) -> None:
        """Takes one frame for the control stream; what comes on others is passed over."""
        got = self.read()
        if got.type == DATA and got.stream == 1:
            self.control += got.data
            self.send(frame(WINDOW, 0, 1, len(got.data)))
        elif got.type == WINDOW and got.stream == 1:
            self.room += got.length
        elif got.type == GO_AWAY:
            raise Closed(f"go-away {got.length}")

    def hear(self) -> dict[str, Any]:
        """The next message on the control stream."""
        while len(self.control) < 4 or len(self.control) < 4 + (size := struct.unpack(">I", self.control[:4])[0]):
            self._listen()
        text, self.control = self.control[4:4 + size], self.control[4 + size:]
        return json.loads(text)

    def hear_until(self, type: str) -> dict[str, Any]:
        while (heard := self.hear())["type"] != type:
            pass
        return heard

    def is_cut(self) -> bool:
        """Reads until the other side closes; fails by the connection's timeout if it does not."""
        try:
            while True:
                self.read()
        except Closed:
            return True

    def close(self) -> None:
        self.connection.close()


HELLO = {"type": "hello", "versions": [1], "features": [], "agent_version": "0", "node_name": "rogue"}
MACHINE = {
    "type": "node", "cpu_milli": 4000, "memory_bytes": 8 << 30, "disk_bytes": 100 << 30, "disk_free_bytes": 90 << 30,
    "architecture": "amd64", "os": "linux", "engine_version": "20.10", "engine_error": "", "agent_version": "0",
}


class Rogue:
    """A node's identity, obtained as every node obtains one."""

    def __init__(self, cloud: Cloud, folder: Path, name: str):
        self.cloud = cloud
        self.folder = folder / name
        self.name = name
        self.folder.mkdir()
        key = self.folder / "node.key"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                        "-out", self.folder / "node.csr", "-subj", f"/CN={name}"], check=True, capture_output=True)
        token = cloud.api("POST", "/api/v1/join-tokens", {})["token"]
        answer = cloud.api("POST", "/api/v1/join", {"token": token, "name": name, "request": (self.folder / "node.csr").read_text()})
        self.id = answer["node_id"]
        (self.folder / "node.crt").write_text(answer["certificate"])

    def dial(self, timeout_s: float = PATIENCE_S) -> Wire:
        """A connection on which nothing has been said yet."""
        context = ssl.create_default_context(cafile=str(self.cloud.console.authority))
        context.load_cert_chain(self.folder / "node.crt", self.folder / "node.key")
        context.set_alpn_protocols(["lattice-link/1"])
        plain = socket.create_connection((self.cloud.console.host, self.cloud.console.port), timeout=timeout_s)
        return Wire(context.wrap_socket(plain, server_hostname=self.cloud.console.host))

    def open(self) -> Wire:
        """A connection with its control stream open."""
        wire = self.dial()
        wire.send(frame(WINDOW, SYN, 1, 0))
        return wire

    def link(self) -> Wire:
        """A link that was welcomed, of a machine that can be placed on."""
        wire = self.open()
        wire.say(HELLO)
        wire.hear_until("assigned")
        wire.say(MACHINE)
        wire.say({"type": "inventory", "allocations": []})
        self.cloud.wait_node(self.name)
        return wire
