"""The simulator under faults: so many simulated hours, how fast they pass, and whether planted mistakes are found.

- simulated_hours: whole seeds, with a storm of STORM_S simulated seconds each, until they add up to the hours asked for
- speedup: simulated time over the processor time that it took, which is that of one process with a processor of its own; pieces run
  on all processors
- violations: seeds that failed
- planted, found: the mistakes of tests/sim/plants (the first N with --plants N), each hunted for at most ten minutes of processor time
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from support.cloud import BIN

ROOT = Path(__file__).resolve().parents[2]
PLANTS = ROOT / "tests" / "sim" / "plants.py"
SUM = re.compile(r"^seeds (\d+) failed (\d+) simulated_s (\d+) cpu_s ([0-9.]+) acknowledged (\d+) unheard (\d+) events (\d+)", re.MULTILINE)
FIRST_SEED = 1_000_001  # not those of the suite
SEEDS_OF_A_PIECE = 20
STORM_S = 1200


def run_piece(first: int) -> dict[str, float]:
    done = subprocess.run([str(BIN / "lattice-sim"), "--seeds", f"{first}-{first + SEEDS_OF_A_PIECE - 1}", "--quiet",
                           "--storm", str(STORM_S)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    total = SUM.search(done.stdout)
    if not total:
        raise RuntimeError(done.stdout[-2000:])
    for line in done.stdout.splitlines():
        if not line.startswith("seeds "):
            say(line)
    names = ("seeds", "violations", "simulated_s", "cpu_s", "acknowledged")
    return {name: float(value) for name, value in zip(names, total.groups())}


def simulate(hours: float) -> dict[str, Any]:
    sums = {"seeds": 0.0, "violations": 0.0, "simulated_s": 0.0, "cpu_s": 0.0, "acknowledged": 0.0}
    workers = os.cpu_count() or 1
    first = FIRST_SEED
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        while sums["simulated_s"] < hours * 3600:
            pieces = [pool.submit(run_piece, first + i * SEEDS_OF_A_PIECE) for i in range(workers)]
            first += workers * SEEDS_OF_A_PIECE
            for piece in pieces:
                for name, value in piece.result().items():
                    sums[name] += value
            say(f"{sums['simulated_s'] / 3600:.0f} of {hours:.0f} simulated hours, {sums['seeds']:.0f} seeds, "
                f"{sums['violations']:.0f} violations")
    return {
        "seeds": round(sums["seeds"]),
        "simulated_hours": round(sums["simulated_s"] / 3600, 1),
        "speedup": round(sums["simulated_s"] / sums["cpu_s"]),
        "acknowledged": round(sums["acknowledged"]),
        "violations": round(sums["violations"]),
    }


def plant(most: int) -> dict[str, Any]:
    names = sorted(path.stem for path in PLANTS.with_suffix("").glob("*.patch"))[:most]
    done = subprocess.run([sys.executable, str(PLANTS), "run", *names], stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError("the planted mistakes could not be built, or a seed fails without them")
    result = json.loads(done.stdout.splitlines()[-1])
    missed = [name for name, hunted in result["plants"].items() if not hunted["found"]]
    return {"planted": result["planted"], "found": result["found"], "missed": missed,
            "plants_cpu_s": {name: hunted["cpu_s"] for name, hunted in result["plants"].items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--hours", type=float, default=1000)
    parser.add_argument("--plants", type=int, default=1000, help="how many of the planted mistakes; 0: none")
    options = parser.parse_args()
    result = simulate(options.hours)
    if options.plants > 0:
        result |= plant(options.plants)
    tell(result, options.json)


if __name__ == "__main__":
    main()
