"""Kills the console, and cuts the power under its store, a thousand times each, and counts what was lost.

- kills: SIGKILL at random instants on the real program, starts among them, while clients write over TLS and readers follow the event
  stream; after each the database is held against what was acknowledged and seen (support/crash.py)
- power losses: the real store on a simulated disk that loses or tears what was not synced, with kills and failing calls in between
  (tests/unit/store/ordeal.h). The same with a disk that does not sync has to find losses: lost_without_sync

A complaint names its seed; `--seed` replays.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from support import crash
from support.cloud import BIN

KILLS_PER_FOLDER = 100
POINTS_WITHOUT_SYNC = 100


def kill(state: Path, kills: int, seed: int) -> crash.Result:
    result = crash.Result()
    begin = time.monotonic()
    while result.kills < kills and not result.complaints:
        folder = state / str(result.kills)
        crash.run(folder, min(KILLS_PER_FOLDER, kills - result.kills), result, seed)
        shutil.rmtree(folder)
        say(f"{result.kills} kills, {result.acked} writes acknowledged, {time.monotonic() - begin:.0f} s (seed {seed})")
        seed += 1
    for each in result.complaints[:20]:
        say(each)
    return result


def cut_power(points: int, seed: int, *options: str) -> dict[str, int]:
    command = [str(BIN.parent / "bench" / "lat_power_loss"), "--points", str(points), "--seed", str(seed), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    say(f"{' '.join(['lat_power_loss', *command[1:]])}: {done.stdout.strip()}")
    found: dict[str, int] = json.loads(done.stdout)
    return found


def measure(state: Path, options: argparse.Namespace) -> dict[str, Any]:
    power = [cut_power(options.power_losses // 2, options.seed),
             cut_power(options.power_losses - options.power_losses // 2, options.seed, "--kills", "--faults", "400")]
    without_sync = cut_power(POINTS_WITHOUT_SYNC, options.seed, "--lies")
    kills = kill(state, options.kills, options.seed)
    ready = sorted(kills.ready_ms)
    return {
        "kills": kills.kills,
        "power_losses": sum(each["power_losses"] for each in power),
        "acked": kills.acked + sum(each["acked"] for each in power),
        "lost": kills.lost + sum(each["lost"] for each in power),
        "duplicated": kills.duplicated,
        "taken_back": kills.taken_back + sum(each["taken_back"] for each in power),
        "damaged": kills.damaged + sum(each["wrong"] for each in power),
        "ready_ms_p50": round(statistics.median(ready), 1),
        "ready_ms_p99": round(ready[int(len(ready) * 0.99)], 1),
        "lost_without_sync": without_sync["lost"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--power-losses", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the console keeps its data; a disk (default: the system's own for temporary files)")
    options = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="lattice-bench-", dir=options.folder))
    try:
        result = measure(state, options)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    tell(result, options.json)


if __name__ == "__main__":
    main()
