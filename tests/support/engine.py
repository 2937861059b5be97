"""A real Docker Engine for tests; `scripts/local-engine` starts and stops it."""

import http.client
import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from .command import SCRIPTS, CommandFailed, run
from .netns import Namespace
from .waiting import PATIENCE_S, wait_until

API_VERSION = "v1.41"
LABEL_PREFIX = "lattice."
GRACE_S = 120  # that a container has to end in order


class ApiError(AssertionError):
    """The engine answered with an error."""

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float):
        super().__init__("engine", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """One dockerd with its own folder, in the namespace of the caller or in another."""

    def __init__(
        self,
        state: Path,
        mirror: str | None = None,
        namespace: Namespace | None = None,
        extra: tuple[str, ...] = (),
    ):
        self.state = state
        self.mirror = mirror
        self.namespace = namespace
        self.extra = extra

    # ---- the process

    @property
    def socket(self) -> Path:
        return self.state / "docker.sock"

    @property
    def host(self) -> str:
        """As DOCKER_HOST takes it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        args = ["--state", str(self.state)]
        if self.mirror:
            args += ["--registry-mirror", self.mirror]
        if self.namespace:
            args += ["--netns", self.namespace.name]
        if self.extra:
            args += ["--", *self.extra]
        run(SCRIPTS / "local-engine", "up", *args)

    def stop(self) -> None:
        """Stops it as the system's own service manager would; containers stop with it."""
        run(SCRIPTS / "local-engine", "down", "--state", self.state)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pid(self) -> int:
        return int((self.state / "pid").read_text())

    def kill(self) -> None:
        """SIGKILL: containers live on without their engine, until it starts again."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not _alive(pid), f"dockerd {pid} is dead")

    def pause(self) -> None:
        """SIGSTOP: connections are accepted, and nothing answers. A thread that runs at that time goes on for a moment."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(_state_of(task) == "T" for task in Path(f"/proc/{pid}/task").iterdir()), "the engine stands still")

    def resume(self) -> None:
        os.kill(self.pid(), signal.SIGCONT)

    def answers(self) -> bool:
        try:
            run(SCRIPTS / "local-engine", "status", "--state", self.state)
            return True
        except CommandFailed:
            return False

    # ---- what it does

    def docker(self, *args: str, timeout_s: float = PATIENCE_S, check: bool = True) -> str:
        """Runs the docker command on it and returns its stdout without the last line's end."""
        env = {**os.environ, "DOCKER_HOST": self.host}
        return run("docker", *args, timeout_s=timeout_s, env=env, check=check).rstrip("\n")

    def api(self, method: str, path: str, body: Any = None, timeout_s: float = PATIENCE_S) -> Any:
        """One request; returns the parsed answer (None if it has no body), raises ApiError for a status from 400."""
        connection = _UnixConnection(self.socket, timeout_s)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(
                method,
                f"/{API_VERSION}{path}",
                content,
                {"Content-Type": "application/json"} if content else {},
            )
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiError(answer.status, text.decode(errors="replace"))
        return json.loads(text) if text else None

    def run_container(
        self,
        image: str,
        *command: str,
        env: dict[str, str] | None = None,
        ports: tuple[int, ...] = (),
        options: tuple[str, ...] = (),
    ) -> "Container":
        """Starts a container detached; `ports` of it are published on the loopback under ports that the engine picks."""
        args = ["run", "-d", *options]
        for name, value in (env or {}).items():
            args += ["-e", f"{name}={value}"]
        for port in ports:
            args += ["-p", f"127.0.0.1::{port}"]
        return Container(self, self.docker(*args, image, *command))

    # ---- what it holds

    def containers(self, ours: bool = True) -> list[dict[str, Any]]:
        """Containers in any state, as the engine lists them; of ours only those with a label of Lattice's."""
        return _labelled(self.api("GET", "/containers/json?all=true"), ours)

    def volumes(self, ours: bool = True) -> list[dict[str, Any]]:
        return _labelled(self.api("GET", "/volumes")["Volumes"] or [], ours)

    def networks(self, ours: bool = True) -> list[dict[str, Any]]:
        found = _labelled(self.api("GET", "/networks"), ours)
        return [network for network in found if network["Name"] not in ("bridge", "host", "none")]

    def published_ports(self) -> set[int]:
        """Ports of the host that its containers hold."""
        return {
            port["PublicPort"]
            for container in self.containers(ours=False)
            for port in container["Ports"]
            if "PublicPort" in port
        }

    def revive(self) -> None:
        """Brings it back, whatever was done to it."""
        if (self.state / "pid").exists() and _alive(self.pid()):
            self.resume()
            wait_until(self.answers, "the engine answers")
        else:
            self.start()

    def wipe(self) -> None:
        """Removes every container, volume and network; images stay. An engine that was stopped or paused is brought back for it."""
        self.revive()
        for container in self.containers(ours=False):
            self.api("DELETE", f"/containers/{container['Id']}?force=true&v=true")
        for volume in self.volumes(ours=False):
            self.api("DELETE", f"/volumes/{volume['Name']}?force=true")
        for network in self.networks(ours=False):
            self.api("DELETE", f"/networks/{network['Id']}")

    def forget_images(self) -> None:
        for image in self.api("GET", "/images/json"):
            self.api("DELETE", f"/images/{image['Id']}?force=true")


class Container:
    """A container that a test started by itself."""

    def __init__(self, engine: Engine, id: str):
        self.engine = engine
        self.id = id

    def inspect(self) -> dict[str, Any]:
        return self.engine.api("GET", f"/containers/{self.id}/json")

    def port(self, inner: int) -> int:
        """The port on the loopback that reaches the container's."""
        return int(self.inspect()["NetworkSettings"]["Ports"][f"{inner}/tcp"][0]["HostPort"])

    def logs(self) -> str:
        """Both streams, one after the other."""
        done = subprocess.run(
            ["docker", "-H", self.engine.host, "logs", self.id],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return done.stdout + done.stderr

    def exit_status(self, timeout_s: float = PATIENCE_S) -> int:
        """Waits until it has ended."""
        return int(self.engine.docker("wait", self.id, timeout_s=timeout_s))

    def restart(self) -> None:
        self.engine.docker("restart", "-t", str(GRACE_S), self.id)

    def stop(self, grace_s: int = GRACE_S) -> None:
        self.engine.docker("stop", "-t", str(grace_s), self.id)

    def remove(self) -> None:
        """Removes it; its named volumes stay."""
        self.engine.docker("rm", "-f", self.id)


def _labelled(found: list[dict[str, Any]], ours: bool) -> list[dict[str, Any]]:
    return [
        each
        for each in found
        if not ours or any(label.startswith(LABEL_PREFIX) for label in each.get("Labels") or {})
    ]


def _state_of(process: Path) -> str:
    """The letter of a process's or a thread's state: R, S, T (stopped), Z (dead and not yet reaped)."""
    return process.joinpath("stat").read_text().rpartition(")")[2].split()[0]


def _alive(pid: int) -> bool:
    """True if the process runs; one that is dead and not yet reaped does not."""
    try:
        return _state_of(Path(f"/proc/{pid}")) != "Z"
    except FileNotFoundError:
        return False
