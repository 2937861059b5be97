"""Network namespaces: a router in the middle, and nodes around it that can be cut off.

    home (router)  10.77.N.1 ──veth── 10.77.N.2  node N

The router has no way out. The resolver's address is put on its loopback, so that a look-up is refused at once
instead of vanishing: an engine looks up the Docker Hub before it asks its mirror.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .command import CommandFailed, run

NODES_MAX = 200
FOLDER = Path("/run/netns")
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


class Namespace:
    """One network namespace by name."""

    def __init__(self, name: str):
        self.name = name

    @property
    def path(self) -> Path:
        return FOLDER / self.name

    def create(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def pids(self) -> list[int]:
        return [int(pid) for pid in run("ip", "netns", "pids", self.name, check=False).split()]

    def delete(self) -> None:
        """Removes it, and ends whatever still runs inside: all of it was started in here, by the session that made it."""
        if not self.path.exists():
            return
        for pid in self.pids():
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
        run("ip", "netns", "delete", self.name)

    def command(self, *args: str | Path) -> list[str]:
        """The command line that runs `args` inside."""
        return ["nsenter", f"--net={self.path}", "--", *(str(arg) for arg in args)]

    def run(self, *args: str | Path) -> str:
        return run(*self.command(*args))

    def set(self, name: str, value: int) -> None:
        """Sets a network setting of the kernel, such as net.ipv4.ip_forward."""
        self.run("sh", "-c", f"echo {value} >/proc/sys/{name.replace('.', '/')}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Moves the calling thread there and back. Sockets and processes that it makes meanwhile belong there for good."""
        origin = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        target = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(target)
            try:
                yield
            finally:
                _enter(origin)
        finally:
            os.close(target)
            os.close(origin)


class Machine:
    """The network namespace that this process was born in, kept open: the only one with a way out."""

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def command(self, *args: str | Path) -> list[str]:
        return [
            "nsenter",
            f"--net=/proc/{os.getpid()}/fd/{self._descriptor}",
            "--",
            *(str(arg) for arg in args),
        ]

    def close(self) -> None:
        os.close(self._descriptor)


class Node:
    """A namespace behind its own cable to the router."""

    def __init__(self, router: Namespace, number: int, name: str):
        if not 1 <= number <= NODES_MAX:
            raise ValueError(f"node numbers go from 1 to {NODES_MAX}")
        self.router = router
        self.number = number
        self.namespace = Namespace(name)
        self.cable = f"node{number}"
        self.gateway = f"10.77.{number}.1"
        self.address = f"10.77.{number}.2"

    def create(self) -> None:
        self.namespace.create()
        run(
            "ip",
            "link",
            "add",
            self.cable,
            "netns",
            self.router.name,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.namespace.name,
        )
        run("ip", "-n", self.router.name, "address", "add", f"{self.gateway}/24", "dev", self.cable)
        run("ip", "-n", self.router.name, "link", "set", self.cable, "up")
        run("ip", "-n", self.namespace.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.namespace.name, "link", "set", "eth0", "up")
        run("ip", "-n", self.namespace.name, "route", "add", "default", "via", self.gateway)
        self._firewall("-N", "FAULTS")

    def _firewall(self, *args: str) -> None:
        self.namespace.run("iptables", "-w", *args)

    def _fault(self, *rule: str) -> None:
        """Adds a rule for what comes in, and puts our chain before the ones of the node's engine, which forwards to its containers."""
        self._firewall("-A", "FAULTS", "-i", "eth0", *rule)
        for chain in ("INPUT", "FORWARD"):
            self._firewall("-I", chain, "1", "-j", "FAULTS")

    def cut(self) -> None:
        """Pulls the cable: packets vanish in both directions, connections hang."""
        run("ip", "-n", self.router.name, "link", "set", self.cable, "down")

    def lose(self, share: float) -> None:
        """Loses this share (0 to 1) of the packets that come in."""
        self._fault("-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")

    def reset_connections(self) -> None:
        """Answers what comes in over TCP with a reset, as a rebooted middle box does."""
        self._fault("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")

    def heal(self) -> None:
        """Takes every fault back."""
        run("ip", "-n", self.router.name, "link", "set", self.cable, "up")
        self._firewall("-F", "FAULTS")


class Network:
    """The home namespace, which is the router, and its nodes. Names begin with `prefix`."""

    address = "10.77.0.1"  # of the router; every node reaches it, whichever other cable is cut

    def __init__(self, prefix: str):
        self.prefix = prefix
        self.home = Namespace(f"{prefix}-home")
        self.nodes: list[Node] = []

    def create(self) -> None:
        self.home.create()
        # Before any engine does it: one that switches forwarding on by itself also forbids it to everybody else.
        self.home.set("net.ipv4.ip_forward", 1)
        self.home.set("net.ipv4.icmp_ratelimit", 0)
        run("ip", "-n", self.home.name, "address", "add", f"{self.address}/32", "dev", "lo")
        for nameserver in nameservers():
            run("ip", "-n", self.home.name, "address", "add", f"{nameserver}/32", "dev", "lo")

    def add_node(self) -> Node:
        number = len(self.nodes) + 1
        node = Node(self.home, number, f"{self.prefix}-n{number}")
        node.create()
        self.nodes.append(node)
        return node

    def delete(self) -> None:
        delete_namespaces(self.prefix)
        self.nodes.clear()


def delete_namespaces(prefix: str) -> None:
    """Deletes the namespaces of one network, the nodes before the router."""
    names = (
        sorted((path.name for path in FOLDER.glob(f"{prefix}-*")), reverse=True) if FOLDER.is_dir() else []
    )
    for name in names:
        with suppress(CommandFailed):
            Namespace(name).delete()


def nameservers() -> list[str]:
    """The IPv4 addresses that this machine asks for names, other than itself."""
    try:
        lines = Path("/etc/resolv.conf").read_text().splitlines()
    except FileNotFoundError:
        return []
    addresses = [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"]
    return [
        address
        for address in dict.fromkeys(addresses)
        if ":" not in address and not address.startswith("127.")
    ]
