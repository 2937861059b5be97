"""A console that is killed again and again under load, and an account of what it promised.

Writers are real clients over TLS. Each write has an idempotency key and is repeated under it until it is answered; what was acknowledged
goes into a file on another file system. Readers follow the event stream across the kills. After each kill, while nothing runs, the
database as it was left is held against all that.
"""

import http.client
import json
import os
import random
import shutil
import sqlite3
import ssl
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cloud import BIN, Console
from .waiting import PATIENCE_S, wait_until

WRITERS, READERS = 6, 2
KEPT = 8  # tokens of a writer that are there at a time
MEMORY = Path("/dev/shm")
BROKEN = (OSError, http.client.HTTPException, json.JSONDecodeError)


@dataclass
class Result:
    kills: int = 0
    acked: int = 0
    lost: int = 0
    duplicated: int = 0
    taken_back: int = 0
    damaged: int = 0
    ready_ms: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def complain(self, kind: str, text: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.complaints.append(f"{kind}: {text}")


class Line:
    """One TLS connection that is made anew when it breaks."""

    def __init__(self, console: Console, token: str):
        self.console = console
        self.token = token
        self.connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, key: str = "", timeout_s: float = 60) -> tuple[int, Any]:
        if not self.connection:
            trust = ssl.create_default_context(cafile=str(self.console.authority))
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.console.port, timeout=timeout_s, context=trust)
        headers = {"Authorization": self.token} | ({"Content-Type": "application/json"} if body is not None else {})
        headers |= {"Idempotency-Key": key} if key else {}
        try:
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except BROKEN:
            self.close()
            raise

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


class Ledger:
    """What was acknowledged, a line for each; on another file system than the console's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lattice-ledger-", dir=MEMORY if MEMORY.is_dir() else None))
        self.file = os.open(self.folder / "acknowledged", os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)

    def write(self, *words: str) -> None:
        os.write(self.file, (" ".join(words) + "\n").encode())

    def read(self) -> list[list[str]]:
        return [line.split(" ") for line in (self.folder / "acknowledged").read_text().splitlines()]

    def close(self) -> None:
        os.close(self.file)
        shutil.rmtree(self.folder)


class Writer(threading.Thread):
    """Makes tokens, removes old ones, and counts in a label of a workload of its own; one write after the other."""

    def __init__(self, number: int, line: Line, ledger: Ledger, over: threading.Event, pause_s: float):
        super().__init__(daemon=True)
        self.number = number
        self.line = line
        self.ledger = ledger
        self.over = over
        self.pause_s = pause_s
        self.sent = 0  # the newest value of the label
        self.problem = ""

    def write(self, method: str, path: str, body: Any = None) -> Any:
        """Repeats a write under one key until it is answered; None when the test ends first."""
        key = str(uuid.uuid4())
        while not self.over.is_set():
            try:
                status, answer = self.line.ask(method, path, body, key)
                if status < 300:
                    return answer or {}
                if status not in (503, 504):
                    self.problem = f"{method} {path}: {status} {answer}"
                    return None
            except BROKEN:
                pass
            time.sleep(0.01)
        return None

    def run(self) -> None:
        mine = f"w{self.number}"
        tokens: list[str] = []
        if self.write("POST", "/api/v1/workloads", {"type": "custom", "name": mine, "params": {"image": "lattice-test/none:1"}}) is None:
            return
        self.ledger.write("workload", mine)
        count = 0
        while not self.over.is_set() and not self.problem:
            count += 1
            if count % 2:
                self.sent += 1
                if self.write("PATCH", f"/api/v1/workloads/{mine}", {"labels": {"n": str(self.sent)}}) is not None:
                    self.ledger.write("label", mine, str(self.sent))
            elif len(tokens) < KEPT:
                made = self.write("POST", "/api/v1/tokens", {"name": f"{mine}-{count}"})
                if made is not None:
                    tokens.append(made["id"])
                    self.ledger.write("token", f"{mine}-{count}", made["id"])
            else:
                gone = tokens.pop(0)
                if self.write("DELETE", f"/api/v1/tokens/{gone}") is not None:
                    self.ledger.write("gone", gone)
            time.sleep(self.pause_s)


class Reader(threading.Thread):
    """Follows the event stream from where it was, whenever the console can be reached."""

    def __init__(self, line: Line, over: threading.Event):
        super().__init__(daemon=True)
        self.line = line
        self.over = over
        self.index = 0
        self.labels: dict[str, int] = {}  # what was seen of each workload's label
        self.seen: dict[int, str] = {}  # index -> id of the row
        self.problem = ""

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self._follow()
            except BROKEN:
                time.sleep(0.01)

    def _follow(self) -> None:
        trust = ssl.create_default_context(cafile=str(self.line.console.authority))
        connection = http.client.HTTPSConnection("127.0.0.1", self.line.console.port, timeout=20, context=trust)
        after = f"?after={self.index}" if self.index else ""
        try:
            connection.request("GET", f"/api/v1/events{after}", headers={"Authorization": self.line.token})
            answer = connection.getresponse()
            if answer.status >= 400:
                text = answer.read()
                if answer.status == 410:
                    self.problem = f"the stream cannot go on behind {self.index}: {text!r}"
                    self.over.wait()
                return
            while line := answer.readline():
                if line.startswith(b"id: ") and not self.index:
                    self.index = int(line[4:])  # of the greeting
                elif line.startswith(b"data: ") and b'"table"' in line:
                    self._take(json.loads(line[6:]))
        finally:
            connection.close()

    def _take(self, event: dict[str, Any]) -> None:
        if event["index"] <= self.index:
            self.problem = f"event {event['index']} came behind {self.index}"
        row = event.get("row")
        if event["table"] == "workload" and row and "n" in (row["labels"] or {}):
            self.labels[row["name"]] = max(self.labels.get(row["name"], 0), int(row["labels"]["n"]))
        self.seen[event["index"]] = event["id"]
        self.index = event["index"]


class Crash:
    """A console, its clients, and the checks between its lives."""

    def __init__(self, state: Path, result: Result, seed: int, pause_s: float = 0.02):
        self.console = Console(state)
        self.state = state
        self.result = result
        self.random = random.Random(seed)
        self.pause_s = pause_s
        self.over = threading.Event()
        self.ledger = Ledger()
        self.writers: list[Writer] = []
        self.readers: list[Reader] = []
        self.token = ""

    def launch(self) -> float:
        self.console.launch(BIN / "lattice", "server", "--data-dir", self.console.data, "--listen", f"127.0.0.1:{self.console.port}",
                            "--advertise", "127.0.0.1")
        return time.perf_counter()

    def wait_ready(self, begin: float) -> None:
        """Until a read with a token is answered; that is what counts, not that a port is open."""
        line = Line(self.console, self.token)
        while time.perf_counter() - begin < PATIENCE_S:
            try:
                if line.ask("GET", "/api/v1/tokens")[0] == 200:
                    self.result.ready_ms.append((time.perf_counter() - begin) * 1000)
                    return
            except BROKEN:
                assert self.console.runs(), f"the console ended:\n{self.console.tail()}"
                time.sleep(0.002)
        raise AssertionError(f"the console is not ready after {PATIENCE_S} s:\n{self.console.tail()}")

    def begin(self) -> None:
        """The first start, which may be killed too; then the clients."""
        for _ in range(2):
            self.launch()
            time.sleep(self.random.uniform(0, 0.3))
            self.console.kill()
            self.result.kills += 1
        self.launch()
        self.console.wait_ready()
        self.token = str(self.console.admin().session.headers["Authorization"])
        self.writers = [Writer(i, Line(self.console, self.token), self.ledger, self.over, self.pause_s) for i in range(WRITERS)]
        self.readers = [Reader(Line(self.console, self.token), self.over) for _ in range(READERS)]
        for each in [*self.writers, *self.readers]:
            each.start()

    def kill_and_check(self) -> None:
        """Lets it work for a moment, kills it, looks at what is left, and starts it again; some starts are killed as well."""
        time.sleep(self.random.uniform(0, 0.2))
        self.console.kill()
        self.result.kills += 1
        self.check()
        while self.random.random() < 0.2:
            self.launch()
            time.sleep(self.random.uniform(0, 0.1))
            self.console.kill()
            self.result.kills += 1
            self.check()
        self.wait_ready(self.launch())

    def _has_worked(self) -> bool:
        """On a slow machine no life of the console may have been long enough for a client to do anything."""
        return len(self.ledger.read()) > 2 * self.result.kills and all(each.labels for each in self.readers) or any(
            each.problem for each in [*self.writers, *self.readers])

    def end(self) -> None:
        """Stops everything in order, and looks once more."""
        wait_until(self._has_worked, "each client has got something done")
        self.over.set()
        for writer in self.writers:
            writer.join(PATIENCE_S)
            if writer.problem:
                self.result.complain("damaged", writer.problem)
        self._check_answers()
        self.console.stop()
        for reader in self.readers:  # their streams end with the console
            reader.join(PATIENCE_S)
            if reader.problem or not reader.labels:
                self.result.complain("taken_back", reader.problem or "a reader saw no change of a label")
        self.check()
        self.result.acked += len(self.ledger.read())

    def close(self) -> None:
        self.over.set()
        if self.console.runs():
            self.console.kill()
        self.ledger.close()

    def _check_answers(self) -> None:
        """The console tells its users what its database holds."""
        line = Line(self.console, self.token)
        for kind, *words in self.ledger.read():
            if kind == "workload":
                labels = line.ask("GET", f"/api/v1/workloads/{words[0]}")[1]["labels"] or {}
                newest = [int(each[2]) for each in self.ledger.read() if each[:2] == ["label", words[0]]]
                if newest and int(labels["n"]) < newest[-1]:
                    self.result.complain("lost", f"the label {newest[-1]} of {words[0]}, shown as {labels['n']}")
        line.close()

    # ---- what is left

    def check(self) -> None:
        """Holds a copy of the database against what was acknowledged and seen. Writes that are under way may be there or not."""
        seen = [(dict(each.labels), max(each.seen, default=0), list(each.seen.items())[-200:]) for each in self.readers]
        ledger = self.ledger.read()
        with tempfile.TemporaryDirectory(dir=self.ledger.folder) as folder:
            for name in ("state.db", "state.db-wal"):
                if (self.console.data / name).exists():
                    shutil.copy(self.console.data / name, folder)
            if not ledger and not (Path(folder) / "state.db").exists():
                return
            database = sqlite3.connect(Path(folder) / "state.db")
            try:
                self._check_rows(database, ledger, seen)
            except sqlite3.Error as error:
                self.result.complain("damaged", str(error))
            finally:
                database.close()

    def _check_rows(self, database: sqlite3.Connection, ledger: list[list[str]], seen: list[Any]) -> None:
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            self.result.complain("damaged", verdict)
        if not ledger:
            return
        workloads = database.execute("SELECT name, labels FROM workload").fetchall()
        labels = {name: int(json.loads(text or "{}").get("n", 0)) for name, text in workloads}
        tokens = database.execute("SELECT name, id FROM api_token").fetchall()
        ids = {each for _, each in tokens}
        gone = {words[1] for words in ledger if words[0] == "gone"}
        for kind, *words in ledger:
            if kind == "token" and words[1] not in gone and words[1] not in ids and not self._is_leaving(words[1]):
                self.result.complain("lost", f"the token {words[0]}")
            if (kind == "gone" and words[0] in ids) or (kind == "workload" and words[0] not in labels):
                self.result.complain("lost", " ".join([kind, *words]))
            if kind == "label" and labels.get(words[0], 0) < int(words[1]):
                self.result.complain("lost", f"the label {words[1]} of {words[0]}, which is {labels.get(words[0])}")
        names = [name for name, _ in [*tokens, *workloads]]
        for name in {each for each in names if names.count(each) > 1 and each.startswith("w")}:
            self.result.complain("duplicated", name)
        self._check_seen(database, labels, seen)

    def _is_leaving(self, token: str) -> bool:
        """Its removal is under way: each writer keeps the newest of what it has made."""
        newest: dict[str, list[str]] = {}
        for words in self.ledger.read():
            if words[0] == "token":
                newest.setdefault(words[1].split("-")[0], []).append(words[2])
        return not any(token in each[-KEPT + 1:] for each in newest.values())

    def _check_seen(self, database: sqlite3.Connection, labels: dict[str, int], seen: list[Any]) -> None:
        newest = database.execute('SELECT max("index") FROM change_log').fetchone()[0] or 0
        for shown, index, events in seen:
            if index > newest:
                self.result.complain("taken_back", f"change {index}; the newest is {newest}")
            for name, value in shown.items():
                if labels.get(name, 0) < value:
                    self.result.complain("taken_back", f"the label {value} of {name}, which is {labels.get(name)}")
            for number, row in events:
                there = database.execute('SELECT "row_id" FROM change_log WHERE "index" = ?', (number,)).fetchone()
                if there and there[0] != row:
                    self.result.complain("taken_back", f"change {number} was of {row}, and is of {there[0]}")


def run(state: Path, kills: int, result: Result, seed: int, pause_s: float = 0.02) -> None:
    """Kills one console so many times, in a folder of its own."""
    state.mkdir(parents=True, exist_ok=True)
    crash = Crash(state, result, seed, pause_s)
    before = result.kills
    try:
        crash.begin()
        while result.kills - before < kills:
            crash.kill_and_check()
        crash.end()
    finally:
        crash.close()
