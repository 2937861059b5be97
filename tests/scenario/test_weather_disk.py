"""Bad weather on the disks of console and agent: full, and then not full any more. Nothing that was acknowledged is lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from support.bed import Bed
from support.cloud import ApiProblem, Cloud
from support.command import CommandFailed, run
from support.engine import Engine
from support.waiting import PATIENCE_S, wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
E2FSCK_CORRECTED = 1  # its status when it has mended what it found


class SmallDisk:
    """A file system of its own in a folder, which a test can fill."""

    def __init__(self, folder: Path, size: str):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder)
        self.filler = folder / "filler"

    def fill(self) -> None:
        with self.filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        run("umount", "-l", self.folder, check=False)


class BrokenDisk:
    """An ext4 of its own in a folder, which can be made to find an error in itself: then it is read-only until it was checked, and
    programs keep the files that they have open."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.image = folder.with_name("image")
        folder.mkdir(parents=True, exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(32 << 20)
        run("mkfs.ext4", "-q", self.image)
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop,errors=remount-ro", self.image, self.folder)

    def fail(self) -> None:
        device = Path(run("findmnt", "-no", "SOURCE", self.folder).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def mend(self) -> None:
        """Checks a copy of it. A program that moved to a namespace of mounts of its own meanwhile, as every container does when it
        starts, whosever it is, still has the file system mounted there: to mount the same image once more would give that one back,
        read-only for good."""
        run("umount", self.folder)
        failed, self.image = self.image, self.image.with_name("image-mended")
        shutil.copyfile(failed, self.image)
        try:
            run("e2fsck", "-fy", self.image)
        except CommandFailed as error:
            if error.status != E2FSCK_CORRECTED:
                raise
        self.mount()

    def unmount(self) -> None:
        run("umount", "-l", self.folder, check=False)


@pytest.fixture
def disks(engine: Engine, bed: Bed, tmp_path: Path) -> Iterator[tuple[Cloud, SmallDisk, SmallDisk]]:
    """A cloud whose console and agent have a small disk each."""
    bed.registry.ensure("web")
    made = Cloud(tmp_path)
    console, agent = SmallDisk(tmp_path / "console", "24m"), SmallDisk(tmp_path / "agent-node-1", "4m")
    try:
        made.start()
        made.join(engine)
        yield made, console, agent
        console.free()
        agent.free()
        made.console.wait_ready()
        made.clear_up()
        made.stop()
    finally:
        made.kill()
        console.unmount()
        agent.unmount()


def test_a_console_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(disks: tuple[Cloud, SmallDisk, SmallDisk]) -> None:
    cloud, disk, _ = disks
    url = cloud.api.deploy("custom", "before", params=WEB)["endpoints"][0]["url"]
    disk.fill()
    accepted, unsure = [], []

    def is_refused() -> ApiProblem | None:  # what the journal holds already may take a few more
        name = f"full-{len(accepted) + len(unsure)}"
        try:
            cloud.api.deploy("custom", name, wait=False, params=WEB)
            accepted.append(name)
        except ApiProblem as problem:
            if problem.status != 504:
                return problem
            assert "not known" in str(problem) and "space" in str(problem), problem  # the one that was on its way
            unsure.append(name)
        return None

    problem = wait_until(is_refused, "a deploy is refused")
    assert problem.status in (503, 507) and problem.problem["hint"], problem
    assert "space" in str(problem) or "disk" in str(problem).lower(), problem
    # What there is goes on, and is shown.
    assert requests.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S).ok
    assert cloud.api.ask("GET", "/healthz").status_code == 200
    assert set(cloud.api.names()) - set(unsure) == {"before", *accepted}
    with pytest.raises(ApiProblem) as refused:
        cloud.api("POST", "/api/v1/workloads/before/stop")
    assert refused.value.status in (503, 507), refused.value
    disk.free()

    def is_accepted() -> bool:
        return cloud.api.ask("POST", "/api/v1/workloads", {"type": "custom", "name": "after", "params": WEB}).status_code in (201, 409)

    wait_until(is_accepted, "a deploy is accepted again, by itself")
    assert cloud.api.ask("GET", "/readyz").status_code == 200
    for name in ["before", "after", *accepted]:
        cloud.api.wait(name, "running")
    cloud.console.kill()
    cloud.console.start()
    cloud.wait_node("node-1")
    assert set(cloud.api.names()) - set(unsure) == {"before", "after", *accepted}, "what was acknowledged is there, and nothing else"


def test_an_agent_whose_disk_is_full_runs_containers_all_the_same(disks: tuple[Cloud, SmallDisk, SmallDisk]) -> None:
    cloud, _, disk = disks
    disk.fill()
    cloud.api.deploy("custom", "web", params=WEB)
    cloud.agents[0].kill()
    cloud.agents[0].start()
    cloud.wait_node("node-1")
    cloud.api.wait("web", "running")
    assert len(cloud.containers()) == 1
    disk.free()
    cloud.api("POST", "/api/v1/workloads/web/restart")
    cloud.api.wait("web", "running")
    assert any("journal could not be written" in line["message"] for line in cloud.agents[0].lines())


@pytest.mark.parametrize("file", ["state.db", "master.key"])
def test_a_console_that_cannot_read_its_files_says_which_and_does_not_start(disks: tuple[Cloud, SmallDisk, SmallDisk], file: str) -> None:
    cloud, disk, _ = disks
    cloud.console.stop()
    kept = (disk.folder / file).read_bytes()
    (disk.folder / file).write_bytes(b"\x00not what it was" * 100)
    with pytest.raises(AssertionError, match="the console ended"):
        cloud.console.start()
    said = cloud.console.tail()
    assert file in said, said
    assert cloud.console.process and cloud.console.process.returncode not in (0, 99, -6, -11), said
    (disk.folder / file).write_bytes(kept)
    cloud.console.start()
    cloud.wait_node("node-1")


@pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no loop devices on this machine")
def test_a_console_whose_disk_became_read_only_says_so_and_loses_nothing(tmp_path: Path) -> None:
    cloud, disk = Cloud(tmp_path), BrokenDisk(tmp_path / "console")
    try:
        cloud.start()
        acknowledged = [cloud.api("POST", "/api/v1/tokens", {"name": f"before-{i}"})["id"] for i in range(20)]
        disk.fail()
        for _ in range(3):
            answer = cloud.api.ask("POST", "/api/v1/tokens", {"name": "refused"})
            assert answer.status_code in (503, 504, 507), answer.text
            assert "ead-only" in answer.text and answer.json()["hint"], answer.text
            assert {each["id"] for each in cloud.api("GET", "/api/v1/tokens?limit=500")["items"]} >= set(acknowledged)
        assert cloud.api.ask("GET", "/healthz").status_code == 200
        cloud.console.stop()
        with pytest.raises(AssertionError, match="the console ended"):
            cloud.console.start()
        assert "ead-only" in cloud.console.tail()
        disk.mend()
        cloud.console.start()
        shown = {each["id"] for each in cloud.api("GET", "/api/v1/tokens?limit=500")["items"]}
        assert shown >= set(acknowledged)
        cloud.api("POST", "/api/v1/tokens", {"name": "after"})
        cloud.stop()
    finally:
        cloud.kill()
        disk.unmount()
