"""A disk that takes a third of a second for each sync: writes wait, reads do not, memory stays flat, and nothing that was acknowledged is lost.

With the release build: what a sanitizer keeps for itself would hide what is asked here.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from support.cloud import Api, Cloud
from support.waiting import PATIENCE_S, wait_until

RELEASE_BIN = Path(os.environ.get("LATTICE_RELEASE_BIN_DIR", Path(__file__).resolve().parents[2] / "build" / "release" / "bin"))
SYNC_S = 0.3
WRITERS, SECONDS = 48, 6
MEMORY_MAX = 24 << 20  # more than before: far below what a queue without bounds would take


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path, binaries=RELEASE_BIN).start()
    try:
        for i in range(WRITERS):
            made.api("POST", "/api/v1/workloads", {"type": "custom", "name": f"w{i}", "params": {"image": "none:1"}})
        yield made
        made.stop()
    finally:
        made.kill()


@contextmanager
def slow_syncs(pid: int) -> Iterator[None]:
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(pid), "-e", "trace=fdatasync",
                               "-e", f"inject=fdatasync:delay_enter={int(SYNC_S * 1e6)}"])
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=PATIENCE_S)


class Writer(threading.Thread):
    """Changes the label of one workload again and again; notes each answer, and the last value that was acknowledged."""

    def __init__(self, like: Api, number: int, end: float):
        super().__init__(daemon=True)
        self.api = Api(like.url, like.authority, str(like.session.headers["Authorization"]).removeprefix("Bearer "))
        self.name_of_workload = f"w{number}"
        self.end = end
        self.answers: list[tuple[int, str | None]] = []
        self.sent = self.acknowledged = -1

    def run(self) -> None:
        try:
            self.write()
        except requests.RequestException:
            pass  # the console has stopped

    def write(self) -> None:
        while time.monotonic() < self.end:
            self.sent += 1
            answer = self.api.ask("PATCH", f"/api/v1/workloads/{self.name_of_workload}", {"labels": {"n": str(self.sent)}})
            self.answers.append((answer.status_code, answer.headers.get("Retry-After")))
            if answer.status_code == 200:
                self.acknowledged = self.sent


def write_for(api: Api, seconds: float) -> list[Writer]:
    writers = [Writer(api, i, time.monotonic() + seconds) for i in range(WRITERS)]
    for each in writers:
        each.start()
    return writers


def join_all(writers: list[Writer]) -> None:
    for each in writers:
        each.join(60)
        assert not each.is_alive(), f"{each.name_of_workload} was not answered"


def is_slow(api: Api) -> bool:
    begin = time.monotonic()
    api("PATCH", "/api/v1/workloads/w0", {"labels": {"probe": "1"}})
    return time.monotonic() - begin >= SYNC_S


def test_a_slow_disk_slows_writes_alone(console: Cloud) -> None:
    api = console.api
    join_all(write_for(api, 2))
    before = console.console.memory_bytes()
    with slow_syncs(console.console.pid):
        wait_until(lambda: is_slow(api), "syncs are slow")
        writers = write_for(api, SECONDS)
        peak = reads = 0
        while any(each.is_alive() for each in writers):
            assert api.show("w1")["name"] == "w1"
            reads += 1
            peak = max(peak, console.console.memory_bytes())
        join_all(writers)
    answers = [each for writer in writers for each in writer.answers]
    assert all(status == 200 or (status == 503 and retry) for status, retry in answers), answers
    assert sum(status == 200 for status, _ in answers) >= WRITERS
    assert reads > max(len(writer.answers) for writer in writers), "reads waited for the disk"
    assert peak - before < MEMORY_MAX, f"{before >> 20} MiB before, {peak >> 20} MiB while the disk was slow"
    console.console.kill()
    console.console.start()
    for writer in writers:
        value = int(api.show(writer.name_of_workload)["labels"]["n"])
        assert writer.acknowledged <= value <= writer.sent


def test_a_stop_waits_for_what_the_disk_has(console: Cloud) -> None:
    api = console.api
    with slow_syncs(console.console.pid):
        wait_until(lambda: is_slow(api), "syncs are slow")
        writers = write_for(api, 30)
        wait_until(lambda: all(writer.acknowledged >= 0 for writer in writers), "each writer was acknowledged once")
        console.console.process.send_signal(signal.SIGTERM)
        for each in writers:
            each.end = 0
        console.console.process.wait(timeout=PATIENCE_S)
    assert console.console.process.returncode == 0, console.console.tail()
    console.console.start()
    for writer in writers:
        assert int(api.show(writer.name_of_workload)["labels"]["n"]) >= writer.acknowledged
