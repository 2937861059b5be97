"""From a saved policy to the first decision by it: a real console, its folder, and workloads that are placed one after the other.

From the moment that the file is renamed into its place workloads are deployed, each as soon as the one before was decided about, until one
was decided by the new text. The time until then holds the watch of the folder, the load in a process of its own with the policy's tests
and the compiler, the commit, and the decision itself. The node takes everything and starts nothing.
"""

import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from support.cloud import BIN, Cloud
from support.hostile import idle_node

SHIPPED = "policies/placement/placement.lua"


def _decided_by(cloud: Cloud, name: str) -> str:
    """Deploys, waits for the decision, and says by what it was made."""
    cloud.api("POST", "/api/v1/workloads", {"type": "custom", "name": name, "params": {"image": "nothing"}})
    evaluations: list[dict[str, Any]] = []
    while not evaluations:
        evaluations = cloud.api("GET", f"/api/v1/workloads/{name}/evaluations")["items"]
    cloud.api("DELETE", f"/api/v1/workloads/{name}")
    return str(evaluations[-1]["policy"])


def _effect_ms(cloud: Cloud, text: str, names: "itertools.count[int]") -> float:
    file = cloud.console.data / "policies" / Path(SHIPPED).name
    revision = cloud.api("GET", "/api/v1/policies/placement")["newest"] + 1
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    begun = time.monotonic()
    fresh.rename(file)
    while _decided_by(cloud, f"probe-{next(names)}") != f"placement {revision}":
        assert time.monotonic() - begun < 30, "the saved policy has no effect"
    return (time.monotonic() - begun) * 1000


def policy_effect_ms(root: Path, rounds: int = 7) -> float:
    """The median of so many saves, in milliseconds."""
    shipped = (root / SHIPPED).read_text()
    names = itertools.count()
    with tempfile.TemporaryDirectory() as state:
        cloud = Cloud(Path(state), binaries=BIN, log_level="warn").start()
        wire = idle_node(cloud, Path(state), "node-1")
        try:
            return statistics.median(_effect_ms(cloud, f"{shipped}-- {number}\n", names) for number in range(rounds))
        finally:
            wire.close()
            cloud.stop()
