"""Planted mistakes: is the simulator good enough to find them? (see tests/support/planted.py)

    plants.py check                              does every patch still apply? (part of scripts/lint)
    plants.py run [NAME...] [--cpu S] [--jobs N]  builds each in a copy of the sources and runs seeds until one fails

First of all the copy without any mistake has to pass CONTROL_SEEDS seeds. With `run` the last line is one JSON
object: {planted, found, plants: {NAME: {found, seed, why, seeds, cpu_s}}}.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import planted  # noqa: E402

CPU_S = 600
CONTROL_SEEDS = 100


def arguments(cpu_s: int | None) -> list[str]:
    return ["--seeds", "1-1000000000", "--cpu", str(cpu_s)] if cpu_s else ["--seeds", f"1-{CONTROL_SEEDS}"]


SIMULATOR = planted.Tool(
    "lattice-sim", arguments,
    failed=re.compile(r"^seed (\d+): FAILED.*\n\s*(.*)$", re.MULTILINE),
    total=re.compile(r"^seeds (?P<seeds>\d+) failed \d+ simulated_s \d+ cpu_s (?P<cpu_s>[0-9.]+)", re.MULTILINE))

if __name__ == "__main__":
    sys.exit(planted.main(Path(__file__).resolve().parent / "plants", SIMULATOR, CPU_S))
