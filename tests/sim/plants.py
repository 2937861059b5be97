"""Planted mistakes: is the simulator good enough to find them?

    plants.py check                              does every patch still apply? (part of scripts/lint)
    plants.py run [NAME...] [--cpu S] [--jobs N]  builds each in a copy of the sources and runs seeds until one fails

Each file of plants/ is a patch with one mistake, and its first line says which. The copy gets it, and nothing else does:
production code has no switch for it. Copy and build stay between runs (build/plants), so that a mistake costs the files that
it changes and a link. First of all the copy without any mistake has to pass CONTROL_SEEDS seeds. With `run` the last line is one JSON
object: {planted, found, plants: {NAME: {found, seed, seeds, cpu_s, why}}}.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lint"))

from check_sizes import tracked  # noqa: E402

PLANTS = Path(__file__).resolve().parent / "plants"
CPU_S = 600
CONTROL_SEEDS = 100
SUM = re.compile(r"^seeds (\d+) failed (\d+) simulated_s (\d+) cpu_s ([0-9.]+)", re.MULTILINE)
FAILED = re.compile(r"^seed (\d+): FAILED.*\n\s*(.*)$", re.MULTILINE)


def title(patch: Path) -> str:
    return patch.read_text().splitlines()[0]


def patches(names: list[str]) -> list[Path]:
    found = [path for path in sorted(PLANTS.glob("*.patch")) if not names or path.stem in names or path.stem[3:] in names]
    if names and len(found) != len(names):
        sys.exit(f"plants.py: not all of {', '.join(names)} are among {', '.join(p.stem for p in sorted(PLANTS.glob('*.patch')))}")
    return found


# ---- do they apply? ----

def check() -> int:
    findings = []
    for patch in patches([]):
        if title(patch).startswith(("---", "diff ")):
            findings.append(f"tests/sim/plants/{patch.name}:1: the first line says which mistake it is")
        done = subprocess.run(["patch", "-p1", "--dry-run", "--force", "-d", str(ROOT), "-i", str(patch)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            findings.append(f"tests/sim/plants/{patch.name}: it does not apply any more\n{done.stdout.rstrip()}")
    print("\n".join([*findings, f"{len(findings)} findings in the planted mistakes"]))
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


def build(place: Path, patch: Path | None) -> Path:
    """Builds the simulator with a mistake, or without one, and keeps it under the mistake's name."""
    tree, binary = place / "tree", place / "build"
    environment = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    name = patch.stem if patch else "control"
    tree.mkdir(parents=True, exist_ok=True)
    copy(tree)
    commands = [["cmake", "-S", str(tree), "-B", str(binary), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=ON"],
                ["cmake", "--build", str(binary), "--target", "lattice-sim"]]
    if patch:
        commands.insert(0, ["patch", "-s", "-p1", "--no-backup-if-mismatch", "-d", str(tree), "-i", str(patch)])
    for command in commands:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} cannot be built\n{done.stdout[-3000:]}")
    (place / name).unlink(missing_ok=True)
    return Path(shutil.copy(binary / "bin" / "lattice-sim", place / name))


def hunt(simulator: Path, *options: str) -> dict[str, object]:
    done = subprocess.run([str(simulator), "--quiet", "--until-failure", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    found = FAILED.search(done.stdout)
    total = SUM.search(done.stdout)
    simulator.unlink()
    if not total:
        raise RuntimeError(done.stdout[-2000:])
    result = {
        "found": bool(found),
        "seed": int(found.group(1)) if found else None,
        "seeds": int(total.group(1)),
        "cpu_s": float(total.group(4)),
        "why": found.group(2) if found else None,
    }
    print(f"{simulator.name}: {'found' if found else 'NOT FOUND'} by {result['seeds']} seeds in {result['cpu_s']} s of CPU: "
          f"{result['why']}", file=sys.stderr, flush=True)
    return result


def run(names: list[str], cpu_s: int, jobs: int) -> dict[str, object]:
    place = ROOT / "build" / "plants"
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        control = pool.submit(hunt, build(place, None), "--seeds", f"1-{CONTROL_SEEDS}")
        hunts = {patch: pool.submit(hunt, build(place, patch), "--seeds", "1-1000000000", "--cpu", str(cpu_s))
                 for patch in patches(names)}
        if control.result()["found"]:
            sys.exit(f"without any mistake a seed fails: {control.result()['why']}")
        plants = {patch.stem: {"mistake": title(patch), **hunted.result()} for patch, hunted in hunts.items()}
    return {"planted": len(plants), "found": sum(bool(plant["found"]) for plant in plants.values()), "plants": plants}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["check", "run"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--cpu", type=int, default=CPU_S)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_intermixed_args()
    if options.action == "check":
        return check()
    result = run(options.names, options.cpu, options.jobs)
    print(json.dumps(result))
    return 0 if result["found"] == result["planted"] else 1


if __name__ == "__main__":
    sys.exit(main())
