#!/usr/bin/env python3
"""The manual says what the code says.

- Every route of core/api stands in docs/api.md with the same access, and no other does.
- docs/errors.md is what `check_manual.py --write` makes of the table in core/base/err.h.
- The floors of docs/architecture.md are those of cmake/floors.txt.
- Every metric and every setting stands in docs/operations.md, a setting with its default.
"""

import re
import sys
from pathlib import Path

ACCESS = {"ANYBODY": "anybody", "USERS": "users", "ADMINS": "admins"}

ERRORS_HEAD = """\
# Errors

<!-- Made by `tests/lint/check_manual.py --write` from core/base/err.h; a lint fails when it is stale. -->

One table for the API, the commands and the link. Programs look at `code`, which never changes its meaning; the
sentence of an answer says more than the one here. A program must tolerate a code that it does not know.

| `code` | HTTP | exit status | what happened | what to do |
|---|---|---|---|---|
"""


def joined(text: str) -> str:
    """A macro's rows without the ends of its lines."""
    return re.sub(r"\s*\\\n\s*", " ", text)


# ---- routes ----


def routes_of_the_code(text: str) -> set[tuple[str, str, str]]:
    found = re.findall(r"X\((\w+), \"([^\"]+)\", (\w+), \w+\)", joined(text))
    return {(method, path, ACCESS[access]) for method, path, access in found}


def routes_of_the_manual(text: str) -> set[tuple[str, str, str]]:
    return set(re.findall(r"^\| `(\w+) (/[^`]*)` \| (\w+) \|", text, re.MULTILINE))


def check_routes(root: Path) -> list[str]:
    code = routes_of_the_code((root / "core/api/routes_internal.h").read_text())
    manual = routes_of_the_manual((root / "docs/api.md").read_text())
    if not code:
        return ["core/api/routes_internal.h: no routes found; has the table another shape?"]
    return [f"docs/api.md lacks: {' '.join(route)}" for route in sorted(code - manual)] + [
        f"docs/api.md has, and core/api/routes_internal.h has not: {' '.join(route)}" for route in sorted(manual - code)
    ]


# ---- errors ----


def errors_page(text: str) -> str:
    row = r"X\(\w+, \d+, \"([^\"]+)\", (\d+), (\d+), \"([^\"]*)\", \"([^\"]*)\"\)"
    lines = [
        f"| `{code}` | {http} | {status} | {sentence} | {hint} |"
        for code, http, status, sentence, hint in re.findall(row, joined(text))
    ]
    return ERRORS_HEAD + "\n".join(lines) + "\n"


def check_errors(root: Path) -> list[str]:
    wanted = errors_page((root / "core/base/err.h").read_text())
    if wanted == ERRORS_HEAD + "\n":
        return ["core/base/err.h: no errors found; has the table another shape?"]
    page = root / "docs/errors.md"
    if not page.exists() or page.read_text() != wanted:
        return ["docs/errors.md is stale: run tests/lint/check_manual.py --write"]
    return []


# ---- floors ----


def floors_of_the_table(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^floor (\d+) (\S+)", text, re.MULTILINE))


def floors_of_the_manual(text: str) -> set[tuple[str, str]]:
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|$", text, re.MULTILINE)
    return {(floor, folder) for floor, folders in rows for folder in re.findall(r"`((?:core|agent|lua)/[^`]+)`", folders)}


def check_floors(root: Path) -> list[str]:
    table = floors_of_the_table((root / "cmake/floors.txt").read_text())
    manual = floors_of_the_manual((root / "docs/architecture.md").read_text())
    return [f"docs/architecture.md and cmake/floors.txt differ: floor {' '.join(row)}" for row in sorted(table ^ manual)]


# ---- metrics and settings ----


def metrics_of(source: str) -> set[str]:
    return set(re.findall(r"lat_metrics_(?:counter|gauge|histogram)\(\s*[\w>.-]+,\s*\"(\w+)\"", source))


def settings_of(text: str) -> set[tuple[str, str]]:
    tables = joined(text).split("#define LAT_CLI_SETTINGS")[0]
    return set(re.findall(r"X\([A-Z]+, (\w+), \"([^\"]*)\", (?:true|false),", tables))


def check_operations(root: Path) -> list[str]:
    page = (root / "docs/operations.md").read_text()
    console = [path for path in sorted(root.glob("core/**/*.c")) if path.parent.name not in ("base", "docker")]
    metrics = set().union(*(metrics_of(path.read_text()) for path in console))
    settings = settings_of((root / "core/model/settings.h").read_text())
    if not metrics or not settings:
        return ["no metrics or no settings found; have they another shape?"]
    shown = {name: default for name, default in re.findall(r"^\| `--([\w-]+)` \| (?:`([^`]*)`)? *\|", page, re.MULTILINE)}
    found = [f"docs/operations.md lacks the metric {name}" for name in sorted(metrics) if f"`{name}`" not in page]
    found += [
        f"docs/operations.md has, and no source of the console has, the metric {name}"
        for name in sorted(set(re.findall(r"`(lattice_\w+)`", page)) - metrics)
    ]
    for name, default in sorted(settings):
        flag = name.replace("_", "-")
        if flag not in shown:
            found.append(f"docs/operations.md lacks the setting --{flag}")
        elif not re.search(rf"^\| `--{flag}` \| {f'`{re.escape(default)}`' if default else ''} *\|", page, re.MULTILINE):
            found.append(f"docs/operations.md: the default of --{flag} is '{default}'")
    names = {name.replace("_", "-") for name, _ in settings}
    return found + [f"docs/operations.md has a setting --{flag} that there is not" for flag in sorted(set(shown) - names)]


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--write"]
    root = Path(words[0] if words else Path(__file__).parents[2]).resolve()
    if "--write" in sys.argv[1:]:
        (root / "docs/errors.md").write_text(errors_page((root / "core/base/err.h").read_text()))
        return 0
    found = check_routes(root) + check_errors(root) + check_floors(root) + check_operations(root)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
