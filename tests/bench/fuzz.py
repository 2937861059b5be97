"""The differential fuzzer: policies and programs by chance, run in every way, which have to agree to the bit.

- programs, compiled: how many were made; how many of them the compiler took, or were made without it
- pairs, pairs_covered: of operations of which one can feed the other, and of those that did; pairs_compiled: in programs from source
- differences: of all ways to run a program; 0 is what is wanted
- planted, found: the miscompilations of tests/fuzz/plants, each hunted for
- seconds, programs_per_cpu_s: how long it took
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.telling import say, tell
from support.cloud import BIN

SUM = re.compile(r"^programs (\d+) compiled (\d+) pairs_covered (\d+) pairs (\d+) pairs_compiled (\d+) differences (\d+) "
                 r"seconds ([0-9.]+) cpu_s ([0-9.]+)$", re.MULTILINE)
NAMES = ("programs", "compiled", "pairs_covered", "pairs", "pairs_compiled", "differences")
PLANTS = Path(__file__).resolve().parents[1] / "fuzz" / "plants.py"
FIRST_SEED = 1_000_000  # not those of the suite


def fuzz(programs: int, seed: int) -> dict[str, Any]:
    done = subprocess.run([str(BIN / "lattice-fuzz"), "--seed", str(seed), "--programs", str(programs),
                           "--jobs", str(os.cpu_count() or 1)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    total = SUM.search(done.stdout)
    if not total or done.returncode not in (0, 1):
        raise RuntimeError(done.stdout[-4000:])
    say(done.stdout.rstrip())
    result: dict[str, Any] = {name: int(value) for name, value in zip(NAMES, total.groups())}
    return result | {"seconds": float(total[7]), "programs_per_cpu_s": round(result["programs"] / float(total[8]))}


def plant() -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(PLANTS), "run"], stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():
        raise RuntimeError("the planted mistakes could not be built, or a seed fails without them")
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
    result = fuzz(options.programs, options.seed)
    if options.plants:
        result |= plant()
    tell(result, options.json)


if __name__ == "__main__":
    main()
