"""A console that does not keep to the rules: a node joins it of its own will, and it then asks whatever a test wants asked."""

import base64
import hashlib
import json
import socket
import ssl
import struct
import subprocess
import uuid
from pathlib import Path
from typing import Any

from .rogue import ACK, DATA, FIN, RST, SYN, WINDOW, Wire, frame, message
from .waiting import PATIENCE_S

OF_NODE = ("extendedKeyUsage=clientAuth",)
OF_HOST = ("extendedKeyUsage=serverAuth", "subjectAltName=IP:127.0.0.1")


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def _identifier() -> str:
    digits = uuid.uuid4().hex
    return str(uuid.UUID(f"{digits[:12]}7{digits[13:16]}8{digits[17:]}"))


class RogueConsole:
    """What an agent takes for its console. `binaries`: where the agent's program is, as a real console knows it for tests."""

    def __init__(self, folder: Path, binaries: Path):
        self.folder = folder
        self.binaries = binaries
        self.log_level = "debug"
        folder.mkdir()
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=Rogue",
                 "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl(folder, "req", "-new", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=rogue")
        self._sign("host", "/CN=rogue", OF_HOST)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "host.crt", folder / "host.key")
        self.context.load_verify_locations(folder / "ca.pem")
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.set_alpn_protocols(["lattice-link/1", "http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.host = "127.0.0.1"
        self.port = self.listener.getsockname()[1]

    def _sign(self, name: str, subject: str, extensions: tuple[str, ...]) -> None:
        added = [word for each in ("basicConstraints=critical,CA:FALSE", *extensions) for word in ("-addext", each)]
        _openssl(self.folder, "req", "-x509", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", subject, "-days", "8", *added,
                 "-out", f"{name}.leaf")
        (self.folder / f"{name}.crt").write_text((self.folder / f"{name}.leaf").read_text() + (self.folder / "ca.pem").read_text())

    def join_token(self) -> str:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert((self.folder / "ca.pem").read_text())).digest()
        words = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (digest, bytes(32))]
        return "latj1." + ".".join(words)

    def _accept(self) -> ssl.SSLSocket:
        """The next connection of the agent; one that it gave up before anybody took it is passed over."""
        while True:
            plain, _ = self.listener.accept()
            plain.settimeout(PATIENCE_S)
            try:
                return self.context.wrap_socket(plain, server_side=True)
            except (ConnectionError, ssl.SSLError):
                plain.close()

    def admit(self) -> str:
        """Answers the node that joins. Returns the id that it gets."""
        with self._accept() as connection:
            text = b""
            while b"\r\n\r\n" not in text:
                text += connection.recv(65536)
            head, body = text.split(b"\r\n\r\n", 1)
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(65536)
            (self.folder / "node.csr").write_text(json.loads(body)["request"])
            node_id = _identifier()
            self._sign("node", f"/CN={node_id}", OF_NODE)
            answer = json.dumps({
                "node_id": node_id, "name": json.loads(body)["name"], "certificate": (self.folder / "node.crt").read_text(),
                "authority": (self.folder / "ca.pem").read_text(),
            }).encode()
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        return node_id

    def link(self, node_id: str, welcome: bool = True) -> Wire:
        """The link that the node dials, welcomed."""
        wire = Wire(self._accept())
        assert wire.hear()["type"] == "hello"
        if welcome:
            wire.say({"type": "welcome", "version": 1, "features": [], "node_id": node_id, "node_name": "node-1", "epoch": 1,
                      "heartbeat_ms": 60000, "time": 0})
            wire.say({"type": "assigned", "allocations": []})
        return wire

    def close(self) -> None:
        self.listener.close()


def assignment(container: Any, **members: Any) -> dict[str, Any]:
    return {
        "type": "assign", "allocation": _identifier(), "workload": _identifier(), "workload_name": "evil", "project": "", "project_name": "",
        "ordinal": 0, "generation": 1, "epoch": 1, "desired": "running", "restarts": 0, "keep_data": False, "container": container,
        "request_id": "", **members,
    }


def ask(wire: Wire, stream: int, header: Any, behind: bytes = b"") -> dict[str, Any]:
    """Opens a stream and returns the node's answer; {} when it only reset it."""
    text = message(header)
    wire.send(frame(WINDOW, SYN, stream, 0), frame(DATA, 0, stream, len(text)) + text, frame(DATA, 0, stream, len(behind)) + behind if behind else b"")
    got = b""
    while True:
        heard = wire.read()
        if heard.stream != stream or heard.flags == ACK:
            continue
        got += heard.data
        if len(got) >= 4 and len(got) >= 4 + struct.unpack(">I", got[:4])[0]:
            return json.loads(got[4:4 + struct.unpack(">I", got[:4])[0]])
        if heard.flags & (FIN | RST):
            return {}

