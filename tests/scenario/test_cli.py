"""A user's day with `lattice`: each command against a real console, a real node and a real engine."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from support.bed import Bed
from support.cloud import BIN, Cloud
from support.waiting import PATIENCE_S, wait_until


@pytest.fixture
def day(module_cloud: Cloud, bed: Bed) -> Iterator[Cloud]:
    bed.registry.ensure("web", "redis")
    yield module_cloud
    module_cloud.clear_up()


WEB = ("deploy", "custom", "web", "--image", "lattice-test/web:1", "--port", "80/http", "--health", "http:/")


def answer_of(cloud: Cloud, *words: str, **options: Any) -> Any:
    return json.loads(cloud.cli(*words, "--json", **options).stdout)


def problem_of(cloud: Cloud, *words: str, status: int) -> dict[str, Any]:
    done = cloud.cli(*words, "--json", check=False)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    return json.loads(done.stderr.splitlines()[-1])


def test_a_deploy_of_what_ends_at_once_says_so_with_its_last_words(day: Cloud) -> None:
    for status in ("0", "3"):
        done = day.cli("deploy", "custom", f"job-{status}", "--image", "redis:7", "--entrypoint", "/bin/sh", "--",
                       "-c", f"echo my last words; exit {status}", check=False)
        assert done.returncode == 1 and done.stdout == "", done
        assert f"ended by itself with status {status}" in done.stderr
        assert "my last words" in done.stderr


def test_login_and_logout(day: Cloud, tmp_path: Any) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LATTICE_")} | {"XDG_CONFIG_HOME": str(tmp_path)}

    def lattice(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([BIN / "lattice", *words], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    login = ("login", day.console.url, "--user", "admin", "--password-file", str(day.console.data / "admin-password"))
    assert lattice("ps").returncode == 4
    assert lattice(*login).returncode == 8
    assert lattice(*login, "--cacert", str(day.console.authority)).returncode == 0
    tokens = json.loads(lattice("token", "ls", "--json").stdout)
    assert lattice(*login).returncode == 0, "the authority of the login is kept"
    assert len(json.loads(lattice("token", "ls", "--json").stdout)) == len(tokens), "a new login takes the old token back"
    shown = {row["name"]: row for row in json.loads(lattice("config", "show", "--json").stdout)}
    assert shown["addr"]["value"] == day.console.url
    assert shown["addr"]["origin"].startswith("file ")
    assert shown["token"]["value"] == "(set)"
    token = json.loads((tmp_path / "lattice" / "config.json").read_text())["token"]
    assert lattice("logout").returncode == 0
    assert lattice("ps", "--addr", day.console.url, "--cacert", str(day.console.authority), "--token", token).returncode == 4


def test_deploy_until_it_answers_and_everything_after(day: Cloud) -> None:
    done = day.cli(*WEB, "--env", "A=b", "--memory", "64m", "--cpu", "0.5", "--volume", "data:/data")
    url = done.stdout.strip()
    assert requests.get(url, verify=str(day.console.authority), timeout=PATIENCE_S).status_code == 200
    assert "web: starting" in done.stderr

    shown = answer_of(day, "show", "web")
    assert (shown["status"], shown["count"], shown["memory_bytes"], shown["cpu_milli"]) == ("running", 1, 64 << 20, 500)
    assert shown["endpoints"][0]["url"] == url
    assert shown["spec"]["params"]["env"] == {"A": "b"}
    wait_until(lambda: answer_of(day, "ps") == [answer_of(day, "show", "web")], "both say the same")
    assert "running" in day.cli("ps").stdout
    assert url in day.cli("show", "web").stdout
    assert "node-1" in day.cli("explain", "web").stdout
    assert answer_of(day, "stats", "web")["memory_bytes"] > 0

    assert day.cli("stop", "web").stdout == "web\n"
    assert answer_of(day, "show", "web")["status"] == "stopped"
    assert day.cli("start", "web").stdout == "web\n"
    assert day.cli("restart", "web").stdout == "web\n"
    assert requests.get(url, verify=str(day.console.authority), timeout=PATIENCE_S).status_code == 200

    assert answer_of(day, "scale", "web", "2")["count"] == 2
    assert problem_of(day, "scale", "web", "1", status=2)["hint"] == "Say that it may: --yes"
    assert answer_of(day, "scale", "web", "1", "--yes")["status"] == "running"
    assert answer_of(day, "rm", "web")["status"] == "removed"
    assert answer_of(day, "ps") == []


def test_logs_are_followed(day: Cloud) -> None:
    day.cli("deploy", "custom", "talk", "--image", "redis:7", "--entrypoint", "/bin/sh", "--", "-c",
            "echo first; echo second; while sleep 0.2; do echo more; done")
    wait_until(lambda: "more" in day.cli("logs", "talk").stdout, "it has written")
    assert day.cli("logs", "talk").stdout.startswith("first\nsecond\n")
    assert len(day.cli("logs", "talk", "--tail", "1").stdout.splitlines()) == 1
    assert day.cli("logs", "talk", "--timestamps").stdout.startswith("20")
    token = str(day.api.session.headers["Authorization"]).removeprefix("Bearer ")
    following = subprocess.Popen([BIN / "lattice", "logs", "-f", "--tail", "1", "talk", "--addr", day.console.url,
                                  "--cacert", str(day.console.authority), "--token", token], stdout=subprocess.PIPE)
    assert following.stdout
    for _ in range(3):
        assert following.stdout.readline() == b"more\n"
    following.send_signal(signal.SIGINT)
    assert following.wait(timeout=PATIENCE_S) == 130


def test_a_deploy_waits_over_a_console_that_is_killed(day: Cloud) -> None:
    token = str(day.api.session.headers["Authorization"]).removeprefix("Bearer ")
    deploying = subprocess.Popen(
        [BIN / "lattice", "deploy", "custom", "slow", "--image", "redis:7", "--entrypoint", "/bin/sh", "--health",
         "exec:test -e /tmp/ready", "--json", "--addr", day.console.url, "--cacert", str(day.console.authority), "--token", token,
         "--", "-c", "sleep 4; touch /tmp/ready; sleep 1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: "slow" in day.api.names(), "it is accepted")
    day.console.kill()
    day.console.start()
    out, err = deploying.communicate(timeout=PATIENCE_S)
    assert deploying.returncode == 0, err
    assert json.loads(out)["status"] == "running"


def test_what_cannot_run_says_why(day: Cloud) -> None:
    assert problem_of(day, "deploy", "custom", "no", "--image", "nothing.invalid/here:1", status=1)["code"] == "failed"
    assert problem_of(day, *WEB[:2], "no", *WEB[3:], status=6)["code"] == "name_taken"
    assert problem_of(day, "deploy", "postgress", "db", status=2)["code"] == "unknown_type"
    assert problem_of(day, "deploy", "custom", "x", "--param", "privileged=true", "--image", "y", status=2)["code"] == "not_allowed"
    assert problem_of(day, "show", "gone", status=5)["code"] == "not_found"


def test_nodes_and_people(day: Cloud) -> None:
    assert [node["name"] for node in answer_of(day, "node", "ls")] == ["node-1"]
    assert answer_of(day, "node", "show", "node-1")["status"] == "ready"
    token = answer_of(day, "node", "join-token", "--uses", "2", "--life", "1h")
    assert token["command"] == f"lattice-agent --console 127.0.0.1:{day.console.port} --join-token {token['token']}"
    assert day.cli("node", "join-token").stdout.startswith("latj1.")
    day.cli("user", "create", "bob", "--password-file", "-", input="long enough\n")
    assert "bob" in day.cli("user", "ls").stdout
    made = answer_of(day, "token", "create", "ci", "--life", "1h")
    assert day.cli("ps", token=made["token"]).returncode == 0
    day.cli("token", "rm", made["id"])
    assert day.cli("ps", token=made["token"], check=False).returncode == 4
    assert "placement" in day.cli("policy", "ls").stdout
    assert answer_of(day, "version")["console"]["version"] == answer_of(day, "version")["version"]


def test_help_knows_the_types_of_the_console(day: Cloud) -> None:
    assert "maxmemory" in day.cli("help", "deploy", "redis").stdout
    assert "postgres" in day.cli("help", "deploy").stdout
