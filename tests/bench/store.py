"""How many workload updates a second the console makes durable, beside etcd, the store alone and SQLite alone, interleaved.

Everything keeps its data on the same disk and syncs before it answers.

- api: `PATCH /api/v1/workloads/ID` of a label, over TLS, with an API token, audited; 256 connections with one request outstanding each;
  10,000 workloads, another one and another value each time. By `wrk`. Afterwards the console is killed, and its database must hold what was acknowledged
- etcd: the same number of bytes put by `h2load`, over gRPC with TLS, 256 connections with one request outstanding each. Its clients cost
  as much processor as those of the API, which is printed for both; the key is the same each time, which is etcd's best case
- store: `store_bench`, a program over core/store alone: no network, no HTTP, no JSON; and the same rows into SQLite by hand
- reads: 200 a second over four connections of their own while the updates run, by `h2load`
- ready: from exec of `lattice server` until a first read with a token is answered as it should be, with 10,000 workloads on 1,000 nodes
"""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import sqlite3
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from support.cloud import BIN, Api, Program
from support.ports import free_port, free_ports
from support.waiting import wait_until

WORKLOADS, NODES, CLIENTS = 10_000, 1_000, 256
READERS, READS_PER_S = 4, 50  # of each reader
READY_RUNS = 5
BODY = '{"labels":{"release":"2026-11-21-%08d"}}'
VALUE_BYTES = len(BODY % 0)


class Server(Program):
    """A console as it is shipped: with its default settings, but for where it listens."""

    def __init__(self, data: Path):
        super().__init__("console", data.with_name(data.name + ".log"))
        self.data = data
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"

    def exec(self) -> None:
        self.launch(BIN / "lattice", "server", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.port}", "--advertise", "127.0.0.1")

    def start(self) -> None:
        def ready() -> bool:
            assert self.runs(), "the console ended"
            return (self.data / "ca.pem").exists() and Api(self.url, self.data / "ca.pem").ask("GET", "/readyz").ok

        self.exec()
        wait_until(ready, "the console is ready", tolerate=(OSError,))

    def api(self) -> Api:
        return Api(self.url, self.data / "ca.pem").login("admin", (self.data / "admin-password").read_text().strip())


@contextmanager
def running(program: Program) -> Iterator[None]:
    try:
        yield
    except Exception:
        say(program.tail())
        raise
    finally:
        if program.runs():
            program.kill()


# ---- the clients


def client(command: list[str], environment: dict[str, str] | None = None) -> tuple[str, float]:
    """Runs it; returns what it printed, and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def wrk_script(path: Path, token: str, ids: list[str]) -> None:
    """Requests are made before the clock runs: each of another workload, with a value that it has not had."""
    path.write_text(f"""
local ids = {{ {",".join(f'"{each}"' for each in ids)} }}
local headers = {{ ["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json", ["Prefer"] = "return=minimal" }}
local requests, at = {{}}, 0
function init()
    local first = tonumber(os.getenv("FIRST"))
    math.randomseed(first)
    for i = 1, 50000 do
        local body = ('{BODY}'):format((first + i) % 100000000)
        requests[i] = wrk.format("PATCH", "/api/v1/workloads/" .. ids[math.random(#ids)], headers, body)
    end
end
function request()
    at = at % #requests + 1
    return requests[at]
end
""")


def update_for(script: Path, url: str, seconds: int) -> tuple[int, float, float]:
    """Returns how many updates were acknowledged, how many a second, and the client's processor seconds."""
    text, cpu = client(["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), url],
                       {"FIRST": str(time.time_ns() // 1_000_000 % 100_000_000)})
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    count = int(re.search(r"(\d+) requests in", text)[1])
    return count, float(re.search(r"Requests/sec: +([\d.]+)", text)[1]), cpu


@contextmanager
def reading(url: str, token: str, ids: list[str], log: Path, seconds: int) -> Iterator[None]:
    """Reads workloads at a steady rate meanwhile; what each took goes to the log."""
    uris = log.with_suffix(".uris")
    uris.write_text("\n".join(f"{url}/api/v1/workloads/{each}" for each in ids[:: len(ids) // 100]))
    reader = subprocess.Popen(["h2load", "--h1", "-t1", f"-c{READERS}", f"-D{seconds}", f"--rps={READS_PER_S}", f"--log-file={log}", "-i", str(uris),
                               "-H", f"authorization: Bearer {token}"], stdout=subprocess.PIPE, text=True)
    yield
    text, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0 and " 0 3xx, 0 4xx, 0 5xx" in text, text


# ---- etcd


class Etcd(Program):
    def __init__(self, state: Path):
        super().__init__("etcd", state / "etcd.log")
        self.state = state
        self.port, self.peer_port = free_ports(2)
        self.url = f"https://127.0.0.1:{self.port}/etcdserverpb.KV/"
        self.put = state / "put.bin"
        key = b"/workloads/00000000-0000-7000-8000-000000000000"
        self.put.write_bytes(grpc(field(1, key) + field(2, b"v" * VALUE_BYTES)))
        self.range = state / "range.bin"
        self.range.write_bytes(grpc(field(1, key)))

    def start(self) -> None:
        pair = self.state / "etcd.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=etcd",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(pair), "-out", str(self.state / "etcd.crt")], check=True, capture_output=True)
        peers = f"http://127.0.0.1:{self.peer_port}"
        self.launch("etcd", "--name", "bench", "--data-dir", self.state / "etcd", "--cert-file", self.state / "etcd.crt", "--key-file", pair,
                    "--listen-client-urls", f"https://127.0.0.1:{self.port}", "--advertise-client-urls", f"https://127.0.0.1:{self.port}",
                    "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"bench={peers}", "--log-level", "error")
        wait_until(lambda: self.load("-n1", "-c1", "-m1")[0] == 1, "etcd takes a put", tolerate=(AssertionError,))

    def load(self, *how: str) -> tuple[int, float, float]:
        """As update_for."""
        text, cpu = client(["h2load", "-t1", *how, "-d", str(self.put), "-H", "content-type: application/grpc", "-H", "te: trailers", self.url + "Put"])
        count = int(re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", text)[1])
        return count, float(re.search(r"([\d.]+) req/s", text)[1]), cpu

    def version(self) -> int:
        """How often the key was put: a gRPC call says in its body, not in its status, what came of it."""
        answer = subprocess.run(["curl", "-s", "--http2", "-k", "--data-binary", f"@{self.range}", "-H", "content-type: application/grpc", "-H", "te: trailers",
                                 self.url + "Range"], capture_output=True, check=True).stdout
        return dict(fields(dict(fields(answer[5:]))[2]))[4]


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def grpc(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = number()
        size = number()
        if tag & 7 == 2:
            yield tag >> 3, message[at : at + size]
            at += size
        else:
            yield tag >> 3, size


# ---- the data


def deploy_all(server: Server, token: str, state: Path) -> None:
    script = state / "deploy.lua"
    script.write_text(f"""
local headers = {{ ["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json" }}
local count = 0
function request()
    count = count + 1
    local spec = '{{"type":"custom","name":"app-%d-%d","count":1,"cpu":"0.1","memory":"64m","labels":{{"tier":"front"}},"params":{{"image":' ..
        '"registry.example.com/team/app:1.27","env":{{"MODE":"production","DATABASE_URL":"postgresql://app@db.example.com/shop","LEVEL":"info"}}}}}}'
    return wrk.format("POST", "/api/v1/workloads", headers, spec:format(os.getenv("RUN"), count))
end
""")
    deployed = run = 0
    while deployed < WORKLOADS:
        text, _ = client(["wrk", "-t1", "-c16", "-d2s", "-s", str(script), server.url], {"RUN": str(run)})
        assert "Non-2xx" not in text, text
        deployed += int(re.search(r"(\d+) requests in", text)[1])
        run += 1


def database(data: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(data / "state.db", isolation_level=None))


def settle(data: Path) -> list[str]:
    """Leaves exactly 10,000 workloads that stand still, so that nothing but the updates happens; returns their ids."""
    with database(data) as db:
        assert db.execute("SELECT count(*) FROM workload").fetchone()[0] >= WORKLOADS
        db.execute("BEGIN")
        db.execute("DELETE FROM workload WHERE id NOT IN (SELECT id FROM workload ORDER BY id LIMIT ?)", (WORKLOADS,))
        db.execute("UPDATE workload SET status = 'stopped', desired = 'stopped', reason = ''")
        db.execute("DELETE FROM evaluation")
        db.execute("COMMIT")
        return [row[0] for row in db.execute("SELECT id FROM workload ORDER BY id")]


def row_id(kind: int, number: int) -> str:
    return f"00000000-0000-7000-80{kind:02x}-{number:012x}"


def insert(db: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = db.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
    otherwise = {name: "" if kind == "TEXT" else 0 for name, kind in columns}
    db.executemany(f"INSERT INTO \"{table}\" VALUES ({','.join('?' * len(columns))})", [tuple((otherwise | row).values()) for row in rows])


def populate(data: Path, ids: list[str]) -> None:
    """Makes the workloads run, on a thousand nodes."""
    now = time.time_ns() // 1_000_000
    with database(data) as db:
        db.execute("BEGIN")
        insert(db, "node", [{"id": row_id(1, i), "name": f"node-{i}", "status": "ready", "key_digest": f"{i:064x}", "pool": "default", "architecture": "amd64",
                             "os": "Debian 12", "engine_version": "20.10.24", "agent_version": "1", "cpu_milli": 8000, "memory_bytes": 16 << 30, "joined_at": now,
                             "seen_at": now, "version": 1} for i in range(NODES)])
        insert(db, "allocation", [{"id": row_id(2, i), "workload_id": each, "node_id": row_id(1, i % NODES), "generation": 1, "spec_generation": 1,
                                   "observed_generation": 1, "cpu_milli": 100, "memory_bytes": 64 << 20, "desired": "running", "status": "running",
                                   "observed": '{"container":"' + "0" * 64 + '","ports":{},"starts":1}', "created_at": now, "updated_at": now, "version": 1}
                                  for i, each in enumerate(ids)])
        db.execute("UPDATE workload SET status = 'running', desired = 'running'")
        db.execute("COMMIT")


# ---- what is measured


def ready_ms(data: Path, authority: Path, token: str, workload: str) -> float:
    server = Server(data)
    trust = ssl.create_default_context(cafile=str(authority))
    request = f"GET /api/v1/workloads/{workload} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
    begin = time.perf_counter()
    server.exec()
    with running(server):
        while time.perf_counter() - begin < 30:
            try:
                with trust.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1") as line:
                    line.sendall(request)
                    answer = b"".join(iter(lambda: line.recv(65536), b""))
            except OSError:
                time.sleep(0.001)
                continue
            took = (time.perf_counter() - begin) * 1000
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["id"] == workload, answer
            return took
    raise AssertionError("the console was not ready within 30 s")


def check_durable(data: Path, before: int, acknowledged: int) -> None:
    """After a kill: every acknowledged update counted a version up, and at most those that were under way did so besides."""
    with database(data) as db:
        written = db.execute("SELECT sum(version) FROM workload").fetchone()[0] - before
        values = db.execute("SELECT count(DISTINCT labels) FROM workload").fetchone()[0]
        logged = [row[0] for row in db.execute("PRAGMA integrity_check")]
    assert logged == ["ok"], logged
    assert acknowledged <= written <= acknowledged + 64 * CLIENTS, f"{acknowledged} were acknowledged, {written} are there"
    assert values > WORKLOADS / 2, f"{values} different labels"


def p99(logs: list[Path]) -> float:
    times = sorted(int(line.split("\t")[2]) for log in logs for line in log.read_text().splitlines())
    return times[int(len(times) * 0.99)]


def measure(state: Path, rounds: int, seconds: int) -> dict[str, Any]:
    data = state / "console"
    server = Server(data)
    with running(server):
        server.start()
        token = str(server.api().session.headers["Authorization"]).removeprefix("Bearer ")
        deploy_all(server, token, state)
        server.stop()
    ids = settle(data)
    shutil.copytree(data, state / "running")
    populate(state / "running", ids)
    with database(data) as db:
        versions = db.execute("SELECT sum(version) FROM workload").fetchone()[0]

    script, server, etcd = state / "update.lua", Server(data), Etcd(state)
    wrk_script(script, token, ids)
    runs: dict[str, list[tuple[int, float, float]]] = {"api": [], "etcd": []}
    alone: list[dict[str, float]] = []
    logs: list[Path] = []
    with running(server), running(etcd):
        server.start()
        etcd.start()
        puts = etcd.version()
        for turn in range(rounds):
            logs.append(state / f"reads-{turn}.log")
            with reading(server.url, token, ids, logs[-1], seconds):
                runs["api"].append(update_for(script, server.url, seconds))
            runs["etcd"].append(etcd.load(f"-c{CLIENTS}", "-m1", f"-D{seconds}"))
            done = subprocess.run([BIN / "store_bench", "--json", "--data-dir", state / f"store-{turn}"], capture_output=True, text=True, check=True, timeout=120)
            alone.append(json.loads(done.stdout.splitlines()[-1]))
            say(f"round {turn + 1}/{rounds}: " + ", ".join(f"{name} {each[-1][1]:.0f}/s" for name, each in runs.items()) + f", {done.stdout.splitlines()[-1]}")
        server.kill()
        assert etcd.version() - puts >= sum(each[0] for each in runs["etcd"]), "etcd lost puts"
    check_durable(data, versions, sum(each[0] for each in runs["api"]))

    ready = [ready_ms(state / "running", data / "ca.pem", token, ids[i]) for i in range(READY_RUNS)]
    median = {name: statistics.median(each[1] for each in list) for name, list in runs.items()}
    return {
        "api_writes_per_s": round(median["api"]),
        "etcd_writes_per_s": round(median["etcd"]),
        "ratio_vs_etcd": round(median["api"] / median["etcd"], 3),
        "store_writes_per_s": round(statistics.median(each["store_writes_per_s"] for each in alone)),
        "sqlite_writes_per_s": round(statistics.median(each["sqlite_writes_per_s"] for each in alone)),
        "bytes_per_workload": round(statistics.median(each["bytes_per_workload"] for each in alone)),
        "read_p99_us": p99(logs),
        "ready_ms_10k": round(statistics.median(ready), 1),
        "api_client_us": round(sum(each[2] for each in runs["api"]) / sum(each[0] for each in runs["api"]) * 1e6, 1),
        "etcd_client_us": round(sum(each[2] for each in runs["etcd"]) / sum(each[0] for each in runs["etcd"]) * 1e6, 1),
        "acknowledged": sum(each[0] for each in runs["api"]),
        "clients": CLIENTS,
        "value_bytes": VALUE_BYTES,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6, help="of load in each round, for each")
    parser.add_argument("--folder", type=Path, help="where all keep their data; a disk, not memory (default: the system's own for temporary files)")
    options = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="lattice-bench-", dir=options.folder))
    try:
        result = measure(state, options.rounds, options.seconds)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    tell(result, options.json)


if __name__ == "__main__":
    main()
