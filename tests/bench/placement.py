"""How many placement decisions a second one core makes with the shipped policy, compiled, beside the same policy by hand.

A decision is a full scan of all nodes for the exact best; between two of them two nodes change. See policy_bench.c. The hand-written
version comes in three ways: it keeps nothing between decisions, it keeps each node's share until the node changes, and it looks
besides at instances only where there can be any. The fastest of them counts. Time is the processor's time of the process.
"""

import statistics
from typing import Any

from bench.telling import ROOT, main, run

NODES = (100, 1_000, 10_000, 50_000)
MAIN = 10_000


def measure(rounds: int) -> dict[str, Any]:
    runs = {nodes: [run("policy_bench", "placement", ROOT, nodes) for _ in range(rounds)] for nodes in NODES}
    result: dict[str, Any] = {f"decisions_per_s_{nodes}": round(1e6 / statistics.median(each["us"] for each in runs[nodes])) for nodes in NODES}
    ways = [statistics.median(each["hand_us"][way] for each in runs[MAIN]) for way in range(3)]
    ratios = [min(each["hand_us"]) / each["us"] for each in runs[MAIN]]
    return result | {
        "us_10000": round(statistics.median(each["us"] for each in runs[MAIN]), 3),
        "hand_us_10000": round(min(ways), 3),
        "ratio_vs_hand": round(statistics.median(ratios), 3),
        "hand_keeps_nothing_us_10000": round(ways[0], 3),
        "hand_keeps_shares_us_10000": round(ways[1], 3),
        "hand_keeps_pairs_us_10000": round(ways[2], 3),
        "hand": runs[MAIN][0]["hand"],
        "rounds": rounds,
    }


if __name__ == "__main__":
    main(__doc__, measure, 5)
