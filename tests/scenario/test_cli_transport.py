"""What `lattice` does with a console that is slow, broken, false or gone in the middle: against a scripted server."""

import json
import os
import pty
import select
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.cloud import BIN
from support.scripted import Authority, Call
from support.waiting import PATIENCE_S, wait_until

WORKLOAD = {"id": "w1", "name": "web", "status": "running", "reason": "", "allocations": [], "endpoints": [], "volumes": []}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "mine")


class Cli:
    """`lattice` with a configuration folder of its own."""

    def __init__(self, home: Path):
        self.home = home
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("LATTICE_")}
        self.environment |= {"XDG_CONFIG_HOME": str(home), "NO_COLOR": "1", "TERM": "xterm"}

    def trust(self, url: str, authority: Authority) -> "Cli":
        self.environment |= {"LATTICE_ADDR": url, "LATTICE_CACERT": str(authority.pem), "LATTICE_TOKEN": "lat_1"}
        return self

    def __call__(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([BIN / "lattice", *words], env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S,
                              check=False, **options)

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen([BIN / "lattice", *words], env=self.environment, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "config")


def console(call: Call) -> None:
    """Lets in whoever knows the password."""
    if call.target == "/api/v1/version":
        call.answer(200, {"version": "1"})
    elif call.target == "/api/v1/login":
        if call.body["password"] == "secret":
            call.answer(200, {"token": "access", "user": call.body["user"], "role": "admin"})
        else:
            call.problem(401, "unauthenticated", "The user name or the password is wrong.")
    elif call.target == "/api/v1/tokens":
        call.answer(201, {"id": "t1", "token": "lat_2", "expires_at": "2027-01-02T03:04:05.000Z"})
    else:
        call.problem(404, "not_found", "There is no such thing.")


def test_login_keeps_a_token_that_only_the_user_can_read(cli: Cli, authority: Authority) -> None:
    with authority.serve(console) as server:
        done = cli("login", server.url, "--user", "me", "--password-file", "-", "--cacert", authority.pem, input="secret\n")
        assert done.returncode == 0, done.stderr
        assert len({call.peer for call in server.calls}) == 1, "one connection is enough"
    kept = cli.home / "lattice" / "config.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    login = json.loads(kept.read_text())
    assert (login["addr"], login["token"], login["authority"]) == (server.url, "lat_2", authority.pem.read_text())
    assert "secret" not in kept.read_text()


def test_a_login_is_used_afterwards_without_any_flag(cli: Cli, authority: Authority) -> None:
    def script(call: Call) -> None:
        if call.target.startswith("/api/v1/workloads"):
            assert call.headers["Authorization"] == "Bearer lat_2"
            call.answer(200, {"items": []})
        else:
            console(call)

    with authority.serve(script) as server:
        cli("login", server.url, "--password-file", "-", "--trust-fingerprint", authority.fingerprint(), input="secret\n")
        done = cli("ps", "--json")
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize("flags", [[], ["--trust-fingerprint", "ab" * 32]])
def test_no_password_goes_to_a_console_that_is_not_trusted(cli: Cli, authority: Authority, flags: list[str]) -> None:
    with authority.serve(console) as server:
        done = cli("login", server.url, "--password-file", "-", *flags, input="secret\n")
        assert done.returncode == 8
        assert "fingerprint" in done.stderr
        assert server.calls == []


def test_a_certificate_for_another_name_is_refused(cli: Cli, tmp_path: Path) -> None:
    other = Authority(tmp_path / "pki", "DNS:elsewhere.example")
    with other.serve(console) as server:
        assert cli.trust(server.url, other)("ps").returncode == 8
        assert server.calls == []


def test_a_token_is_read_from_a_file(cli: Cli, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("lat_file\n")
    with authority.serve(lambda call: call.answer(200, {"items": []})) as server:
        cli.trust(server.url, authority).environment.pop("LATTICE_TOKEN")
        cli.environment["LATTICE_TOKEN_FILE"] = str(tmp_path / "token")
        assert cli("ps").returncode == 0
        assert server.calls[0].headers["Authorization"] == "Bearer lat_file"


def test_a_deploy_whose_answer_is_lost_happens_once(cli: Cli, authority: Authority) -> None:
    seen: set[str] = set()

    def script(call: Call) -> None:
        if call.method == "GET":
            call.answer(200, WORKLOAD)
        elif not seen:
            seen.add(call.headers["Idempotency-Key"])
            call.hang_up()
        else:
            seen.add(call.headers["Idempotency-Key"])
            call.answer(201, WORKLOAD | {"status": "pending"})

    with authority.serve(script) as server:
        done = cli.trust(server.url, authority)("deploy", "custom", "web", "--image", "x", "--json")
    assert done.returncode == 0, done.stderr
    assert server.targets() == ["POST /api/v1/workloads"] * 2 + ["GET /api/v1/workloads/w1"]
    assert len(seen) == 1, "the same key each time"


def test_a_list_of_megabytes_comes_whole(cli: Cli, authority: Authority) -> None:
    items = [WORKLOAD | {"name": f"w{i}", "reason": "x" * 1000} for i in range(6000)]
    with authority.serve(lambda call: call.answer(200, {"items": items})) as server:
        done = cli.trust(server.url, authority)("ps", "--json")
    assert json.loads(done.stdout) == items


def test_nulls_are_kept(cli: Cli, authority: Authority) -> None:
    shown = WORKLOAD | {"endpoints": [{"name": "pg", "port": None, "url": None}]}
    with authority.serve(lambda call: call.answer(200, shown)) as server:
        assert json.loads(cli.trust(server.url, authority)("show", "web", "--json").stdout) == shown


@pytest.mark.parametrize(("script", "code", "status"), [
    (lambda call: call.problem(404, "not_found", "There is no workload 'web'."), "not_found", 5),
    (lambda call: call.problem(503, "no_such_code_yet", "Something new."), "no_such_code_yet", 1),
    (lambda call: call.answer(200, b"<html>", "text/html"), "protocol", 1),
    (lambda call: call.answer(404, b"<html>", "text/html"), "protocol", 1),
    (lambda call: call.answer(503, b"", "text/html"), "unavailable", 7),
    (lambda call: call.hang_up(), "closed", 7),
    (lambda call: call.handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol", 1),
])
def test_what_a_console_does_wrong_is_told(cli: Cli, authority: Authority, script: Callable[[Call], None], code: str,
                                           status: int) -> None:
    with authority.serve(script) as server:
        done = cli.trust(server.url, authority)("show", "web", "--json")
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert json.loads(done.stderr.splitlines()[-1])["code"] == code


def test_logs_come_as_they_are_written(cli: Cli, authority: Authority) -> None:
    pieces: list[Callable[[bytes], None]] = []
    ended = []

    def script(call: Call) -> None:
        send = call.begin_chunks()
        pieces.append(send)
        wait_until(lambda: ended, "the test is over")
        send(b"")

    with authority.serve(script) as server:
        following = cli.trust(server.url, authority).start("logs", "-f", "web")
        wait_until(lambda: pieces, "it follows")
        assert following.stdout
        for line in (b"one\n", b"\xff\x00two\n"):
            pieces[0](line)
            assert os.read(following.stdout.fileno(), 100) == line
        ended.append(True)
        assert following.wait(timeout=PATIENCE_S) == 0


def test_a_reader_that_goes_away_ends_it_without_a_word(cli: Cli, authority: Authority) -> None:
    def script(call: Call) -> None:
        send = call.begin_chunks()
        for _ in range(2000):
            send(b"line\n" * 1000)

    with authority.serve(script) as server:
        following = cli.trust(server.url, authority).start("logs", "-f", "web")
        assert following.stdout and following.stderr
        following.stdout.read(10)
        following.stdout.close()
        assert following.wait(timeout=PATIENCE_S) == 141
        assert following.stderr.read() == ""


def test_ctrl_c_ends_a_wait_at_once(cli: Cli, authority: Authority) -> None:
    with authority.serve(lambda call: time.sleep(30)) as server:
        hanging = cli.trust(server.url, authority).start("ps")
        wait_until(lambda: server.calls, "it asks")
        hanging.send_signal(signal.SIGINT)
        assert hanging.wait(timeout=PATIENCE_S) == 130  # the answer would take longer


def test_a_password_is_not_shown_and_ctrl_c_gives_the_terminal_back(cli: Cli, authority: Authority) -> None:
    with authority.serve(console) as server:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BIN / "lattice", ["lattice", "login", server.url, "--user", "me", "--cacert", str(authority.pem)], cli.environment)
        shown = b""
        while b"Password of me: " not in shown:
            assert select.select([terminal], [], [], PATIENCE_S)[0], f"no question: {shown!r}"
            shown += os.read(terminal, 1000)
        os.write(terminal, b"half a pass")
        time.sleep(0.3)
        os.write(terminal, b"\x03")
        try:
            while piece := os.read(terminal, 1000):
                shown += piece
        except OSError:
            pass  # its side is closed
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert b"half" not in shown
    assert server.targets() == ["GET /api/v1/version"]
