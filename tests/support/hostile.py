"""Hostile scripts of tests/lua/hostile, put into force on a whole console, and the account of what each cost."""

import threading
from dataclasses import dataclass
from pathlib import Path

from .cloud import ApiProblem, Cloud
from .rogue import Closed, Rogue, Wire
from .waiting import wait_until

SCRIPTS = Path(__file__).resolve().parents[1] / "lua" / "hostile"
KINDS = ("endless", "memory", "depth", "names", "state", "results", "errors", "source")
HONEST = "function score(node) return node.free_cpu + math.floor(2.75) + #table.concat({ 'a', 'b' }) end\n"


@dataclass
class Script:
    name: str
    text: str
    is_file: bool
    in_filter: bool

    def at_load(self) -> str:
        if self.is_file:
            return self.text
        return f"do local node, workload = {{ name = 'victim', labels = {{}} }}, {{ labels = {{}} }} local _ = node, workload\n{self.text} end\n{HONEST}"

    def at_ask(self) -> str:
        victim = f"if workload.name:find('victim', 1, true) then\n{self.text} end\n"
        if self.in_filter:
            return f"function filter(node, workload)\n{victim}return true end\n{HONEST}"
        return f"function score(node, workload) local result = node.free_cpu + math.floor(2.75)\n{victim}return result end\n"


def repeated(line: str) -> str:
    times, text = line[2:].split(" ", 1)
    return "".join(text.replace("%d", str(i)) for i in range(int(times)))


def read_scripts(kind: str) -> list[Script]:
    """The sections of one file; its README.md says what they look like."""
    scripts: list[Script] = []
    for line in SCRIPTS.joinpath(f"{kind}.lua").read_text().split("\n"):
        if line.startswith("--- "):
            name, word = line[4:].rsplit(": ", 1)
            scripts.append(Script(name, "", word.startswith("source "), "(filter)" in name))
        elif line.startswith("@ "):
            scripts[-1].text = scripts[-1].text.removesuffix("\n") + repeated(line) + "\n"
        elif scripts:
            scripts[-1].text += line + "\n"
    return scripts


def listen(wire: Wire) -> None:
    """The node hears everything and does nothing."""
    try:
        while True:
            wire.hear()
    except (Closed, OSError, ValueError):
        return


def idle_node(cloud: Cloud, folder: Path, name: str) -> Wire:
    """A node that takes whatever it is given and starts nothing; close the wire at the end."""
    wire = Rogue(cloud, folder, name).link()
    threading.Thread(target=listen, args=(wire,), daemon=True).start()
    return wire


def apply(cloud: Cloud, text: str) -> bool:
    """Returns whether the file was accepted; anything but that and a refusal is a failure."""
    try:
        cloud.api("PUT", "/api/v1/policies/placement", {"source": text})
        return True
    except ApiProblem as problem:
        assert problem.code in ("policy", "timeout"), problem
        return False


def decided(cloud: Cloud, name: str) -> str:
    """Deploys, waits for the decision, removes; returns what is said of it."""
    cloud.api("POST", "/api/v1/workloads", {"type": "custom", "name": name, "params": {"image": "nothing"}})
    found = wait_until(lambda: cloud.api("GET", f"/api/v1/workloads/{name}/evaluations")["items"], f"{name} is decided about")
    cloud.api("DELETE", f"/api/v1/workloads/{name}")
    return str(found[-1])


def attack(cloud: Cloud, script: Script, number: int) -> str:
    """Puts a script into force in each way, and asks; returns what was not contained, or nothing."""
    apply(cloud, script.at_load())
    if not script.is_file and apply(cloud, script.at_ask()):
        decided(cloud, f"victim-{number}")
    elif not apply(cloud, HONEST):
        return "an honest file was refused afterwards"
    if "built-in" in (said := decided(cloud, f"honest-{number}")):
        return f"an honest question was not answered afterwards: {said}"
    return "" if cloud.console.runs() else "the console ended"
