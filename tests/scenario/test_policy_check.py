"""`lattice policy check`: a policy's file, tried without a console, in the jail that a console would put it in."""

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.cloud import BIN
from support.command import ROOT
from support.waiting import PATIENCE_S

THIRTY = sorted((ROOT / "tests" / "policies").glob("*.lua"))
COMPILED_AT_LEAST = 29


def check(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "lattice", "policy", "check", str(path), *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def loaded(source: str) -> list[dict[str, Any]]:
    """All that the jailed process says of a policy that it is given to load, in the console's place."""
    with subprocess.Popen([BIN / "lattice", "lua-host"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        request = json.dumps({"op": "load", "kind": "policy", "name": "placement", "source": source}).encode()
        said, _ = process.communicate(struct.pack(">I", len(request)) + request, timeout=60)
    frames = []
    while said:
        (length,) = struct.unpack(">I", said[:4])
        frames.append(json.loads(said[4 : 4 + length]))
        said = said[4 + length :]
    assert frames.pop(0) == {"ok": True}, "the jail does not stand"
    return frames


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "placement.lua"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["placement", "admission", "approval"])
def test_the_shipped_policies_pass_their_tests_and_are_compiled(name: str) -> None:
    done = check(ROOT / "policies" / name / f"{name}.lua", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["policy"] == name
    assert told["tests"] > 0
    assert told["compiled"]


def test_nearly_all_of_thirty_policies_are_compiled_and_verified() -> None:
    done = {path.stem: check(path, "--json") for path in THIRTY}
    assert len(done) == 30
    assert {name: each.stderr for name, each in done.items() if each.returncode not in (0, 10)} == {}
    told = {name: json.loads(each.stdout) for name, each in done.items()}
    assert {name: each["defect"] for name, each in told.items() if "defect" in each} == {}
    assert sum(each["compiled"] for each in told.values()) >= COMPILED_AT_LEAST


def test_what_cannot_be_compiled_says_its_line_and_what_to_write(tmp_path: Path) -> None:
    path = written(tmp_path, "function filter(node)\n    return node.name:rep(2) ~= 'aa'\nend\n")
    done = check(path)
    assert done.returncode == 10
    assert f"{path}:2: string.rep is called with what only a row knows" in done.stdout
    assert "instead: look for a part by text:find" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("function score(", "placement.lua:1: "),
        ("function score(node)\n    return node.fre_cpu\nend", "placement.lua:2: node has no field 'fre_cpu'; did you"),
        ("function score() return 1 end\nfunction test_it() assert(score() == 2) end", "test_it fails: assertion failed!"),
        ("while true do end", "was stopped"),
    ],
)
def test_a_file_that_a_console_would_refuse_is_refused(tmp_path: Path, text: str, said: str) -> None:
    done = check(written(tmp_path, text))
    assert done.returncode not in (0, 10)
    assert said in done.stderr


def test_each_test_is_told_of_before_it_runs_so_that_one_without_an_end_has_a_name() -> None:
    frames = loaded("function score() return 1 end\nfunction test_b() end\nfunction test_a() end")
    assert frames[:-1] == [{"doing": "test_a"}, {"doing": "test_b"}]
    assert (frames[-1]["ok"], frames[-1]["tests"]) == (True, 2)
    refused = loaded("function score() return 1 end\nfunction test_a() error('no') end\nfunction test_b() end")
    assert [frame.get("doing") for frame in refused] == ["test_a", "test_b", None]
    assert "test_a fails: no" in refused[-1]["error"]["sentence"]
