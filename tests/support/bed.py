"""The whole bed of one test session: its folder, its network, its registry and its engines.

A session owns one folder, `lattice-bed/PID` in the system's temporary folder, and namespaces named after the
same PID. The file `owner` in it names the process with its start time, and is locked while the process lives,
which a session sees that has pids of its own too; a folder whose owner is gone was left by a killed session, and
the next one clears it away.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .command import SCRIPTS, CommandFailed, run
from .engine import Engine
from .netns import Machine, Network, Node, delete_namespaces
from .registry import Registry

ALL_BEDS = Path(tempfile.gettempdir()) / "lattice-bed"


class BedNode:
    """A node: its place in the network, and its engine."""

    def __init__(self, place: Node, engine: Engine):
        self.place = place
        self.engine = engine
        self.address = place.address


class Bed:
    """Made by `with Bed() as bed:`; the calling thread lives in its home namespace meanwhile."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise PermissionError(
                "the test bed starts engines and makes network namespaces: run the scenario tests as root"
            )
        self.folder = ALL_BEDS / str(os.getpid())
        self.network = Network(_prefix(os.getpid()))
        self.machine = Machine()
        self.registry = Registry(self.folder / "registry", self.machine, self.network.home)
        self._home: Engine | None = None
        self._nodes: list[BedNode] = []
        self._exit = ExitStack()
        self._exit.callback(self.machine.close)

    def __enter__(self) -> "Bed":
        with _turn():
            clear_left_overs()
            self.folder.mkdir()
            owner = self._exit.enter_context(open(self.folder / "owner", "w"))
            fcntl.flock(owner, fcntl.LOCK_EX)
            owner.write(_start_time(os.getpid()) or "")
            owner.flush()
        self._exit.callback(_take_down, self.folder, os.getpid())
        try:
            self.network.create()
            self._exit.enter_context(self.network.home.inside())
            self.registry.up()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def home_engine(self) -> Engine:
        """The engine in the home namespace, started when first asked for."""
        if not self._home:
            self._home = Engine(self.folder / "home", self.registry.mirror())
            self._home.start()
        return self._home

    def nodes(self, count: int) -> list[BedNode]:
        """The first `count` nodes, each with its engine; those that are missing are made."""
        while len(self._nodes) < count:
            place = self.network.add_node()
            engine = Engine(
                self.folder / f"n{place.number}", self.registry.mirror(place.gateway), place.namespace
            )
            engine.start()
            self._nodes.append(BedNode(place, engine))
        return self._nodes[:count]


@contextmanager
def _turn() -> Iterator[None]:
    """Sessions that start at the same time take turns: none sees a folder of another that has no owner yet."""
    ALL_BEDS.mkdir(exist_ok=True)
    with open(ALL_BEDS / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clear_left_overs() -> None:
    """Takes down the beds whose owners are gone."""
    for folder in ALL_BEDS.glob("[0-9]*"):
        pid = int(folder.name)
        with suppress(FileNotFoundError, BlockingIOError), open(folder / "owner") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if owner.read() != _start_time(pid):
                _take_down(folder, pid)


def _take_down(folder: Path, pid: int) -> None:
    def stop(engine: Path) -> None:
        with suppress(CommandFailed):
            run(SCRIPTS / "local-engine", "down", "--state", engine)

    with ThreadPoolExecutor() as pool:
        list(pool.map(stop, [path.parent for path in folder.glob("*/data")]))
    if (folder / "registry").is_dir():
        with suppress(CommandFailed):
            run(SCRIPTS / "local-registry", "down", "--state", folder / "registry")
    delete_namespaces(_prefix(pid))
    shutil.rmtree(folder, ignore_errors=True)


def _prefix(pid: int) -> str:
    return f"lattice-bed-{pid}"


def _start_time(pid: int) -> str | None:
    """When a process began, in the kernel's ticks: with the pid it names one process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        return None
