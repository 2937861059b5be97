"""Ports of the namespace that the caller lives in."""

import socket

from .waiting import PATIENCE_S, wait_until


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens on. They are told apart by being held open until all are found."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def free_port() -> int:
    return free_ports(1)[0]


def accepts(port: int, host: str = "127.0.0.1", timeout_s: float = 1) -> bool:
    """True if somebody accepts a connection there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
        return True
    except OSError:
        return False


def wait_for_port(port: int, host: str = "127.0.0.1", timeout_s: float = PATIENCE_S) -> None:
    wait_until(lambda: accepts(port, host), f"{host}:{port} accepts connections", timeout_s)
