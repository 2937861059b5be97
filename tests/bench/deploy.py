"""How long a deploy takes until it runs, beside the peers on the same engine, interleaved.

- lattice: POST to the API until the event stream says `running`
- docker run: the command, as a user types it, until it returns
- bare calls: create, start, inspect, by a client that does nothing else, over one connection
- swarm: `docker service create` until it returns, once waiting for it to be stable (--detach=false) and once not (then until its task runs)

All of them start the same small image that is there already, publish one port, set the same limits, and use the same network
(Swarm cannot use a node's own bridge network; it publishes in host mode).

The console's own share is measured from outside and in runs of its own: from the moment before a client hands the POST to its
connection, until a relay in front of the engine, a process of its own, has received `containers/create` from the agent. So it holds
the request's encryption and way in, the rendering, both commits, the placement, the way to the agent, and the agent's own work. The
client reads its answer afterwards and follows no events meanwhile: on a small machine its own work would stand in the way.
"""

import argparse
import http.client
import json
import shutil
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from relay import Relay
from support.bed import Bed
from support.cloud import Agent, Api, Cloud
from support.engine import API_VERSION, Engine

IMAGE = "lattice-test/web:1"
CPU, MEMORY, PIDS = "0.5", "64m", 4096
DROPPED = ["MKNOD", "NET_RAW", "SETFCAP"]  # as agent/driver/docker does


class Events:
    """The console's event stream, read by a thread; tells when a workload was first seen in a status."""

    def __init__(self, api: Api):
        self.seen: dict[tuple[str, str], float] = {}
        self.news = threading.Condition()
        self.answer = api.session.get(api.url + "/api/v1/events", stream=True, timeout=600)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.answer.iter_lines(chunk_size=1):
            if line.startswith(b"data: "):
                at = time.monotonic()
                event = json.loads(line[6:])
                row = event.get("row")
                if event.get("table") == "workload" and row:
                    with self.news:
                        self.seen.setdefault((row["id"], row["status"]), at)
                        self.news.notify_all()

    def wait(self, workload: str, status: str, timeout_s: float = 30) -> float:
        with self.news:
            if not self.news.wait_for(lambda: (workload, status) in self.seen, timeout_s):
                raise TimeoutError(f"{workload} is not {status}")
            return self.seen[workload, status]


class Line:
    """One TLS connection to the API with nothing between it and the clock: a client library costs milliseconds of its own."""

    def __init__(self, api: Api):
        host, port = api.url.removeprefix("https://").split(":")
        trust = ssl.create_default_context(cafile=str(api.authority))
        self.socket = trust.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = f"Host: {host}:{port}\r\nAuthorization: {api.session.headers['Authorization']}\r\nContent-Type: application/json\r\n"

    def post(self, path: str, body: Any) -> tuple[float, Any]:
        """Returns when the request was sent, and the answer."""
        return self.send(path, body), self.answer()

    def send(self, path: str, body: Any) -> float:
        text = json.dumps(body).encode()
        request = f"POST {path} HTTP/1.1\r\n{self.head}Content-Length: {len(text)}\r\n\r\n".encode() + text
        begin = time.monotonic()
        self.socket.sendall(request)
        return begin

    def answer(self) -> Any:
        answer = http.client.HTTPResponse(self.socket, method="POST")
        answer.begin()
        content = answer.read()
        assert answer.status < 400, content
        return json.loads(content)


class BareEngine:
    """The calls that a deploy needs, over one connection, and nothing else."""

    def __init__(self, engine: Engine, network: str):
        self.network = network
        self.connection = http.client.HTTPConnection("engine", timeout=30)
        self.connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connection.sock.connect(str(engine.socket))

    def call(self, method: str, path: str, body: Any = None) -> Any:
        self.connection.request(method, f"/{API_VERSION}{path}", json.dumps(body) if body else None, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 400, text
        return json.loads(text) if text else None

    def run(self) -> str:
        made = self.call("POST", "/containers/create", {
            "Image": IMAGE, "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}, "Memory": 64 << 20, "MemorySwap": 64 << 20,
                           "NanoCpus": 500_000_000, "NetworkMode": self.network, "CapDrop": DROPPED, "SecurityOpt": ["no-new-privileges"], "PidsLimit": PIDS},
        })["Id"]
        self.call("POST", f"/containers/{made}/start")
        assert self.call("GET", f"/containers/{made}/json")["State"]["Running"]
        return made


def timed_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.monotonic()
    result = work()
    return (time.monotonic() - begin) * 1000, result


def lattice_once(api: Api, events: Events, name: str) -> float:
    line = Line(api)  # a fresh one each time: the console closes what is idle while the peers are measured
    begin, made = line.post("/api/v1/workloads", {"type": "custom", "name": name, "cpu": CPU, "memory": MEMORY, "params": {"image": IMAGE, "ports": ["80/tcp"]}})
    took = (events.wait(made["id"], "running") - begin) * 1000
    api.remove(name)
    return took


def docker_run_once(engine: Engine, network: str) -> float:
    took, made = timed_ms(lambda: engine.docker("run", "-d", "--network", network, "-p", "127.0.0.1::80", "--memory", MEMORY, "--memory-swap", MEMORY, "--cpus", CPU,
                                                  "--pids-limit", str(PIDS), "--security-opt", "no-new-privileges", *(f"--cap-drop={each}" for each in DROPPED), IMAGE))
    engine.docker("rm", "-f", made)
    return took


def bare_once(bare: BareEngine) -> float:
    took, made = timed_ms(bare.run)
    bare.call("DELETE", f"/containers/{made}?force=true&v=true")
    return took


def swarm_once(engine: Engine, detach: bool) -> float:
    command = ["service", "create", f"--detach={str(detach).lower()}", "--quiet", "--name", "peer", "--endpoint-mode", "dnsrr", "--publish",
               "mode=host,target=80", "--limit-memory", MEMORY, "--limit-cpu", CPU, "--restart-condition", "none", "--no-resolve-image", IMAGE]

    def create() -> None:
        engine.docker(*command)
        while detach and not any(task["Status"]["State"] == "running" for task in engine.api("GET", "/tasks")):
            time.sleep(0.002)

    took, _ = timed_ms(create)
    engine.docker("service", "rm", "peer")
    while engine.api("GET", "/containers/json?all=true&filters=" + '{"label":["com.docker.swarm.service.name"]}'):
        time.sleep(0.02)
    return took


def console_share(state: Path, engine: Engine, runs: int) -> list[float]:
    relay = Relay(state / "relay.sock", engine.socket, "/containers/create")
    cloud = Cloud(state / "share", log_level="info").start()
    try:
        agent = Agent(cloud.state, "node-1", cloud.console, engine)
        agent.engine = type("Behind", (), {"host": f"unix://{state / 'relay.sock'}"})()
        cloud.agents.append(agent)
        agent.start(cloud.api("POST", "/api/v1/join-tokens", {})["token"])
        cloud.wait_node("node-1")
        line = Line(cloud.api)
        shares = []
        for i in range(runs + 3):
            begin = line.send("/api/v1/workloads", {"type": "custom", "name": f"share-{i}", "params": {"image": IMAGE, "ports": ["80/tcp"]}})
            created = relay.first_after(begin)
            if i >= 3:
                shares.append((created - begin) * 1000)
            line.answer()
            cloud.api.wait(f"share-{i}", "running")
            cloud.api.remove(f"share-{i}")
        cloud.stop()
        return shares
    finally:
        cloud.kill()
        relay.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="lattice-bench-"))
    (state / "share").mkdir()
    times: dict[str, list[float]] = {"lattice": [], "docker_run": [], "bare_calls": [], "swarm": [], "swarm_detached": []}
    try:
        with Bed() as bed:
            bed.registry.ensure("web")
            engine = bed.home_engine()
            engine.docker("pull", IMAGE)
            engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
            cloud = Cloud(state, log_level="info").start()
            try:
                cloud.join(engine)
                events = Events(cloud.api)
                lattice_once(cloud.api, events, "warm-up")
                network = engine.networks()[0]["Name"]
                bare = BareEngine(engine, network)
                works: list[tuple[str, Callable[[], float]]] = [
                    ("lattice", lambda: lattice_once(cloud.api, events, f"run-{len(times['lattice'])}")),
                    ("docker_run", lambda: docker_run_once(engine, network)),
                    ("bare_calls", lambda: bare_once(bare)),
                    ("swarm", lambda: swarm_once(engine, False)),
                    ("swarm_detached", lambda: swarm_once(engine, True)),
                ]
                for run in range(options.runs + 1):
                    for i in range(len(works)):  # another one is first each time
                        name, work = works[(i + run) % len(works)]
                        took = work()
                        if run > 0:  # the first round warms up
                            times[name].append(took)
                    say(f"run {run}/{options.runs}: " + ", ".join(f"{name} {values[-1]:.0f} ms" for name, values in times.items() if values))
                cloud.stop()
            except Exception:
                say(cloud.console.tail())
                raise
            finally:
                cloud.kill()
            engine.docker("swarm", "leave", "--force")
            shares = console_share(state, engine, options.runs)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    p50 = {name: statistics.median(values) for name, values in times.items()}
    result = {f"{name}_ms_p50": round(value, 2) for name, value in p50.items()}
    result |= {
        "ratio_vs_docker_run_p50": round(p50["lattice"] / p50["docker_run"], 3),
        "ratio_vs_bare_p50": round(p50["lattice"] / p50["bare_calls"], 3),
        "ratio_vs_swarm_p50": round(p50["lattice"] / p50["swarm"], 3),
        "ratio_vs_swarm_detached_p50": round(p50["lattice"] / p50["swarm_detached"], 3),
        "console_share_ms_p50": round(statistics.median(shares), 2),
        "console_share_ms_p95": round(sorted(shares)[int(len(shares) * 0.95)], 2),
        "runs": options.runs,
    }
    tell(result, options.json)


if __name__ == "__main__":
    main()
