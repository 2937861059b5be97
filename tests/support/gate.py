"""A gate in front of a TCP server: bytes pass, trickle, or wait until the gate opens. Makes a pull take as long as a test wants."""

import socket
import threading
import time
from contextlib import suppress

PIECE_BYTES = 64 << 10
PIECE_S = 0.2  # for each piece, of each connection, while it trickles


class Gate:
    """Listens in the namespace of the thread that makes it, and relays to a port on its loopback."""

    def __init__(self, target_port: int):
        self._target = ("127.0.0.1", target_port)
        self._open = threading.Event()
        self._open.set()
        self._trickle = False
        self._listener = socket.create_server(("0.0.0.0", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self, trickle: bool = False) -> None:
        """Lets no answers pass any more; or, trickling, but a little of them each second."""
        self._trickle = trickle
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.open()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink, gated in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._relay, args=(source, sink, gated), daemon=True).start()

    def _wait(self) -> None:
        if self._trickle:
            time.sleep(PIECE_S)
        else:
            self._open.wait()

    def _relay(self, source: socket.socket, sink: socket.socket, gated: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if gated and not self._open.is_set():
                    self._wait()
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
