"""No file of the repository names a place of one machine: somebody's home, or where a checkout happens to be.

A waiver stands on the line and gives its reason: `lint-ok(path): why`.
"""

import re
import sys
from pathlib import Path

from check_sizes import tracked

HOMES = re.compile(r"(?<![\w.}])/(?:home/[a-z]|root/|Users/|work/)")
WAIVER = re.compile(r"lint-ok\(path\):\s*\w")


def check_text(name: str, text: str, checkout: str) -> list[str]:
    return [f"{name}:{number}: names a place of one machine: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), 1)
            if (HOMES.search(line) or checkout in line) and not WAIVER.search(line)]


def check(root: Path) -> list[str]:
    findings = []
    for path in tracked(root):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture, an archive
        if path.parent != root / "tests/lint":
            findings += check_text(path.relative_to(root).as_posix(), text, str(root))
    return findings


if __name__ == "__main__":
    problems = check(Path(sys.argv[1]).resolve())
    print("\n".join(problems + [f"{len(problems)} findings in the paths"]))
    sys.exit(1 if problems else 0)
