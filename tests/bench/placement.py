"""How many placement decisions a second one core makes with the shipped policy, compiled, beside the same policy by hand.

A decision is a full scan of all nodes for the exact best; between two of them two nodes change. See policy_bench.c. The hand-written
version comes in three ways: it keeps nothing between decisions, it keeps each node's share until the node changes, and it looks
besides at instances only where there can be any. The fastest of them counts. Time is the processor's time of the process.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.cloud import BIN

ROOT = Path(__file__).resolve().parents[2]
NODES = (100, 1_000, 10_000, 50_000)
MAIN = 10_000


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(*arguments: Any) -> dict[str, Any]:
    done = subprocess.run([BIN / "policy_bench", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    say(done.stdout.strip())
    return json.loads(done.stdout)


def measure(rounds: int) -> dict[str, Any]:
    runs = {nodes: [run("placement", ROOT, nodes) for _ in range(rounds)] for nodes in NODES}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    result = measure(options.rounds)
    for name, value in result.items():
        say(f"{name:30} {value}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
