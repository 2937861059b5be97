"""What benches have in common: how they say where they are, tell their figures, and run a program of ours in rounds."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.cloud import BIN

ROOT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def tell(result: dict[str, Any], as_json: bool) -> None:
    """Figures for people, and with `as_json` one object for programs as the last line."""
    width = max(len(name) for name in result)
    for name, value in result.items():
        say(f"{name:{width}} {value}")
    if as_json:
        print(json.dumps(result))


def run(program: str, *arguments: Any, timeout: float = 600) -> dict[str, Any]:
    """What a program that measures says, one JSON object."""
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    say(done.stdout.strip())
    return json.loads(done.stdout)


def main(purpose: str, measure: Callable[[int], dict[str, Any]], rounds: int) -> None:
    """The whole of a bench that does nothing but measure so many rounds."""
    parser = argparse.ArgumentParser(description=purpose.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=rounds)
    options = parser.parse_args()
    tell(measure(options.rounds), options.json)
