"""Damaged data folders: each start says what is wrong and ends with 1, or goes on with everything that it can still know."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cloud import BIN, Agent, Cloud
from support.engine import Engine
from support.waiting import PATIENCE_S, wait_until


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Path]]:
    """A console that was stopped with a workload in its store, and a copy of its data folder."""
    made = Cloud(tmp_path_factory.mktemp("damaged")).start()
    try:
        made.api("POST", "/api/v1/workloads", {"type": "redis", "name": "cache"})
        made.stop()
        copy = made.state / "sound"
        shutil.copytree(made.console.data, copy)
        yield made, copy
    finally:
        made.kill()


@pytest.fixture
def damaged(stopped: tuple[Cloud, Path]) -> Cloud:
    """The console with its data folder as it was; a test hurts it, and starts it."""
    cloud, copy = stopped
    shutil.rmtree(cloud.console.data)
    shutil.copytree(copy, cloud.console.data)
    return cloud


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def file_instead(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("no folder")


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(20000))


FATAL: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "state.db is noise": ("state.db", noise, "damaged"),
    "state.db was cut": ("state.db", cut, "damaged"),
    "state.db is gone": ("state.db", Path.unlink, "is missing or empty"),
    "state.db is empty": ("state.db", lambda path: path.write_bytes(b""), "is missing or empty"),
    "state.db is a folder": ("state.db", folder_instead, "Is a directory"),
    "master.key is gone": ("master.key", Path.unlink, "master.key is missing"),
    "master.key is noise": ("master.key", noise, "is not a master key"),
    "master.key is empty": ("master.key", lambda path: path.write_bytes(b""), "is not a master key"),
    "master.key is another one": ("master.key", lambda path: path.write_text("ab" * 32 + "\n"), "cannot be opened"),
    "policies is a file": ("policies", file_instead, "policies"),
    "lock is a folder": ("lock", folder_instead, "lock"),
}


def expect_refusal(cloud: Cloud, sentence: str, *also_kept: str) -> None:
    """Starts the console, which ends with that sentence and leaves its files as they are."""
    kept = [cloud.console.data / name for name in ("master.key", "ca.pem", "admin-password", *also_kept)]
    before = {file: file.read_bytes() for file in kept if file.is_file()}
    done = subprocess.run([BIN / "lattice", "server", "--data-dir", cloud.console.data, "--listen", f"127.0.0.1:{cloud.console.port}"],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("lattice: ") and sentence in done.stderr
    for file, content in before.items():
        assert file.read_bytes() == content, f"{file.name} was changed by a start that failed"


@pytest.mark.parametrize("what", FATAL)
def test_what_the_console_cannot_do_without_ends_the_start_with_a_sentence(damaged: Cloud, what: str) -> None:
    name, hurt, sentence = FATAL[what]
    hurt(damaged.console.data / name)
    expect_refusal(damaged, sentence, "state.db")


def test_a_store_that_is_gone_together_with_the_authority_is_not_begun_anew(damaged: Cloud) -> None:
    for name in ("state.db", "ca.pem"):
        (damaged.console.data / name).unlink()
    expect_refusal(damaged, "is missing or empty")


def test_a_store_whose_log_alone_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path).start()
    try:
        cloud.console.kill()
        (cloud.console.data / "state.db-wal").unlink()
        expect_refusal(cloud, "state.db-wal, held is lost")
        expect_refusal(cloud, "state.db-wal, held is lost")  # the start that failed has made nothing up
    finally:
        cloud.kill()


def test_a_store_that_lost_its_log_is_older_than_the_history_and_not_gone_on_with(damaged: Cloud) -> None:
    older = (damaged.console.data / "state.db").read_bytes()
    damaged.console.start()
    try:
        damaged.api("POST", "/api/v1/workloads", {"type": "redis", "name": "another"})
        damaged.api("GET", "/api/v1/workloads/another/history")  # answered behind what the history was told
        damaged.console.kill()
        log = damaged.console.data / "state.db-wal"
        kept = log.read_bytes()
        log.unlink()
        expect_refusal(damaged, "history.db has seen change", "state.db")
        log.write_bytes(kept)
        damaged.console.start()
        assert sorted(damaged.api.names()) == ["another", "cache"]
        damaged.console.stop()
        (damaged.console.data / "state.db").write_bytes(older)
        expect_refusal(damaged, "history.db has seen change", "state.db")
        (damaged.console.data / "history.db").unlink()
        damaged.console.start()
        assert damaged.api.names() == ["cache"]
    finally:
        damaged.console.kill()


def test_a_key_without_a_store_begins_a_new_console_and_says_so(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    cloud.console.data.mkdir(parents=True)
    key = cloud.console.data / "master.key"
    key.write_text("ab" * 32 + "\n")
    cloud.start()
    try:
        assert "a new console begins under that key" in cloud.console.log.read_text()
        assert key.read_text() == "ab" * 32 + "\n"
    finally:
        cloud.kill()


HARMLESS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "history.db is noise": ("history.db", noise),
    "history.db was cut": ("history.db", cut),
    "history.db is a folder": ("history.db", folder_instead),
    "history.db is gone": ("history.db", Path.unlink),
    "ca.pem is gone": ("ca.pem", Path.unlink),
    "ca.pem is noise": ("ca.pem", noise),
    "admin-password is gone": ("admin-password", Path.unlink),
    "policies are gone": ("policies", shutil.rmtree),
    "the policy is noise": ("policies/placement.lua", noise),
    "the policy is a folder": ("policies/placement.lua", folder_instead),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_can_be_done_without_does_not_keep_the_console_from_starting(damaged: Cloud, what: str) -> None:
    name, hurt = HARMLESS[what]
    authority = damaged.console.authority.read_bytes()
    hurt(damaged.console.data / name)
    damaged.console.authority.unlink(missing_ok=True)
    damaged.console.start()
    assert damaged.api.names() == ["cache"]
    assert damaged.api("GET", "/api/v1/workloads/cache/history")["items"] is not None
    assert damaged.console.authority.read_bytes() == authority
    damaged.console.stop()
    if name == "history.db" and hurt is not Path.unlink:
        assert list(damaged.console.data.glob("history.db.damaged-*")), "the old history is kept"


# ---- the agent's folder

@pytest.fixture
def node(cloud: Cloud) -> Agent:
    """An agent that was stopped after it had joined."""
    cloud.agents[0].stop()
    return cloud.agents[0]


def start_failing(agent: Agent) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "lattice-agent", "--data-dir", agent.data, "--console", f"{agent.host}:{agent.console.port}", "--docker-host",
                           agent.engine.host], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


IDENTITY: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "node.key is noise": ("node.key", noise, "the certificate's key"),
    "node.key is gone": ("node.key", Path.unlink, "node.key is missing"),
    "node.crt is noise": ("node.crt", noise, "certificate cannot be read"),
    "node.crt was cut": ("node.crt", cut, "certificate cannot be read"),
    "authority.crt is noise": ("authority.crt", noise, "the certificate authority"),
}


def test_an_agent_says_what_of_its_identity_is_damaged(cloud: Cloud, node: Agent) -> None:
    sound = node.data.with_name("sound")
    shutil.copytree(node.data, sound)
    for what, (name, hurt, sentence) in IDENTITY.items():
        hurt(node.data / name)
        done = start_failing(node)
        told = [line for line in done.stderr.splitlines() if line.startswith("lattice-agent: ") and sentence in line]
        assert done.returncode != 0 and told, (what, done.returncode, done.stderr)
        assert hurt is not Path.unlink or not (node.data / name).exists(), f"{what}: it was made anew"
        shutil.rmtree(node.data)
        shutil.copytree(sound, node.data)
    node.start()
    cloud.wait_node("node-1")


def test_two_agents_do_not_share_a_folder(cloud: Cloud) -> None:
    done = start_failing(cloud.agents[0])
    assert done.returncode == 6 and "Another agent uses" in done.stderr


def test_a_journal_that_is_garbage_loses_no_container(cloud: Cloud, engine: Engine) -> None:
    cloud.api.deploy("redis", "cache")
    before = [each["Id"] for each in engine.containers()]
    agent = cloud.agents[0]
    agent.stop()
    journals = list((agent.data / "allocations").glob("*.json"))
    assert journals
    noise(journals[0])
    (agent.data / "allocations" / "nonsense.json").write_text("[]")
    agent.start()
    cloud.wait_node("node-1")
    cloud.api.wait("cache", "running")
    wait_until(lambda: [each["Id"] for each in engine.containers()] == before, "the container is the same")
    cloud.remove_all()
