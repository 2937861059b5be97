"""Running programs: the output of one that fails is part of the error."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


class CommandFailed(AssertionError):
    """A program ended with a status other than 0."""

    def __init__(self, args: Sequence[str], status: int, output: str):
        super().__init__(f"{' '.join(args)}: status {status}\n{output[-4000:]}")
        self.status = status
        self.output = output


def run(
    *args: str | Path,
    timeout_s: float = PATIENCE_S,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> str:
    """Runs a program and returns what it wrote to stdout; raises CommandFailed with all output if it fails."""
    words = [str(arg) for arg in args]
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=timeout_s, env=env, check=False
    )
    if check and done.returncode != 0:
        raise CommandFailed(words, done.returncode, done.stdout + done.stderr)
    return done.stdout
