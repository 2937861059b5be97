"""Runs many seeds of the simulator on all processors and writes a JUnit file; a part of scripts/test.

    suite.py SIMULATOR OUTPUT.xml [--sanitized SIMULATOR] [--seeds N] [--storm SECONDS]

A test is a run of SEEDS_PER_TEST seeds. What fails says the seed, why, and the command that runs it again. Three more tests hold
that the same seed is the same trace: in other processes, elsewhere, with other surroundings; line by line; and
as the sanitized build sees it, which is another program with its memory laid out otherwise.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

SEEDS_PER_TEST = 50
SANITIZED_SEEDS = 50
SANITIZED_PER_TEST = 10
SAME_HASHES = 100  # seeds that are run again
SAME_TRACES = 4    # of which every line is compared
TIMEOUT_S = 900
FAILED = re.compile(r"^seed (\d+): FAILED.*\n\s*(.*)$", re.MULTILINE)
HASH = re.compile(r"^seed (\d+): \w+ hash ([0-9a-f]{16})", re.MULTILINE)
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


class Outcome:
    """What a test said: its name, how long it took, why it failed ("" if it did not), and the hashes of its seeds."""

    def __init__(self, name: str, seconds: float, failure: str, hashes: dict[str, str]):
        self.name = name
        self.seconds = seconds
        self.failure = failure
        self.hashes = hashes

    def write(self, suite: ET.Element) -> None:
        print(f"{self.name}: {'FAILED' if self.failure else 'ok'} ({self.seconds:.1f} s)\n{self.failure}".rstrip(), flush=True)
        case = ET.SubElement(suite, "testcase", classname="sim", name=self.name, time=f"{self.seconds:.3f}")
        if self.failure:
            ET.SubElement(case, "failure", message=self.failure.splitlines()[0]).text = self.failure


def call(arguments: list[str], environment: dict[str, str] | None = None, folder: str | None = None) -> tuple[int, str]:
    try:
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=TIMEOUT_S, check=False, env=environment, cwd=folder)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        return 1, f"{output}\nnot done within {TIMEOUT_S} s\n"


def describe(output: str, again: str) -> str:
    lines = [f"seed {seed}: {why}\n    again: {again.format(seed)}" for seed, why in FAILED.findall(output)]
    return "\n".join(lines) or output[-2000:] or "it ended without a word"


def run(simulator: str, first: int, last: int, storm: int, sanitized: bool) -> Outcome:
    begin = time.monotonic()
    status, output = call([simulator, "--seeds", f"{first}-{last}", "--storm", str(storm)], os.environ | SANITIZERS)
    again = f"{'LATTICE_SIM_PRESET=debug ' if sanitized else ''}scripts/sim {{}} --storm {storm}   (-v: its trace, --shrink: its faults)"
    hashes = dict(HASH.findall(output))
    failure = describe(output, again) if status or len(hashes) != last - first + 1 else ""
    return Outcome(f"seeds {first} to {last}{', sanitized' if sanitized else ''}", time.monotonic() - begin, failure, hashes)


def compare(name: str, begin: float, ours: dict[str, str], theirs: dict[str, str]) -> Outcome:
    others = [seed for seed, digest in theirs.items() if ours.get(seed) != digest]
    failure = f"another trace: seeds {', '.join(others)}" if others else "" if theirs else "nothing to compare"
    return Outcome(name, time.monotonic() - begin, failure, {})


def elsewhere(simulator: str, storm: int, *arguments: str) -> str:
    """What it says in an empty folder, under a strange clock, language and length of the environment."""
    with tempfile.TemporaryDirectory() as folder:
        surroundings = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "HOME": folder, "MALLOC_PERTURB_": "165", "LENGTH": "x" * 3001}
        return call([simulator, *arguments, "--storm", str(storm)], surroundings, folder)[1]


def same_hashes(simulator: str, storm: int, seeds: int, hashes: dict[str, str]) -> Outcome:
    begin = time.monotonic()
    output = elsewhere(simulator, storm, "--seeds", f"1-{min(SAME_HASHES, seeds)}")
    return compare("the same seed has the same hash elsewhere", begin, hashes, dict(HASH.findall(output)))


def same_traces(simulator: str, storm: int) -> Outcome:
    begin = time.monotonic()
    failure = ""
    for seed in range(1, SAME_TRACES + 1):
        ours = call([simulator, "--seed", str(seed), "-v", "--storm", str(storm)])[1].splitlines()
        theirs = elsewhere(simulator, storm, "--seed", str(seed), "-v").splitlines()
        differ = next((n for n, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), None)
        if differ is not None:
            failure = f"seed {seed}, line {differ + 1}:\n    {ours[differ]}\n    {theirs[differ]}"
        elif len(ours) != len(theirs) or len(ours) < 3:
            failure = f"seed {seed}: {len(ours)} and {len(theirs)} lines"
    return Outcome("the same seed has the same trace, line by line", time.monotonic() - begin, failure, {})


def pieces(count: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, count + 1) - 1) for first in range(1, count + 1, size)]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("simulator", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sanitized", type=Path)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--storm", type=int, default=90)
    options = parser.parse_args()
    simulator, storm = str(options.simulator.resolve()), options.storm
    suite = ET.Element("testsuite", name="sim")
    hashes: dict[str, str] = {}
    sanitized: dict[str, str] = {}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = [(simulator, *piece, storm, False) for piece in pieces(options.seeds, SEEDS_PER_TEST)]
        if options.sanitized:
            other = str(options.sanitized.resolve())
            parts += [(other, *piece, storm, True) for piece in pieces(min(SANITIZED_SEEDS, options.seeds), SANITIZED_PER_TEST)]
        for part, outcome in zip(parts, pool.map(lambda part: run(*part), parts)):
            outcome.write(suite)
            failed += bool(outcome.failure)
            (sanitized if part[-1] else hashes).update(outcome.hashes)
    last = [same_hashes(simulator, storm, options.seeds, hashes), same_traces(simulator, storm)]
    if options.sanitized:
        last.append(compare("the sanitized build has the same hashes", time.monotonic(), hashes, sanitized))
    for outcome in last:
        outcome.write(suite)
        failed += bool(outcome.failure)
    ET.ElementTree(suite).write(options.output)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
