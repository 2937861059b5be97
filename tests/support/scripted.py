"""An HTTPS server that answers as a test says: for what no real console does on demand."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .command import run


class Call:
    """A request that came."""

    def __init__(self, handler: "Handler", body: bytes):
        self.method = handler.command
        self.target = handler.path
        self.headers = handler.headers
        self.body = json.loads(body) if body else None
        self.peer = handler.client_address
        self.handler = handler

    def answer(self, status: int, body: Any, content_type: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", content_type)
        self.handler.send_header("Content-Length", str(len(data)))
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def problem(self, status: int, code: str, detail: str) -> None:
        self.answer(status, {"code": code, "detail": detail, "status": status, "request_id": "r-1"}, "application/problem+json")

    def begin_chunks(self) -> Callable[[bytes], None]:
        """Starts an endless answer; the returned function sends a piece of it, b"" its end."""
        self.handler.send_response(200)
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()

        def send(piece: bytes) -> None:
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.handler.wfile.flush()

        return send

    def hang_up(self) -> None:
        """Ends the connection in the middle of whatever there is."""
        self.handler.close_connection = True
        self.handler.connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def serve(self) -> None:
        call = Call(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.calls.append(call)
        self.server.script(call)

    do_GET = do_POST = do_DELETE = serve

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Callable[[Call], None]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.calls: list[Call] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def targets(self) -> list[str]:
        return [f"{call.method} {call.target}" for call in self.calls]

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away, or does not trust us, is what is tested


class Authority:
    """A certificate authority, and a certificate of it for a name or address."""

    def __init__(self, folder: Path, name: str = "IP:127.0.0.1"):
        folder.mkdir(parents=True)
        self.pem = folder / "ca.pem"
        self.chain = folder / "chain.pem"
        self.key = folder / "key.pem"
        elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        run("openssl", "req", "-x509", *elliptic, "-subj", "/CN=Authority", "-keyout", folder / "ca.key", "-out", self.pem)
        run("openssl", "req", *elliptic, "-subj", "/CN=console", "-keyout", self.key, "-out", folder / "request.pem")
        extensions = folder / "extensions"
        extensions.write_text(f"subjectAltName={name}\n")
        run("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", self.pem, "-CAkey", folder / "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", folder / "leaf.pem")
        self.chain.write_text((folder / "leaf.pem").read_text() + self.pem.read_text())

    def fingerprint(self) -> str:
        return run("openssl", "x509", "-in", self.pem, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]

    @contextmanager
    def serve(self, script: Callable[[Call], None]) -> Iterator[Server]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        server = Server(script)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
