"""How long the shipped placement policy takes for all of 10,000 nodes: compiled, by hand, and row by row in stock Lua.

A pass reads six columns, and writes who passes and the scores of all. See policy_bench.c. `cold` is a pass after every node has changed,
beside the hand-written version that keeps nothing. Lua runs the same file over plain tables that were built before. Of thirty realistic policies
(tests/policies), how many are compiled, is asked of `lattice policy check`. `policy_effect_ms` is the time from a saved file to a decision by it, see policy_effect.py. Time is the processor's time of the process.
"""

import json
import statistics
import subprocess
from typing import Any

from bench.policy_effect import policy_effect_ms
from bench.telling import ROOT, main, run, say
from support.cloud import BIN

KEEPS_NOTHING = 0


def compiled_of_30() -> int | None:
    """How many of the policies have every function compiled; None as long as `lattice policy check` cannot tell."""
    files = sorted((ROOT / "tests/policies").glob("*.lua"))
    assert len(files) == 30, f"there are {len(files)} policies"
    count = 0
    for file in files:
        done = subprocess.run([BIN / "lattice", "policy", "check", "--json", file], capture_output=True, text=True, check=False, timeout=60)
        try:
            functions = json.loads(done.stdout)["functions"]
        except (ValueError, KeyError, TypeError):
            say(f"{file.name}: {(done.stderr or done.stdout).strip()}")
            return None
        missed = [each for each in functions if not each["compiled"]]
        for each in missed:
            say(f"{file.name}:{each['line']}: {each['name']}: {each['why']}")
        count += not missed
    return count


def measure(rounds: int) -> dict[str, Any]:
    runs = [run("policy_bench", "policy", ROOT) for _ in range(rounds)]

    def median(what: Any) -> float:
        return statistics.median(what(each) for each in runs)

    return {
        "compiled_us": round(median(lambda each: each["us"]), 3),
        "hand_us": round(median(lambda each: min(each["hand_us"])), 3),
        "ratio_vs_hand": round(median(lambda each: each["us"] / min(each["hand_us"])), 3),
        "compiled_cold_us": round(median(lambda each: each["cold_us"]), 3),
        "hand_keeps_nothing_us": round(median(lambda each: each["hand_us"][KEEPS_NOTHING]), 3),
        "cold_ratio_vs_hand": round(median(lambda each: each["cold_us"] / each["hand_us"][KEEPS_NOTHING]), 3),
        "lua_us": round(median(lambda each: each["lua_us"]), 1),
        "speedup_vs_lua": round(median(lambda each: each["lua_us"] / each["us"]), 1),
        "compiled_of_30": compiled_of_30(),
        "policy_effect_ms": round(policy_effect_ms(ROOT), 1),
        "hand": runs[0]["hand"],
        "rounds": rounds,
    }


if __name__ == "__main__":
    main(__doc__, measure, 5)
