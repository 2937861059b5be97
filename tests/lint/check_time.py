"""Time comes from base/clock alone: nothing else of core/, agent/ and lua/ asks the system what time it is, or sleeps.

So that a whole system runs in simulated time, and a jump of the wall clock is met in one place (base/steady.h).
A waiver stands on the line and gives its reason: `lint-ok(time): why`.
"""

import re
import sys
from pathlib import Path

from check_sizes import tracked

HOUSES = ("core/", "agent/", "lua/", "policies/", "plugins/")
HOME = "core/base/clock.c"
C_CALLS = re.compile(r"""(?<![\w.>])(?:clock_gettime|clock_nanosleep|gettimeofday|timespec_get|time|ftime|clock|
    nanosleep|usleep|sleep|uv_hrtime|uv_clock_gettime|uv_gettimeofday|uv_now|uv_update_time|uv_timer_start|uv_sleep|
    X509_cmp_current_time|X509_gmtime_adj|X509_time_adj(?:_ex)?)\s*\(""", re.VERBOSE)
# os.date() of a time that is given computes, and asks nobody.
LUA_CALLS = re.compile(r"(?<![\w.])(?:os\.(?:time|clock)\b|os\.date\s*(?:\(\s*(?:\"[^\"]*\"\s*)?\)|\")|uv\.(?:now|hrtime|clock_gettime|gettimeofday|sleep)\b)")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"')
WAIVER = re.compile(r"lint-ok\(time\):\s*\w")


def without_comments(text: str) -> str:
    """The same lines, with comments and texts blanked."""
    bare = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    return TEXT.sub('""', bare)


def check_text(path: str, text: str) -> list[str]:
    calls = LUA_CALLS if path.endswith(".lua") else C_CALLS
    bare = text if path.endswith(".lua") else without_comments(text)
    findings = []
    for number, (line, full) in enumerate(zip(bare.split("\n"), text.split("\n")), 1):
        found = calls.search(line)
        if found and path != HOME and not WAIVER.search(full):
            name = found[0].split("(")[0].strip(' "')
            findings.append(f"{path}:{number}: asks the system for time ({name}); base/clock is the only source")
        elif not found and WAIVER.search(full):
            findings.append(f"{path}:{number}: nothing here needs its lint-ok(time)")
    return findings


def check(root: Path) -> list[str]:
    findings = []
    for path in tracked(root):
        name = path.relative_to(root).as_posix()
        if name.startswith(HOUSES) and path.suffix in (".c", ".h", ".lua") and "/tests/" not in name:
            findings += check_text(name, path.read_text())
    return findings


if __name__ == "__main__":
    problems = check(Path(sys.argv[1]))
    print("\n".join(problems + [f"{len(problems)} findings about time"]))
    sys.exit(1 if problems else 0)
