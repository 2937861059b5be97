"""Policies as their author meets them: saved, applied, refused, taken back, by the API, the commands and the folder."""

import itertools
import json
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from support.cloud import ApiProblem, Cloud
from support.waiting import wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
REFUSE_ALL = 'function filter(node, workload) return false, "is closed on Saturdays" end\n'
BROKEN = "function filter(node, workload)\n  return node.fre_cpu > 0\nend\n"


def file_of(cloud: Cloud, name: str = "placement") -> Path:
    return cloud.console.data / "policies" / f"{name}.lua"


def shown(cloud: Cloud, name: str = "placement") -> dict[str, Any]:
    return cloud.api("GET", f"/api/v1/policies/{name}")


def apply(cloud: Cloud, source: str, name: str = "placement", **body: Any) -> dict[str, Any]:
    return cloud.api("PUT", f"/api/v1/policies/{name}", {"source": source, **body})


def cli(cloud: Cloud, *words: str) -> subprocess.CompletedProcess[str]:
    return cloud.cli("policy", *words, check=False)


@pytest.fixture(autouse=True)
def the_shipped_policies_again(weather: Cloud) -> Any:
    shipped = {each["name"]: each["source"] for each in weather.api("GET", "/api/v1/policies")["items"]}
    yield
    if not weather.console.runs():
        weather.console.start()
    for name, source in shipped.items():
        apply(weather, source, name)
    weather.remove_all()


def test_what_is_applied_decides_next_and_stands_in_the_folder(weather: Cloud) -> None:
    answer = apply(weather, REFUSE_ALL)
    assert answer["in_force"] and answer["author"].endswith("/test") and answer["origin"] == "api"
    weather.api("POST", "/api/v1/workloads", {"type": "custom", "name": "web", "params": WEB})
    wait_until(lambda: "Saturdays" in weather.api.show("web")["reason"], "it decides")
    wait_until(lambda: file_of(weather).read_text() == REFUSE_ALL, "the folder follows")
    back = weather.api("POST", "/api/v1/policies/placement/rollback", {})
    assert back["revision"] < answer["revision"] and back["newest"] == answer["revision"]
    weather.api.wait("web", "running")
    wait_until(lambda: file_of(weather).read_text() == back["source"], "the folder follows back")
    evaluations = weather.api("GET", "/api/v1/workloads/web/evaluations")["items"]
    assert evaluations[0]["policy"] == f"placement {answer['revision']}" and evaluations[-1]["policy"] == f"placement {back['revision']}"


def test_a_bad_text_is_refused_with_its_line_everywhere(weather: Cloud) -> None:
    before = shown(weather)
    with pytest.raises(ApiProblem) as refused:
        apply(weather, BROKEN)
    assert refused.value.status == 422 and refused.value.problem["line"] == 2 and "free_cpu" in refused.value.problem["detail"]
    draft = weather.console.data / "draft.lua"
    draft.write_text(BROKEN)
    said = cli(weather, "apply", "placement", str(draft))
    assert said.returncode == 1 and "placement.lua:2:" in said.stderr
    file_of(weather).write_text(BROKEN)
    wait_until(lambda: "placement.lua:2:" in shown(weather)["refused"], "the folder's text is refused")
    logged = [line for line in weather.console.lines() if "policy refused" in line["message"]]
    assert {line["author"] for line in logged} >= {"file", before["author"] if "/" in before["author"] else "file"}
    assert shown(weather)["source"] == before["source"] and shown(weather)["revision"] == before["revision"]
    answer = apply(weather, REFUSE_ALL)
    wait_until(lambda: file_of(weather).read_text() == REFUSE_ALL, "the store wins")
    assert answer["refused"] == "" and file_of(weather).with_suffix(".lua.refused").read_text() == BROKEN, "the draft is kept"


def test_versions_outlive_the_console_being_killed(weather: Cloud) -> None:
    revisions = [apply(weather, f"function score() return {number} end\n")["revision"] for number in range(4)]
    weather.console.kill()
    weather.console.start()
    assert shown(weather)["revision"] == revisions[-1]
    assert [each["revision"] for each in weather.api("GET", "/api/v1/policies/placement/versions")["items"]][-4:] == revisions
    weather.api("POST", "/api/v1/policies/placement/rollback", {"revision": revisions[1]})
    weather.console.kill()
    weather.console.start()
    assert shown(weather)["revision"] == revisions[1] and "return 1" in shown(weather)["source"]
    wait_until(lambda: file_of(weather).read_text() == "function score() return 1 end\n", "the folder follows")


def test_the_commands_show_compare_apply_and_go_back(weather: Cloud) -> None:
    mine = weather.console.data / "mine.lua"
    mine.write_text(REFUSE_ALL)
    before = shown(weather)
    listed = cli(weather, "ls")
    assert listed.returncode == 0 and "placement" in listed.stdout
    compared = cli(weather, "diff", "placement", str(mine))
    assert compared.returncode == 0 and '+function filter(node, workload) return false' in compared.stdout
    applied = cli(weather, "apply", "placement", str(mine), "--if-revision", str(before["revision"]))
    assert applied.returncode == 0 and applied.stdout == f"placement: revision {before['newest'] + 1} is in force\n"
    assert cli(weather, "apply", "placement", str(mine), "--if-revision", str(before["revision"])).returncode == 6
    assert cli(weather, "show", "placement", "--source").stdout == REFUSE_ALL
    assert "in force" in cli(weather, "versions", "placement").stdout
    back = cli(weather, "rollback", "placement", "--json")
    assert back.returncode == 0 and json.loads(back.stdout)["source"] == before["source"]
    assert cli(weather, "show", "plaecment").returncode == 5


def test_a_saved_file_decides_within_a_moment(weather: Cloud) -> None:
    """Prints how long it is from saving a file to the first decision by it; the goal is 100 ms."""
    took = []
    for number in range(5):
        revision = shown(weather)["newest"]
        begun = time.monotonic()
        fresh = file_of(weather).with_suffix(".new")
        fresh.write_text(f"function score() return {number} end\n")
        fresh.rename(file_of(weather))
        while shown(weather)["revision"] != revision + 1:
            time.sleep(0.001)
        took.append((time.monotonic() - begun) * 1000)
    print(f"from a saved file to the policy in force: {statistics.median(took):.1f} ms (median of {len(took)})")
    weather.api.deploy("custom", "web", params=WEB)
    assert weather.api("GET", "/api/v1/workloads/web/evaluations")["items"][-1]["policy"] == f"placement {shown(weather)['revision']}"


ONE_EACH = """
function admit(request, project)
    if request.image:find "^lattice%-test/" == nil then return false, "only images of ours" end
    return project.instances + request.count <= 2, ("%s has %d of 2 instances"):format(project.name, project.instances)
end
function test_two_are_enough()
    assert(not admit(request { image = "lattice-test/web:1" }, project { instances = 2 }))
end
"""


def test_what_the_admission_policy_refuses_is_not_deployed(weather: Cloud) -> None:
    revision = apply(weather, ONE_EACH, "admission")["revision"]
    weather.api.deploy("custom", "web", count=2, params=WEB)
    with pytest.raises(ApiProblem) as refused:
        weather.api.deploy("custom", "more", params=WEB)
    assert refused.value.status == 403 and refused.value.code == "not_admitted"
    assert f"'admission' (revision {revision}) refuses it: admin has 2 of 2 instances." in refused.value.problem["detail"]
    said = weather.cli("scale", "web", "3", check=False)
    assert said.returncode == 4 and "2 of 2 instances" not in said.stderr and "0 of 2 instances" in said.stderr
    said = weather.cli("deploy", "custom", "other", "--image", "docker.io/nginx:1", check=False)
    assert said.returncode == 4 and "only images of ours" in said.stderr
    assert weather.api.names() == ["web"]
    weather.cli("policy", "rollback", "admission")
    weather.api.deploy("custom", "more", params=WEB)


def test_an_admission_policy_that_fails_its_own_test_is_refused(weather: Cloud) -> None:
    with pytest.raises(ApiProblem) as refused:
        apply(weather, ONE_EACH.replace("<= 2,", "<= 3,"), "admission")
    assert "admission.lua:7: test_two_are_enough fails" in refused.value.problem["detail"] and refused.value.problem["line"] == 7


ASK = """
function approve(node, token)
    if node.name:find "^bad" then return "reject", "that is no name" end
    return "ask", "every node is looked at"
end
"""


def test_a_node_waits_for_a_person_and_joins_when_approved(weather: Cloud) -> None:
    apply(weather, ASK, "approval")
    late = weather.join(weather.agents[0].engine, "late", wait=False)
    wait_until(lambda: any(each["name"] == "late" for each in weather.api("GET", "/api/v1/nodes")["items"]), "it asks")
    assert weather.node("late")["status"] == "pending" and weather.node("late")["reason"] == "every node is looked at"
    assert "pending" in weather.cli("node", "ls").stdout
    wait_until(lambda: any("waits for an administrator" in str(line) for line in late.lines()), "its agent says what it waits for")
    assert late.runs()
    weather.console.kill()
    weather.console.start()
    assert weather.node("late")["status"] == "pending", "it still waits after the console was killed"
    assert weather.cli("node", "approve", "late").stdout == "late: approved; it connects by itself\n"
    weather.wait_node("late")
    late.stop()
    weather.agents.remove(late)
    weather.api("DELETE", "/api/v1/nodes/late?force=true")


def test_a_node_that_is_rejected_is_told_why_and_gives_up(weather: Cloud) -> None:
    apply(weather, ASK, "approval")
    bad = weather.join(weather.agents[0].engine, "bad-name", wait=False)
    wait_until(lambda: not bad.runs(), "the policy's no is final")
    assert "rejects the node: that is no name" in bad.tail()
    late = weather.join(weather.agents[0].engine, "stranger", wait=False)
    wait_until(lambda: any(each["name"] == "stranger" for each in weather.api("GET", "/api/v1/nodes")["items"]), "it asks")
    weather.cli("node", "reject", "stranger", "--reason", "not one of ours")
    wait_until(lambda: not late.runs(), "a person's no is final")
    assert "rejected by admin: not one of ours" in late.tail()
    del weather.agents[-2:]
    weather.api("DELETE", "/api/v1/nodes/stranger")
    actions = {row["action"] for row in weather.api("GET", "/api/v1/audit?since=1h")["items"]}
    assert {"node.wait", "node.approve", "node.reject", "policy.apply", "policy.rollback"} <= actions


def test_a_console_that_is_killed_while_policies_change_keeps_what_it_answered(weather: Cloud) -> None:
    for strike in range(4):
        acknowledged: list[tuple[int, str]] = []

        def change(stop: threading.Event, strike: int = strike, acknowledged: list[tuple[int, str]] = acknowledged) -> None:
            for number in itertools.count():
                text = f"function score() return {strike * 1000 + number} end\n"
                if stop.is_set():
                    return
                try:
                    acknowledged.append((apply(weather, text)["revision"], text))
                except (requests.RequestException, ApiProblem):
                    return

        stop = threading.Event()
        author = threading.Thread(target=change, args=(stop,))
        author.start()
        wait_until(lambda acknowledged=acknowledged: bool(acknowledged), "one was answered")
        time.sleep(0.05 + 0.13 * strike)
        weather.console.kill()
        stop.set()
        author.join()
        weather.console.start()
        now = shown(weather)
        revision, text = acknowledged[-1]
        assert now["revision"] in (revision, revision + 1), "the last that was answered, or the one that was under way"
        assert now["revision"] > revision or now["source"] == text
        kept = [each["revision"] for each in weather.api("GET", "/api/v1/policies/placement/versions")["items"]]
        assert kept == list(range(kept[0], now["revision"] + 1)), "no version is missing or too many"
        wait_until(lambda now=now: file_of(weather).read_text() == now["source"] == shown(weather)["source"], "folder and store agree")
