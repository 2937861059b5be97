"""Who includes whom: the house of cmake/floors.txt, held by every #include of core/, agent/ and lua/host/.

Finds: an include of an upper floor, of a sibling, or past a folder's limit; of another folder's private
header (internal.h, *_internal.h); of a header that belongs to somebody else (uv.h and so on); of a folder
that the module's CMakeLists.txt does not declare in LINKS or PRIVATE_LINKS; of a file that does not exist;
a circle of files; a source that no row of the table covers.
"""

import re
import sys
from pathlib import Path

import floors

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
HOUSES = ("core", "agent", "lua/host")
GENERATED = {"lat_version.h"}


def is_private(header: str) -> bool:
    name = header.rpartition("/")[2]
    return name == "internal.h" or name.endswith("_internal.h")


def declared_links(root: Path, module: str) -> set[str] | None:
    """What the module's CMakeLists.txt says it links, or None where there is no such file."""
    listing = root / module / "CMakeLists.txt"
    if not listing.is_file():
        return None
    text = re.sub(r"#.*", "", listing.read_text())
    call = re.search(r"lat_module\s*\(([^)]*)\)", text)
    return set(call[1].split()) if call else None


def resolve(root: Path, source: Path, header: str) -> str | None:
    """The path from the root of a header of ours, or None if there is no such file."""
    for base in (root / "core", root, source.parent):
        candidate = base / header
        if candidate.is_file():
            return candidate.resolve().relative_to(root).as_posix()
    return None


def circles(graph: dict[str, list[str]]) -> list[str]:
    """Each circle of includes, once, as a -> b -> a."""
    found = []
    done: set[str] = set()

    def walk(path: str, trail: list[str]) -> None:
        if path in trail:
            found.append(" -> ".join(trail[trail.index(path):] + [path]))
            return
        if path in done:
            return
        for other in graph.get(path, []):
            walk(other, trail + [path])
        done.add(path)

    for start in sorted(graph):
        walk(start, [])
    return found


def check(root: Path) -> list[str]:
    root = root.resolve()
    table = floors.read(root)
    findings = []
    graph: dict[str, list[str]] = {}
    links: dict[str, set[str] | None] = {}
    sources = sorted(p for house in HOUSES for p in (root / house).rglob("*") if p.suffix in (".c", ".h"))
    for source in sources:
        path = source.relative_to(root).as_posix()
        module = table.module_of(path)
        if module is None:
            findings.append(f"{path}: no row of cmake/floors.txt covers it")
            continue
        if module not in links:
            links[module] = declared_links(root, module)
        graph[path] = []
        text = source.read_text()
        for match in INCLUDE.finditer(text):
            quote, header = match[1], match[2]
            where = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}"
            if header in table.owner and module not in table.owner[header]:
                findings.append(f"{where}: {header} belongs to {', '.join(table.owner[header])}")
            if quote == "<" or header in GENERATED:
                continue
            target = resolve(root, source, header)
            used = target and table.module_of(target)
            if used is None:
                if header not in table.owner:
                    findings.append(f"{where}: no file of ours is called {header}")
                continue
            graph[path].append(target)
            if used == module:
                continue
            if refusal := table.refusal(module, used):
                findings.append(f"{where}: {refusal}")
            elif is_private(target):
                findings.append(f"{where}: {target} is private to {used}")
            elif links[module] is not None and floors.target_of(used) not in links[module]:
                findings.append(f"{where}: {module}/CMakeLists.txt does not link {floors.target_of(used)}")
    findings += [f"a circle of includes: {circle}" for circle in circles(graph)]
    return findings


if __name__ == "__main__":
    problems = check(Path(sys.argv[1]))
    print("\n".join(problems + [f"{len(problems)} findings in the includes"]))
    sys.exit(1 if problems else 0)
