"""Reads cmake/floors.txt, the table of who may use whom. cmake/Floors.cmake reads the same file."""

import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Floors:
    floor: dict[str, int] = field(default_factory=dict)  # folder or main file -> floor
    limit: dict[str, list[str]] = field(default_factory=dict)  # folder -> what it may use at most
    owner: dict[str, list[str]] = field(default_factory=dict)  # header or target -> its users

    def module_of(self, path: str) -> str | None:
        """The row a file belongs to: the longest folder of the table that holds it, or itself."""
        while path:
            if path in self.floor:
                return path
            path = path.rpartition("/")[0]
        return None

    def refusal(self, user: str, used: str) -> str | None:
        """Why `user` may not use `used`, or None if it may."""
        if self.floor[used] >= self.floor[user]:
            return (f"{user} (floor {self.floor[user]}) uses {used} (floor {self.floor[used]}): "
                    "a folder uses lower floors only")
        for scope in (user, user.split("/")[0]):
            allowed = self.limit.get(scope)
            if allowed is not None and used not in allowed and not used.startswith(scope + "/"):
                return f"{user} uses {used}, which is not among what {scope} may use"
        return None


def target_of(module: str) -> str:
    """The library of a folder: core/base -> lat_base, agent/link -> lat_agent_link."""
    return "lat_" + module.removeprefix("core/").replace("/", "_")


def read(root: Path) -> Floors:
    table = Floors()
    for line in (root / "cmake/floors.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if match := re.fullmatch(r"floor ([1-9]) ([a-z./]+)", line):
            table.floor[match[2]] = int(match[1])
        elif match := re.fullmatch(r"(limit|owner) ([a-z0-9._/:-]+): (.+)", line):
            getattr(table, match[1])[match[2]] = match[3].split()
        else:
            raise SystemExit(f"cmake/floors.txt: cannot read the row {line!r}")
    return table
