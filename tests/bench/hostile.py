"""How long other users wait while somebody puts hostile scripts into force.

The scripts of tests/lua/hostile, one after the other, on a whole console with one node: the file is applied with the script at its top,
then with the script inside of a decision, then a workload is deployed about which that decision is made, then one about which it is made
honestly. A script is contained if the console lives on, everything was answered, the workload was decided about, and the honest one was
decided by the policy and not without it.

Meanwhile, and in turns with the same done with honest files, other users read at a steady rate from processes of their own; every delay
that one of them saw counts. The node is one that takes everything and starts nothing, so that no engine's work is measured.
"""

import argparse
import http.client
import multiprocessing
import shutil
import ssl
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from bench.telling import say, tell
from support.cloud import Cloud
from support.hostile import HONEST, KINDS, Script, apply, attack, decided, idle_node, read_scripts

READERS, READS_PER_S = 4, 50  # of each reader
TURN = 10  # scripts between two turns
PACE_S = 0.6  # what one script takes at the least, and an honest one always


# ---- those who wait


def read_steadily(host: str, port: int, authority: str, token: str, path: str, stop: Any, log: str) -> None:
    """Runs in a process of its own: reads, and notes when each request began and what it took."""
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=60)
    with open(log, "w", encoding="utf-8") as out:
        due = time.monotonic()
        while not stop.is_set():
            began = time.monotonic()
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            out.write(f"{began} {(time.monotonic() - began) * 1000} {answer.status}\n")
            due = max(due + 1 / READS_PER_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


class Readers:
    def __init__(self, cloud: Cloud, folder: Path, path: str):
        token = str(cloud.api.session.headers["Authorization"]).removeprefix("Bearer ")
        self.stop = multiprocessing.get_context("fork").Event()
        self.logs = [folder / f"reader-{i}" for i in range(READERS)]
        arguments = (cloud.console.host, cloud.console.port, str(cloud.console.authority), token, path, self.stop)
        self.processes = [multiprocessing.get_context("fork").Process(target=read_steadily, args=(*arguments, str(log))) for log in self.logs]
        for process in self.processes:
            process.start()

    def finish(self) -> list[tuple[float, float]]:
        """When each request began and how many milliseconds it took; every one was answered well."""
        self.stop.set()
        for process in self.processes:
            process.join(60)
            assert process.exitcode == 0, "a reader ended badly"
        lines = [line.split() for log in self.logs for line in log.read_text().splitlines()]
        assert all(status == "200" for _, _, status in lines)
        return [(float(began), float(took)) for began, took, _ in lines]


# ---- the one who attacks


def held(cloud: Cloud, script: Script, number: int) -> bool:
    try:
        fault = attack(cloud, script, number)
    except (AssertionError, requests.RequestException) as error:
        fault = str(error)
    if fault:
        say(f"NOT CONTAINED: {script.name}: {fault}")
    return not fault


def behave(cloud: Cloud, number: int) -> None:
    """What an attack does, done by somebody who means well."""
    apply(cloud, HONEST + f"-- {number}\n")
    apply(cloud, HONEST + f"-- {number} again\n")
    decided(cloud, f"first-{number}")
    decided(cloud, f"second-{number}")


def paced(work: Any) -> tuple[float, float, Any]:
    began = time.monotonic()
    result = work()
    time.sleep(max(0.0, began + PACE_S - time.monotonic()))
    return began, time.monotonic(), result


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def run(state: Path, scripts: list[Script]) -> dict[str, Any]:
    cloud = Cloud(state, log_level="info", policy_deadline="500ms").start()
    try:
        wire = idle_node(cloud, state, "node-1")
        cloud.api("POST", "/api/v1/workloads", {"type": "custom", "name": "seen", "params": {"image": "nothing"}})
        pid = cloud.console.pid
        readers = Readers(cloud, state, "/api/v1/workloads/seen")
        attacks, honest, contained = [], [], 0
        for at in range(0, len(scripts), TURN):
            for i, script in enumerate(scripts[at:at + TURN], at):
                began, ended, well = paced(lambda s=script, n=i: held(cloud, s, n))
                attacks.append((began, ended))
                contained += well
            length = sum(ended - began for began, ended in attacks[at:at + TURN])
            until = time.monotonic() + length
            number = at * 1000
            while time.monotonic() < until:
                began, ended, _ = paced(lambda n=number: behave(cloud, n))
                honest.append((began, ended))
                number += 1
            say(f"{min(at + TURN, len(scripts))}/{len(scripts)} scripts, {contained} contained")
        times = readers.finish()
        assert cloud.console.pid == pid and cloud.console.runs()
        wire.close()
        cloud.stop()
    except Exception:
        say(cloud.console.tail())
        raise
    finally:
        cloud.kill()

    def within(spans: list[tuple[float, float]]) -> list[float]:
        return [took for began, took in times if any(a <= began < b for a, b in spans)]

    during, without = within(attacks), within(honest)
    return {
        "scripts": len(scripts), "contained": contained, "max_delay_ms": round(max(during), 1), "p99_ms": round(p99(during), 2),
        "p50_ms": round(statistics.median(during), 2), "honest_max_delay_ms": round(max(without), 1), "honest_p99_ms": round(p99(without), 2),
        "honest_p50_ms": round(statistics.median(without), 2), "p99_ratio": round(p99(during) / p99(without), 3), "requests": len(during) + len(without),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--each", type=int, default=15, help="scripts of each kind, evenly chosen; 0: all")
    options = parser.parse_args()
    scripts = []
    for kind in KINDS:
        found = read_scripts(kind)
        step = max(1, len(found) // options.each) if options.each else 1
        scripts += found[::step][:options.each or None]
    state = Path(tempfile.mkdtemp(prefix="lattice-hostile-"))
    try:
        result = run(state, scripts)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    tell(result, options.json)


if __name__ == "__main__":
    main()
