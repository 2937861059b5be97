"""The differential fuzzer: policies and programs by chance, run in every way, which have to agree to the bit.

- programs, compiled: how many were made; how many of them the compiler took, or were made without it
- operations, pairs, pairs_covered: how many there are; pairs of them of which one can feed the other; those that did
- pairs_mistyped: all other pairs, which cannot be: the one's result is of another type than what the other takes
- pairs_compiled: of those covered, those in programs from source; pairs_ruled: in programs that admit or approve, without rows
- differences: of all ways to run a program; 0 is what is wanted. A replay of each is told as soon as it is found
- planted, found: the miscompilations of tests/fuzz/plants, each hunted for
- seconds, programs_per_cpu_s: how long it took

How far it is stands on stderr every ten seconds. Status: 0, or 1 where something differs or a mistake is not found.
"""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from support.cloud import BIN

SUM = re.compile(r"^programs (\d+) compiled (\d+) pairs_covered (\d+) pairs (\d+) pairs_mistyped (\d+) pairs_compiled (\d+) "
                 r"pairs_ruled (\d+) differences (\d+) seconds ([0-9.]+) cpu_s ([0-9.]+)$")
NAMES = ("programs", "compiled", "pairs_covered", "pairs", "pairs_mistyped", "pairs_compiled", "pairs_ruled", "differences")
PLANTS = Path(__file__).resolve().parents[1] / "fuzz" / "plants.py"
FIRST_SEED = 1_000_000  # not those of the suite


def fuzz(programs: int, seed: int) -> dict[str, Any]:
    jobs = os.cpu_count() or 1
    command = [str(BIN / "lattice-fuzz"), "--seed", str(seed), "--programs", str(programs), "--jobs", str(jobs)]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as fuzzer:
        assert fuzzer.stdout
        try:
            for line in fuzzer.stdout:
                last = line.rstrip()
                say(last)
        except BaseException:
            fuzzer.kill()  # and its jobs end with it
            raise
    total = SUM.match(last)
    if not total or fuzzer.returncode not in (0, 1):
        sys.exit(f"lattice-fuzz ended with status {fuzzer.returncode}: {last}")
    result: dict[str, Any] = {name: int(value) for name, value in zip(NAMES, total.groups())}
    assert result["programs"] == programs
    return result | {"operations": math.isqrt(result["pairs"] + result["pairs_mistyped"]), "jobs": jobs,
                     "seconds": float(total[9]), "programs_per_cpu_s": round(programs / float(total[10]))}


def plant() -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(PLANTS), "run"], stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():
        sys.exit("the planted mistakes could not be built, or a seed fails without them")
    result = json.loads(done.stdout.splitlines()[-1])
    missed = [name for name, hunted in result["plants"].items() if not hunted["found"]]
    return {"planted": result["planted"], "found": result["found"], "missed": missed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--programs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--no-plants", dest="plants", action="store_false", help="leave the planted mistakes out")
    options = parser.parse_args()
    for asked in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(asked, lambda number, _: sys.exit(128 + number))
    result = fuzz(options.programs, options.seed)
    if options.plants:
        result |= plant()
    tell(result, options.json)
    if result["differences"] or result.get("missed"):
        sys.exit(1)


if __name__ == "__main__":
    main()
