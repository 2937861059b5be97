"""Waiting for what takes a while: by asking again, never by a fixed pause, and with one patience for everything."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How long anything may take that has to come: far more than it takes on a machine with ten times the work that it can do, since
# it costs nothing where all is well.
PATIENCE_S = 240


def wait_until(
    predicate: Callable[[], T],
    what: str,
    timeout_s: float = PATIENCE_S,
    interval_s: float = 0.05,
    tolerate: tuple[type[BaseException], ...] = (),
) -> T:
    """Calls until the result is true, and returns it. Errors of the types to tolerate count as "not yet"."""
    end = time.monotonic() + timeout_s
    last: object = None
    while True:
        try:
            result = predicate()
            if result:
                return result
            last = result
        except tolerate as error:
            last = error
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout_s} s: {what} (last: {last!r})")
        time.sleep(interval_s)
