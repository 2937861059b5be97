"""Planted mistakes: is a tool that looks for mistakes good enough to find them?

Each file of a folder of plants is a patch with one mistake, and its first line says which. A copy of the sources gets it, and nothing
else does: production code has no switch for it. Copy and build stay between runs (build/plants), so that a mistake costs the files
that it changes and a link.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lint"))

from check_sizes import tracked  # noqa: E402

# The arguments for a tool to run until it finds something, with so many seconds of processor time to do it; without a mistake
# (None) as long as is enough to trust it.
Arguments = Callable[[int | None], list[str]]


def title(patch: Path) -> str:
    return patch.read_text().splitlines()[0]


def patches(folder: Path, names: list[str]) -> list[Path]:
    found = [path for path in sorted(folder.glob("*.patch")) if not names or path.stem in names or path.stem[3:] in names]
    if names and len(found) != len(names):
        sys.exit(f"not all of {', '.join(names)} are among {', '.join(p.stem for p in sorted(folder.glob('*.patch')))}")
    return found


# ---- do they apply? ----

def check(folder: Path) -> int:
    findings = []
    for patch in patches(folder, []):
        name = patch.relative_to(ROOT)
        if title(patch).startswith(("---", "diff ")):
            findings.append(f"{name}:1: the first line says which mistake it is")
        done = subprocess.run(["patch", "-p1", "--dry-run", "--force", "-d", str(ROOT), "-i", str(patch)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            findings.append(f"{name}: it does not apply any more\n{done.stdout.rstrip()}")
    print("\n".join([*findings, f"{len(findings)} findings in the planted mistakes of {folder.relative_to(ROOT)}"]))
    return 1 if findings else 0


# ---- are they found? ----

def copy(tree: Path) -> None:
    """Makes the copy's files those of the sources; what is the same keeps its time, so that little is built again."""
    wanted = {path.relative_to(ROOT): path for path in tracked(ROOT)}
    for there in [path for path in tree.rglob("*") if path.is_file()]:
        if there.relative_to(tree) not in wanted:
            there.unlink()
    for name, here in wanted.items():
        there = tree / name
        if not there.is_file() or there.read_bytes() != here.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(here, there)
            shutil.copymode(here, there)


def build(place: Path, target: str, patch: Path | None) -> Path:
    """Builds an executable with a mistake, or without one, and keeps it under the mistake's name."""
    tree, binary = place / "tree", place / "build"
    environment = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    name = patch.stem if patch else "control"
    tree.mkdir(parents=True, exist_ok=True)
    copy(tree)
    commands = [["cmake", "-S", str(tree), "-B", str(binary), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=ON"],
                ["cmake", "--build", str(binary), "--target", target]]
    if patch:
        commands.insert(0, ["patch", "-s", "-p1", "--no-backup-if-mismatch", "-d", str(tree), "-i", str(patch)])
    for command in commands:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} cannot be built\n{done.stdout[-3000:]}")
    (place / name).unlink(missing_ok=True)
    return Path(shutil.copy(binary / "bin" / target, place / name))


@dataclasses.dataclass
class Tool:
    """A tool that looks for mistakes. `failed` finds in what it prints the seed and what is wrong; `total` its sums, by name."""
    target: str
    arguments: Arguments
    failed: re.Pattern[str]
    total: re.Pattern[str]

    def hunt(self, executable: Path, cpu_s: int | None) -> dict[str, Any]:
        """Returns {found, seed, why} and the sums."""
        done = subprocess.run([str(executable), "--quiet", "--until-failure", *self.arguments(cpu_s)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        found, total = self.failed.search(done.stdout), self.total.search(done.stdout)
        if not total or (done.returncode not in (0, 1) and not found):
            raise RuntimeError(done.stdout[-2000:])
        return {
            "found": bool(found), "seed": int(found.group(1)) if found else None, "why": found.group(2) if found else None,
            **{name: float(value) for name, value in total.groupdict().items()},
        }


def run(folder: Path, tool: Tool, options: argparse.Namespace) -> dict[str, object]:
    """Hunts for each mistake. Returns {planted, found, plants: {NAME: what the hunt says}}."""
    place = ROOT / "build" / "plants"

    def hunted(executable: Path, control: bool) -> dict[str, Any]:
        result = tool.hunt(executable, None if control else options.cpu)
        executable.unlink()
        print(f"{executable.name}: {'found' if result['found'] else 'NOT FOUND'}: {result}", file=sys.stderr, flush=True)
        return result

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        control = pool.submit(hunted, build(place, tool.target, None), True)
        hunts = {patch: pool.submit(hunted, build(place, tool.target, patch), False) for patch in patches(folder, options.names)}
        if control.result()["found"]:
            sys.exit(f"without any mistake it fails: {control.result()['why']}")
        plants = {patch.stem: {"mistake": title(patch), **future.result()} for patch, future in hunts.items()}
    return {"planted": len(plants), "found": sum(bool(plant["found"]) for plant in plants.values()), "plants": plants}


def main(folder: Path, tool: Tool, cpu_s: int) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["check", "run"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--cpu", type=int, default=cpu_s, help="seconds of processor time for each mistake")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_intermixed_args()
    if options.action == "check":
        return check(folder)
    result = run(folder, tool, options)
    print(json.dumps(result))
    return 0 if result["found"] == result["planted"] else 1
