"""The agent's Docker driver as an object of Python, by way of driver_probe (tests/support/driver_probe.c)."""

import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .command import ROOT
from .engine import Engine
from .waiting import PATIENCE_S

PROGRAM = Path(os.environ.get("LATTICE_BIN_DIR", ROOT / "build/debug/bin")).parent / "tests/driver_probe"


class DriverError(AssertionError):
    """An operation of the driver failed."""

    def __init__(self, error: dict[str, str]):
        super().__init__(f"{error['code']}: {error['sentence']}")
        self.code = error["code"]
        self.sentence = error["sentence"]


class Pending:
    """An operation under way: its answers as they come."""

    def __init__(self, id: int):
        self.id = id
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.phases: list[tuple[str, str]] = []

    def next(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        return self.answers.get(timeout=timeout_s)

    def result(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Waits for the end; raises DriverError."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.next(max(0.01, deadline - time.monotonic()))
            if "phase" in answer:
                self.phases.append((answer["phase"], answer["text"]))
            elif "error" in answer:
                raise DriverError(answer["error"])
            else:
                return answer


class DriverProbe:
    """A driver of an engine in a process of its own. Its end is part of the test: the sanitizers speak then."""

    def __init__(self, engine: Engine, node_id: str, folder: Path):
        path = folder / "probe.sock"
        path.unlink(missing_ok=True)
        self._process = subprocess.Popen([str(PROGRAM), str(path), engine.host, node_id], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.pid = self._process.pid
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._pending: dict[int, Pending] = {}
        self._last_id = 0
        self._lock = threading.Lock()
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    self.events.put(message)
                else:
                    with self._lock:
                        pending = self._pending[message["id"]]
                    pending.answers.put(message)
        with self._lock:
            for pending in self._pending.values():
                pending.answers.put({"error": {"code": "dead", "sentence": "driver_probe has ended"}})

    def begin(self, op: str, **arguments: Any) -> Pending:
        """Starts an operation and returns at once."""
        with self._lock:
            self._last_id += 1
            pending = self._pending[self._last_id] = Pending(self._last_id)
        self._socket.sendall(json.dumps({"id": pending.id, "op": op, **arguments}).encode() + b"\n")
        return pending

    def do(self, op: str, timeout_s: float = PATIENCE_S, **arguments: Any) -> dict[str, Any]:
        """Runs an operation to its end."""
        return self.begin(op, **arguments).result(timeout_s)

    def wait_event(self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Waits for an event; those before it are dropped."""
        deadline = time.monotonic() + timeout_s
        while True:
            event = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            if wanted(event):
                return event

    def wait_engine(self, up: bool, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        return self.wait_event(lambda event: event["event"] == "engine" and event["up"] == up, timeout_s)

    def close(self) -> None:
        """Ends the program; what is under way is broken off."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._socket.close()
        status = self._process.wait(timeout=PATIENCE_S)
        self._process.stdout.close()
        assert status == 0, f"driver_probe ended with {status}"
