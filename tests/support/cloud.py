"""A cloud for tests: a real console, real agents on real engines, and what a user has to work with them.

Everything a test needs to hurt it is here too: kill, stop and start again each of the programs, with their data kept.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from .engine import Engine
from .netns import Namespace
from .ports import free_port
from .waiting import PATIENCE_S, wait_until

BIN = Path(os.environ.get("LATTICE_BIN_DIR", Path(__file__).resolve().parents[2] / "build" / "debug" / "bin"))
# A sanitizer's report ends a program with this status, and with nothing else in its place.
SANITIZER_STATUS = 99
POLICY_DEADLINE = "2s"


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LATTICE_")}
    options = f"exitcode={SANITIZER_STATUS}:abort_on_error=0"
    races = f"exitcode={SANITIZER_STATUS}:second_deadlock_stack=1:suppressions={Path(__file__).with_name('tsan.supp')}"
    return kept | {
        "ASAN_OPTIONS": options + ":detect_leaks=1", "UBSAN_OPTIONS": options + ":print_stacktrace=1", "LSAN_OPTIONS": "exitcode=99",
        "TSAN_OPTIONS": races,
    }


class Program:
    """One process of ours with a log; knows how it ended."""

    def __init__(self, name: str, log: Path, namespace: Namespace | None = None):
        self.name = name
        self.log = log
        self.namespace = namespace
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        assert not self.runs(), f"{self.name} runs already"
        words = [str(word) for word in command]
        if self.namespace:
            words = ["nsenter", f"--net=/run/netns/{self.namespace.name}", "--", *words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment() | self.environment | (environment or {}))

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def kill(self) -> None:
        """As a power cut would end it."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, timeout_s: float = PATIENCE_S) -> None:
        """As a service manager would end it; fails unless it ends well and without a sanitizer's report."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGABRT)
                self.process.wait()
                raise AssertionError(f"{self.name} did not stop within {timeout_s} s:\n{self.tail()}") from None
        assert self.process.returncode == 0, f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def text_lines(self) -> list[str]:
        """What it logged; a line that it is writing just now is not there yet."""
        return self.log.read_text().rpartition("\n")[0].splitlines()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, as objects."""
        return [json.loads(line) for line in self.text_lines() if line.startswith("{")]

    def memory_bytes(self) -> int:
        """Resident memory that is its own."""
        return ProcessOf(self.pid).memory_bytes()

    def descriptors(self) -> int:
        return ProcessOf(self.pid).descriptors()

    def children(self, word: str) -> list["ProcessOf"]:
        """Its child processes that have this word among their arguments."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        found = [ProcessOf(int(pid)) for pid in pids]
        return [each for each in found if word in each.arguments()]


class ProcessOf:
    """Any process, by its pid."""

    def __init__(self, pid: int):
        self.folder = Path(f"/proc/{pid}")
        self.pid = pid

    def arguments(self) -> list[str]:
        """None once it has ended."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return self.folder.joinpath("cmdline").read_text().split("\0")
        return []

    def memory_bytes(self) -> int:
        for line in self.folder.joinpath("smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no Private_Dirty in smaps_rollup")

    def descriptors(self) -> int:
        return len(list(self.folder.joinpath("fd").iterdir()))

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class ApiProblem(AssertionError):
    """The API answered with a problem."""

    def __init__(self, status: int, problem: dict[str, Any]):
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')} [{problem.get('field')}] {problem.get('hint')}")
        self.status = status
        self.problem = problem
        self.code = problem.get("code")


class Api:
    """The REST API as one user."""

    def __init__(self, url: str, authority: Path, token: str = ""):
        self.url = url
        self.authority = authority
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(authority)
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, timeout=options.pop("timeout", PATIENCE_S), **options)

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = self.ask(method, path, body, **options)
        if answer.status_code >= 400:
            raise ApiProblem(answer.status_code, answer.json())
        return answer.json() if answer.content else None

    def login(self, user: str, password: str) -> "Api":
        token = self("POST", "/api/v1/login", {"user": user, "password": password})["token"]
        made = Api(self.url, self.authority, token)
        return Api(self.url, self.authority, made("POST", "/api/v1/tokens", {"name": "test"})["token"])

    # ---- workloads

    def deploy(self, type: str, name: str, wait: bool = True, **spec: Any) -> dict[str, Any]:
        self("POST", "/api/v1/workloads", {"type": type, "name": name, **spec})
        return self.wait(name, "running") if wait else self.show(name)

    def show(self, name: str) -> dict[str, Any]:
        return self("GET", f"/api/v1/workloads/{name}")

    def names(self) -> list[str]:
        return [each["name"] for each in self("GET", "/api/v1/workloads")["items"]]

    def wait(self, name: str, status: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            shown = self.show(name)
            seen.append(f"{shown['status']}: {shown['reason']}")
            return shown if shown["status"] == status else None

        seen: list[str] = []
        try:
            return wait_until(look, f"{name} is {status}", tolerate=(requests.ConnectionError, requests.Timeout))
        except AssertionError as error:
            changes = [each for i, each in enumerate(seen) if i == 0 or seen[i - 1] != each]
            raise AssertionError(f"{error}; it was {changes}") from None

    def remove(self, name: str, keep_data: bool = False) -> None:
        self("DELETE", f"/api/v1/workloads/{name}" + ("?keep_data=true" if keep_data else ""))
        wait_until(lambda: name not in self.names(), f"{name} is gone")

    def url_of(self, name: str, endpoint: str | None = None) -> str:
        for each in self.show(name)["endpoints"]:
            if endpoint in (None, each["name"]):
                return each["url"]
        raise AssertionError(f"{name} has no endpoint {endpoint}")


class Console(Program):
    """Its policies and plugins have POLICY_DEADLINE, unless a test is about one that does not end: with sanitizers, on a machine with
    ten times the work it can do, honest ones miss the deadline that holds by default."""

    def __init__(self, state: Path, host: str = "127.0.0.1", flags: tuple[str, ...] = (), binaries: Path = BIN, log_level: str = "debug",
                 policy_deadline: str = POLICY_DEADLINE):
        super().__init__("console", state / "console.log")
        self.binaries = binaries
        self.data = state / "console"
        self.host = host
        self.port = free_port()
        self.flags = ("--policy-deadline", policy_deadline, *flags)
        self.log_level = log_level

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    @property
    def authority(self) -> Path:
        return self.data / "ca.pem"

    def start(self) -> None:
        self.launch(self.binaries / "lattice", "server", "--data-dir", self.data, "--listen", f"0.0.0.0:{self.port}", "--advertise", self.host,
                    "--log-level", self.log_level, *self.flags)
        self.wait_ready()

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.runs(), f"the console ended:\n{self.tail()}"
            return self.authority.exists() and Api(self.url, self.authority).ask("GET", "/readyz").status_code == 200

        wait_until(ready, "the console is ready", tolerate=(requests.RequestException, OSError))

    def password(self) -> str:
        return (self.data / "admin-password").read_text().strip()

    def admin(self) -> Api:
        return Api(self.url, self.authority).login("admin", self.password())


class Agent(Program):
    def __init__(self, state: Path, name: str, console: Console, engine: Engine, namespace: Namespace | None = None, host: str = "127.0.0.1"):
        super().__init__(f"agent {name}", state / f"agent-{name}.log", namespace)
        self.data = state / f"agent-{name}"
        self.node = name
        self.console = console
        self.engine = engine
        self.host = host

    def start(self, token: str = "") -> None:
        self.launch(self.console.binaries / "lattice-agent", "--data-dir", self.data, "--console", f"{self.host}:{self.console.port}", "--name", self.node,
                    "--docker-host", self.engine.host, "--log-level", self.console.log_level,
                    environment={"LATTICE_JOIN_TOKEN": token} if token else None)


class Cloud:
    """One console and its nodes, in a folder of their own."""

    def __init__(self, state: Path, host: str = "127.0.0.1", flags: tuple[str, ...] = (), binaries: Path = BIN, log_level: str = "debug",
                 policy_deadline: str = POLICY_DEADLINE):
        self.state = state
        self.console = Console(state, host, flags, binaries, log_level, policy_deadline)
        self.agents: list[Agent] = []
        self.api: Api

    def start(self) -> "Cloud":
        self.console.start()
        self.api = self.console.admin()
        return self

    def join(self, engine: Engine, name: str = "node-1", namespace: Namespace | None = None, wait: bool = True,
             environment: dict[str, str] | None = None) -> Agent:
        agent = Agent(self.state, name, self.console, engine, namespace, self.console.host)
        agent.environment = environment or {}
        self.agents.append(agent)
        agent.start(self.api("POST", "/api/v1/join-tokens", {})["token"])
        if wait:
            self.wait_node(name)
        return agent

    def containers(self) -> list[str]:
        """Ids of the containers that are ours, on all nodes and in any state."""
        return sorted(each["Id"] for agent in self.agents for each in agent.engine.containers())

    def node(self, name: str) -> dict[str, Any]:
        return self.api("GET", f"/api/v1/nodes/{name}")

    def wait_node(self, name: str, status: str = "ready") -> None:
        def look() -> bool:
            return self.node(name)["status"] == status

        wait_until(look, f"node {name} is {status}", tolerate=(ApiProblem, requests.ConnectionError, requests.Timeout))

    def metric(self, name: str) -> float:
        """The sum of a metric's series."""
        text = self.api.ask("GET", "/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)

    def cli(self, *words: str, check: bool = True, token: str | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs `lattice` as a user would, logged in by its environment."""
        bearer = token or str(self.api.session.headers["Authorization"]).removeprefix("Bearer ")
        environment = _environment() | {
            "LATTICE_ADDR": self.console.url, "LATTICE_CACERT": str(self.console.authority), "LATTICE_TOKEN": bearer,
            "XDG_CONFIG_HOME": str(self.state / "config"), "NO_COLOR": "1",
        }
        done = subprocess.run([str(BIN / "lattice"), *words], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **options)
        if check:
            assert done.returncode == 0, f"lattice {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def remove_all(self) -> None:
        """Removes every workload; fails if anything is left of one."""
        for name in self.api.names():
            self.api("DELETE", f"/api/v1/workloads/{name}")
        wait_until(lambda: not self.api.names(), "every workload is gone")
        engines = [agent.engine for agent in self.agents]
        left = [each for engine in engines for each in [*engine.containers(), *engine.volumes()]]
        assert not left, f"workloads are gone, and left on the engines: {left}"

    def clear_up(self) -> None:
        """After the weather: brings back what was hurt, and removes every workload."""
        for engine in {agent.engine for agent in self.agents}:
            engine.revive()
        if not self.console.runs():
            self.console.start()
        for agent in self.agents:
            if not agent.runs():
                agent.start()
        for agent in self.agents:
            self.wait_node(agent.node)
        self.remove_all()

    def stop(self) -> None:
        """Stops everything, and fails if anything ended badly: a leak that a sanitizer reports is a failure."""
        for agent in self.agents:
            if agent.process and agent.runs():
                agent.stop()
        if self.console.runs():
            self.console.stop()

    def kill(self) -> None:
        for program in [*self.agents, self.console]:
            if program.process and program.runs():
                program.kill()


def pause(seconds: float) -> None:
    """A pause that is the thing tested (a link that is cut for so long), not a wait for something."""
    time.sleep(seconds)
