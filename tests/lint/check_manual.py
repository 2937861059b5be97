#!/usr/bin/env python3
"""Every route of core/api/api.c stands in docs/api.md with the same access, and no other does."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACCESS = {"ANYBODY": "anybody", "USERS": "users", "ADMINS": "admins"}


def routes_of_the_code(text: str) -> set[tuple[str, str, str]]:
    found = re.findall(r"\{\s*LAT_HTTP_(\w+),\s*\"([^\"]+)\",\s*LAT__(\w+),", text)
    return {(method, path, ACCESS[access]) for method, path, access in found}


def routes_of_the_manual(text: str) -> set[tuple[str, str, str]]:
    return set(re.findall(r"^\| `(\w+) (/[^`]*)` \| (\w+) \|", text, re.MULTILINE))


def main() -> int:
    code = routes_of_the_code((ROOT / "core/api/api.c").read_text())
    manual = routes_of_the_manual((ROOT / "docs/api.md").read_text())
    if not code:
        print("core/api/api.c: no routes found; has the table another shape?")
        return 1
    for route in sorted(code - manual):
        print("docs/api.md lacks:", *route)
    for route in sorted(manual - code):
        print("docs/api.md has, and core/api/api.c has not:", *route)
    return 1 if code != manual else 0


if __name__ == "__main__":
    sys.exit(main())
