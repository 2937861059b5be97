"""Planted miscompilations: is the fuzzer good enough to find them? (see tests/support/planted.py)

    plants.py check                      does every patch still apply? (part of scripts/lint)
    plants.py run [NAME...] [--jobs N]    builds each in a copy of the sources and runs seeds until one differs

First of all the copy without any mistake has to run CONTROL programs without a difference. With `run` the last line is one JSON
object: {planted, found, plants: {NAME: {found, seed, programs, cpu_s, why}}}.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import planted  # noqa: E402

PLANTS = Path(__file__).resolve().parent / "plants"
CPU_S = 120
PROGRAMS_PER_S = 400
CONTROL = 2000
SUM = re.compile(r"^programs (\d+) .* cpu_s ([0-9.]+)$", re.MULTILINE)
FAILED = re.compile(r"^seed (\d+): DIFFERS\n\s*(.*)$", re.MULTILINE)


def hunt_of(options: argparse.Namespace) -> planted.Hunt:
    def hunt(fuzzer: Path, control: bool) -> dict[str, object]:
        programs = CONTROL if control else options.cpu * PROGRAMS_PER_S
        done = subprocess.run([str(fuzzer), "--quiet", "--until-failure", "--programs", str(programs)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = FAILED.search(done.stdout)
        total = SUM.search(done.stdout)
        if not total:
            raise RuntimeError(done.stdout[-2000:])
        return {
            "found": bool(found),
            "seed": int(found.group(1)) if found else None,
            "programs": int(total.group(1)),
            "cpu_s": float(total.group(2)),
            "why": found.group(2) if found else None,
        }
    return hunt


if __name__ == "__main__":
    sys.exit(planted.main(PLANTS, "lattice-fuzz", hunt_of, CPU_S))
