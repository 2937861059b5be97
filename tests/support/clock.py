"""A wall clock that a test turns, for one program or several: wall_clock.c, preloaded into the real program. Boot time stays true."""

import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    def __init__(self, state: Path):
        self.file = state / "wall-clock"
        self.library = state / "wall_clock.so"
        self.file.write_bytes(bytes(8))
        subprocess.run(["cc", "-std=gnu11", "-O2", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE)], check=True)

    def jump(self, days: float) -> None:
        """From now on the wall clock is off by so much."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("=q", round(days * 86400)))

    def environment(self) -> dict[str, str]:
        """What a program is started with to live by this clock; an AddressSanitizer need not be the first library then."""
        return {
            "LD_PRELOAD": str(self.library), "WALL_CLOCK_FILE": str(self.file),
            "ASAN_OPTIONS": "exitcode=99:abort_on_error=0:detect_leaks=1:verify_asan_link_order=0",
        }
