"""Nothing of ours is too long to be read: sources, face headers, functions.

A waiver stands in the file itself and gives its reason: `lint-ok(length): why`. One that nothing needs is a
finding too.
"""

import re
import subprocess
import sys
from pathlib import Path

SOURCE_LINES_MAX = 700
HEADER_LINES_MAX = 250
FUNCTION_LINES_MAX = 90

SUFFIXES = (".c", ".h", ".lua", ".py", ".ts", ".svelte")
WAIVER = re.compile(r"lint-ok\(length\):\s*\w")
# A function as clang-format leaves it: a brace at the left margin opens its body and closes it.
BODY = re.compile(r"^([A-Za-z_][^\n;{}]*(?:\n[^\n;{}#]+)*?)(?:\n| )\{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)


def tracked(root: Path) -> list[Path]:
    """What is in the repository or about to be."""
    names = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                           check=True, capture_output=True, text=True).stdout
    return [root / name for name in sorted(names.split("\0")) if name and (root / name).is_file()]


def long_functions(text: str) -> list[tuple[str, int, int]]:
    """(name, line, lines) of each C function that is too long."""
    found = []
    for match in BODY.finditer(text):
        name = re.search(r"(\w+)\s*\(", match[1])
        lines = match[0].count("\n")
        if name and lines > FUNCTION_LINES_MAX:
            found.append((name[1], text.count("\n", 0, match.start()) + 1, lines))
    return found


def check_text(path: str, text: str) -> list[str]:
    lines = text.count("\n")
    findings = []
    if path.endswith(".h") and lines > HEADER_LINES_MAX:
        findings.append(f"{path}: {lines} lines; a header has at most {HEADER_LINES_MAX}")
    elif lines > SOURCE_LINES_MAX:
        findings.append(f"{path}: {lines} lines; a source has at most {SOURCE_LINES_MAX}")
    if path.endswith((".c", ".h")):
        findings += [f"{path}:{line}: {name} has {length} lines; a function has at most {FUNCTION_LINES_MAX}"
                     for name, line, length in long_functions(text)]
    if WAIVER.search(text):
        return [] if findings else [f"{path}: nothing here needs its lint-ok(length)"]
    return findings


def check(root: Path) -> list[str]:
    findings = []
    for path in tracked(root):
        if path.suffix in SUFFIXES and path.parent != root / "tests/lint":
            findings += check_text(path.relative_to(root).as_posix(), path.read_text())
    return findings


if __name__ == "__main__":
    problems = check(Path(sys.argv[1]))
    print("\n".join(problems + [f"{len(problems)} findings in the sizes"]))
    sys.exit(1 if problems else 0)
