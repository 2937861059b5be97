"""scripts/quickstart as a user runs it, on an engine that runs already: what it prints is true, it can be run again and again,
what is stopped keeps its data, and what is removed is gone.

The engine that it starts by itself and the images that it makes are not tried here: they are for machines without either, and
need the machine's own network.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from support.bed import Bed
from support.cloud import Api
from support.command import SCRIPTS
from support.engine import Engine
from support.ports import free_port
from support.waiting import wait_until

# The first one may have to build.
pytestmark = pytest.mark.timeout(3600)
BUILD_TIMEOUT_S = 3000


class Quickstart:
    """The script, for a user with a home of their own."""

    def __init__(self, home: Path, engine: Engine):
        self.home = home
        self.state = home / "state of mine"
        self.port = free_port()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LATTICE_", "XDG_"))}
        ccache = Path.home() / ".cache" / "ccache"
        # The caches are the machine's: nothing is fetched again for a test.
        self.environment = kept | {
            "HOME": str(home), "DOCKER_HOST": engine.host, "XDG_CACHE_HOME": str(Path.home() / ".cache"), "CCACHE_DIR": str(ccache),
        }

    def popen(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(SCRIPTS / "quickstart"), "--state", str(self.state), *words], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )

    def __call__(self, *words: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        with self.popen(*words) as process:
            out, err = process.communicate(timeout=BUILD_TIMEOUT_S)
        assert process.returncode == status, f"quickstart {' '.join(words)} ended with {process.returncode}:\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self) -> dict[str, Any]:
        """--json: the object, which is all of stdout."""
        out = self("--yes", "--json", "--port", str(self.port)).stdout
        assert out.count("\n") == 1
        return json.loads(out)

    def killed_at(self, program: str, words: str, *call: str, first: str = ":") -> None:
        """A call that is killed, with all that it started, where it would run a program with these words; `first` is done then."""
        folder = self.home / "bin"
        stand_in = folder / program
        folder.mkdir(exist_ok=True)
        stand_in.write_text(f'#!/bin/sh\ncase "$*" in *"{words}"*) {first}; kill -KILL 0 ;; esac\nPATH=${{PATH#*:}} exec {program} "$@"\n')
        stand_in.chmod(0o755)
        path = self.environment["PATH"]
        self.environment["PATH"] = f"{folder}:{path}"
        self(*call, status=-signal.SIGKILL)
        self.environment["PATH"] = path
        stand_in.unlink()

    def processes(self) -> list[str]:
        """Those that have the folder in their arguments."""
        found = subprocess.run(["pgrep", "-af", str(self.state)], capture_output=True, text=True, check=False).stdout
        return found.splitlines()

    def kill(self, name: str) -> None:
        os.kill(int((self.state / f"{name}.pid").read_text()), signal.SIGKILL)


def ask(url: str, statement: str) -> Any:
    """One statement at the printed address, as it is printed."""
    connection = psycopg2.connect(url, connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
    finally:
        connection.close()


@pytest.fixture
def quickstart(bed: Bed, engine: Engine, tmp_path: Path) -> Iterator[Quickstart]:
    bed.registry.ensure("postgres")
    made = Quickstart(tmp_path, engine)
    yield made
    made("--reset", "--yes")


def test_from_one_command_to_a_database_and_back_to_nothing(quickstart: Quickstart, engine: Engine) -> None:
    first = quickstart.start()
    url = first["workload"]["endpoints"][0]["url"]
    assert first["console_url"] == f"https://127.0.0.1:{quickstart.port}"
    assert (first["workload"]["name"], first["workload"]["status"]) == ("hello-db", "running")
    assert url.startswith("postgresql://") and url.endswith("?sslmode=require")
    assert Api(first["console_url"], Path(first["cacert"]), first["token"]).names() == ["hello-db"]
    ask(url, "create table kept as select 42 as answer")

    # Again, and after each of its programs was killed: the same cloud.
    assert quickstart.start()["workload"]["id"] == first["workload"]["id"]
    for name in ("console", "agent"):
        quickstart.kill(name)
        again = quickstart.start()
        assert (again["token"], again["workload"]["id"]) == (first["token"], first["workload"]["id"])
        assert ask(url, "select answer from kept") == (42,)
    assert len(engine.containers()) == 1

    # The login that it made is that of the `lattice` command.
    login = json.loads((quickstart.home / ".config/lattice/config.json").read_text())
    assert login["addr"] == first["console_url"]

    quickstart("--stop")
    assert not quickstart.processes()
    assert [each["State"] for each in engine.containers()] == ["exited"]
    after = quickstart.start()
    assert after["workload"]["endpoints"][0]["url"] == url
    assert ask(url, "select answer from kept") == (42,)

    quickstart("--reset", "--yes")
    assert not quickstart.processes()
    assert not [*engine.containers(), *engine.volumes(), *engine.networks()]
    assert not quickstart.state.exists()
    assert not (quickstart.home / ".config/lattice").exists()


def test_an_interrupted_one_goes_on_where_it_was(quickstart: Quickstart, engine: Engine) -> None:
    def node_is_there() -> bool:
        return (quickstart.state / "agent/node.id").exists()

    def console_is_there() -> bool:
        return (quickstart.state / "console.pid").exists()

    def container_is_there() -> bool:
        return bool(engine.containers())

    for reached, sign in ((console_is_there, signal.SIGKILL), (node_is_there, signal.SIGINT), (container_is_there, signal.SIGKILL)):
        with quickstart.popen("--yes", "--port", str(quickstart.port)) as process:
            wait_until(reached, "it came so far", BUILD_TIMEOUT_S)
            if sign == signal.SIGINT:
                os.killpg(process.pid, sign)  # as a terminal does
            else:
                process.kill()
    assert quickstart.start()["workload"]["status"] == "running"
    assert (len(engine.containers()), len(engine.volumes())) == (1, 1)


def test_a_reset_that_was_killed_is_finished_first_whatever_comes_next(quickstart: Quickstart, engine: Engine) -> None:
    finishes = f"A --reset of {quickstart.state} was interrupted: it is finished first"
    first = quickstart.start()
    start = ("--yes", "--json", "--port", str(quickstart.port))

    # Where the container is gone, and its volume is not; and the one that was to finish it as well.
    quickstart.killed_at("docker", "volume rm", "--reset", "--yes")
    quickstart.killed_at("docker", "volume rm", *start)
    assert (len(engine.containers()), len(engine.volumes())) == (0, 1)
    again = quickstart(*start)
    assert finishes in again.stderr
    assert json.loads(again.stdout)["workload"]["id"] != first["workload"]["id"]
    assert (len(engine.containers()), len(engine.volumes())) == (1, 1)

    # Where some of its files are gone already.
    quickstart.killed_at("find", str(quickstart.state), "--reset", "--yes", first=f"rm -r '{quickstart.state}/agent' '{quickstart.state}/port'")
    assert finishes in quickstart("--stop").stdout
    assert not quickstart.state.exists()
    assert not [*engine.containers(), *engine.volumes(), *engine.networks()]
    assert "Nothing is there" in quickstart("--reset").stdout


def test_what_it_cannot_do_it_says_before_it_does_anything(quickstart: Quickstart, engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", quickstart.port)):
        taken = quickstart("--yes", "--port", str(quickstart.port), status=1)
        assert f"port {quickstart.port} is taken: choose another with --port" in taken.stderr
    quickstart.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    (quickstart.state / "docker-host").unlink()
    assert "no Docker Engine answers at DOCKER_HOST=unix:///nowhere/docker.sock" in quickstart("--yes", status=1).stderr
    assert "takes a number" in quickstart("--yes", "--port", "https", status=1).stderr
    assert "there is no terminal" in quickstart("--reset", status=1).stderr
    assert not quickstart.processes()


def test_two_at_a_time_take_turns(quickstart: Quickstart, engine: Engine) -> None:
    with quickstart.popen("--yes", "--json", "--port", str(quickstart.port)) as one:
        time.sleep(0.5)  # not waited for: whoever is first, both end well
        second = quickstart.start()
        first = json.loads(one.communicate(timeout=BUILD_TIMEOUT_S)[0])
    assert first["workload"]["id"] == second["workload"]["id"]
    assert len(engine.containers()) == 1
