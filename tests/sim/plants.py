"""Planted mistakes: is the simulator good enough to find them? (see tests/support/planted.py)

    plants.py check                              does every patch still apply? (part of scripts/lint)
    plants.py run [NAME...] [--cpu S] [--jobs N]  builds each in a copy of the sources and runs seeds until one fails

First of all the copy without any mistake has to pass CONTROL_SEEDS seeds. With `run` the last line is one JSON
object: {planted, found, plants: {NAME: {found, seed, seeds, cpu_s, why}}}.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import planted  # noqa: E402

PLANTS = Path(__file__).resolve().parent / "plants"
CPU_S = 600
CONTROL_SEEDS = 100
SUM = re.compile(r"^seeds (\d+) failed (\d+) simulated_s (\d+) cpu_s ([0-9.]+)", re.MULTILINE)
FAILED = re.compile(r"^seed (\d+): FAILED.*\n\s*(.*)$", re.MULTILINE)


def hunt_of(options: argparse.Namespace) -> planted.Hunt:
    def hunt(simulator: Path, control: bool) -> dict[str, object]:
        seeds = ["--seeds", f"1-{CONTROL_SEEDS}"] if control else ["--seeds", "1-1000000000", "--cpu", str(options.cpu)]
        done = subprocess.run([str(simulator), "--quiet", "--until-failure", *seeds], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        found = FAILED.search(done.stdout)
        total = SUM.search(done.stdout)
        if not total:
            raise RuntimeError(done.stdout[-2000:])
        return {
            "found": bool(found),
            "seed": int(found.group(1)) if found else None,
            "seeds": int(total.group(1)),
            "cpu_s": float(total.group(4)),
            "why": found.group(2) if found else None,
        }
    return hunt


if __name__ == "__main__":
    sys.exit(planted.main(PLANTS, "lattice-sim", hunt_of, CPU_S))
