"""Planted miscompilations: is the fuzzer good enough to find them? (see tests/support/planted.py)

    plants.py check                      does every patch still apply? (part of scripts/lint)
    plants.py run [NAME...] [--jobs N]    builds each in a copy of the sources and runs seeds until one differs

First of all the copy without any mistake has to run CONTROL programs without a difference. With `run` the last line is one JSON
object: {planted, found, plants: {NAME: {found, seed, why, programs, cpu_s}}}. That a seed ends its process is a find, too;
that somebody killed it (9) is none.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import planted  # noqa: E402

CPU_S = 120
PROGRAMS_PER_S = 400
CONTROL = 2000


def arguments(cpu_s: int | None) -> list[str]:
    return ["--programs", str(cpu_s * PROGRAMS_PER_S if cpu_s else CONTROL)]


FUZZER = planted.Tool(
    "lattice-fuzz", arguments,
    failed=re.compile(r"^seed (\d+): (?:DIFFERS|BROKE) .*\n\s*((?!.* signal 9 ).*)$", re.MULTILINE),
    total=re.compile(r"^(?:broken: )?programs (?P<programs>\d+) .* cpu_s (?P<cpu_s>[0-9.]+)$", re.MULTILINE))

if __name__ == "__main__":
    sys.exit(planted.main(Path(__file__).resolve().parent / "plants", FUZZER, CPU_S))
