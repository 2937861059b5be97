"""A million instances on 10,000 nodes: 1,000 workloads of 1,000 instances, ten shapes, each workload an evaluation with its receipt.

`seconds` is the processor's time for planning them all with the shipped policy, compiled (core/sched alone: rules, policy, exact best of all nodes
for each instance, receipts). `durable_seconds` is the time on the wall until every ALLOCATION and EVALUATION is committed to the store's
SQLite file, planning included; afterwards the file is read with SQL. `receipt_bytes_1000` is one receipt of 1,000 nodes of which 500 differ from
all others, as the database keeps it. Plans are checked while they are made: see c1m_bench.c.
"""

import sqlite3
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.telling import ROOT, main, run

WORKLOADS, INSTANCES, NODES = 1_000, 1_000, 10_000


def check_database(path: Path) -> None:
    """What is durable is what was planned: every instance once, on a node with room for it, each with its receipt."""
    with closing(sqlite3.connect(path)) as database:
        (rows, ordinals), = database.execute("SELECT count(*), count(DISTINCT workload_id || '/' || ordinal) FROM allocation")
        assert rows == ordinals == WORKLOADS * INSTANCES, (rows, ordinals)
        (too_full,), = database.execute(
            "SELECT count(*) FROM (SELECT sum(a.cpu_milli) AS cpu, sum(a.memory_bytes) AS memory, node_id FROM allocation AS a GROUP BY node_id) AS used "
            "JOIN node ON node.id = used.node_id WHERE used.cpu > node.cpu_milli OR used.memory > node.memory_bytes OR node.status <> 'ready'"
        )
        assert too_full == 0, f"{too_full} nodes are too full"
        (receipts,), = database.execute("SELECT count(*) FROM evaluation WHERE length(receipt) > 100")
        assert receipts == WORKLOADS, receipts


def measure(rounds: int) -> dict[str, Any]:
    kernel = [run("c1m_bench", "kernel", ROOT) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        durable = run("c1m_bench", "durable", ROOT, Path(folder) / "data")
        check_database(Path(folder) / "data/lattice.db")
    return {
        "seconds": round(statistics.median(each["seconds"] for each in kernel), 3),
        "durable_seconds": round(durable["durable_seconds"], 2),
        **run("c1m_bench", "receipt", ROOT),
        "receipt_bytes_10000": kernel[0]["receipt_bytes_10000"],
        "placed": kernel[0]["placed"],
        "nodes": NODES,
        "rounds": rounds,
    }


if __name__ == "__main__":
    main(__doc__, measure, 3)
