"""A unix socket in front of another one, which says when certain bytes pass from its clients.

    relay.py PATH BEHIND WORD

Each time WORD passes, a line with the monotonic clock's nanoseconds goes to stdout. It is a process of its own, small, and goes
before all others when it has something to do, so that nothing else stands between the bytes and the clock.
"""

import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path


class Relay:
    """The process, as the bench sees it."""

    def __init__(self, path: Path, behind: Path, word: str):
        self.process = subprocess.Popen([sys.executable, __file__, str(path), str(behind), word], stdout=subprocess.PIPE)
        assert self.process.stdout and self.process.stdout.readline() == b"ready\n"

    def first_after(self, begin: float) -> float:
        """Waits until the word passes; when it first did after `begin`, both in the seconds of time.monotonic()."""
        assert self.process.stdout
        at = 0.0
        while at < begin:
            at = int(self.process.stdout.readline()) / 1e9
        return at

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def relay(path: str, behind: str, word: bytes) -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    ready = selectors.EpollSelector()
    ready.register(listener, selectors.EVENT_READ)
    other: dict[socket.socket, socket.socket] = {}
    clients: set[socket.socket] = set()
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            source = key.fileobj
            if source is listener:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                server.connect(behind)
                clients.add(client)
                for one, two in ((client, server), (server, client)):
                    other[one] = two
                    ready.register(one, selectors.EVENT_READ)
                continue
            assert isinstance(source, socket.socket)
            if source not in other:
                continue  # it went with its other half, in this round
            try:
                data = source.recv(65536)
                now = time.monotonic_ns()
                if data and source in clients and word in data:
                    print(now, flush=True)
                if data:
                    other[source].sendall(data)
            except OSError:
                data = b""
            if not data:
                for each in (source, other[source]):
                    ready.unregister(each)
                    clients.discard(each)
                    del other[each]
                    each.close()


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], sys.argv[3].encode())
