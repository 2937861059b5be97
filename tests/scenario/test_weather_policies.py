"""Bad weather in policies: files that refuse everything, do not load, never end, or vanish. A decision is made all the same, and says by whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cloud import Cloud
from support.waiting import wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
REFUSE_ALL = 'function filter(node, workload) return false, "is closed on Saturdays" end\n'
BROKEN = "function filter(node, workload)\n  return true\n-- no end\n"
ENDLESS = "function filter(node, workload) while workload.name == 'endless' do end return true end\nfunction score(node, workload) return 1 end\n"
NO_NUMBER = "function score(node, workload) return 'best' end\n"


def file_of(cloud: Cloud) -> Path:
    return cloud.console.data / "policies" / "placement.lua"


def policy(cloud: Cloud) -> dict[str, Any]:
    return next(each for each in cloud.api("GET", "/api/v1/policies")["items"] if each["name"] == "placement")


def save(cloud: Cloud, text: str) -> None:
    """As editors do it: a new file, put in the place of the old one."""
    file = file_of(cloud)
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)


def accepted(cloud: Cloud, text: str) -> None:
    before = policy(cloud)["revision"]
    save(cloud, text)
    wait_until(lambda: policy(cloud)["revision"] > before and not policy(cloud)["refused"], "the new text is in force")


def refused(cloud: Cloud, text: str) -> str:
    before = policy(cloud)
    save(cloud, text)
    reason = wait_until(lambda: (now := policy(cloud)["refused"]) != before["refused"] and now, "the text is refused")
    assert policy(cloud)["revision"] == before["revision"], "what was in force stays"
    return reason


@pytest.fixture(autouse=True)
def the_shipped_policy_again(weather: Cloud) -> Iterator[None]:
    shipped = file_of(weather).read_text()
    yield
    if not weather.console.runs():
        weather.console.start()
    save(weather, shipped)
    wait_until(lambda: policy(weather)["source"] == shipped and not policy(weather)["refused"], "the shipped policy is in force")


def test_a_policy_that_refuses_everything_says_so_until_it_is_saved_again(weather: Cloud) -> None:
    shipped = file_of(weather).read_text()
    weather.api.deploy("custom", "before", params=WEB)
    accepted(weather, REFUSE_ALL)
    weather.api.deploy("custom", "web", wait=False, params=WEB)
    pending = weather.api.wait("web", "pending")
    wait_until(lambda: "is closed on Saturdays" in weather.api.show("web")["reason"], "it says what the policy said")
    assert "node-1" in weather.api.show("web")["reason"] or pending
    weather.console.kill()
    weather.console.start()
    weather.wait_node("node-1")
    assert weather.api.show("web")["status"] == "pending", "the changed policy outlives the console"
    assert weather.api.wait("before", "running")["status"] == "running"
    accepted(weather, shipped)
    weather.api.wait("web", "running")
    evaluations = weather.api("GET", "/api/v1/workloads/web/evaluations")["items"]
    assert {each["status"] for each in evaluations} == {"blocked", "done"}
    assert any("Saturdays" in str(each) for each in evaluations)


def test_a_broken_file_leaves_the_last_good_one_in_force(weather: Cloud) -> None:
    accepted(weather, REFUSE_ALL + "-- the last good one\n")
    reason = refused(weather, BROKEN)
    assert "placement" in reason and ":4:" in reason, f"the reason names file and line: {reason}"
    weather.api.deploy("custom", "web", wait=False, params=WEB)
    wait_until(lambda: "Saturdays" in weather.api.show("web")["reason"], "the last good one decides")
    logged = [line for line in weather.console.lines() if "policy refused" in line["message"]]
    assert logged and reason in str(logged[-1])
    # The same after a restart, with the broken file still there.
    weather.console.kill()
    weather.console.start()
    weather.wait_node("node-1")
    assert policy(weather)["refused"] == reason
    weather.api.deploy("custom", "other", wait=False, params=WEB)
    wait_until(lambda: "Saturdays" in weather.api.show("other")["reason"], "the last good one still decides")
    # And without any file.
    file_of(weather).unlink()
    weather.console.kill()
    weather.console.start()
    weather.wait_node("node-1")
    assert "the last good one" in policy(weather)["source"]


def test_a_policy_that_never_ends_is_decided_without(weather: Cloud) -> None:
    accepted(weather, ENDLESS)
    weather.api.deploy("custom", "endless", wait=False, params=WEB)
    answered = 0
    while weather.api.show("endless")["status"] != "running":
        assert weather.api.ask("GET", "/healthz").status_code == 200
        answered += 1
    assert answered >= 5, "the console answers while a policy hangs"
    done = weather.api("GET", "/api/v1/workloads/endless/evaluations")["items"][-1]
    assert "built-in" in str(done), done
    assert weather.metric("lattice_placement_fallbacks_total") >= 1
    weather.api.deploy("postgres", "db", wait=False)  # plugins have a process of their own
    weather.api.remove("db")


def test_a_policy_that_answers_nonsense_is_decided_without(weather: Cloud) -> None:
    save(weather, NO_NUMBER)
    wait_until(lambda: policy(weather)["source"] == NO_NUMBER or policy(weather)["refused"], "it is looked at")
    weather.api.deploy("custom", "web", params=WEB)


def test_the_lua_processes_are_killed_and_come_back(weather: Cloud) -> None:
    weather.api.deploy("custom", "one", params=WEB)
    for child in weather.console.children("lua-host"):
        child.kill()
    weather.api.deploy("custom", "two", params=WEB)
    wait_until(lambda: len(weather.console.children("lua-host")) == 3, "they are three again: placement, the other policies, plugins")


def test_a_policy_sees_what_users_say_of_their_workloads(weather: Cloud) -> None:
    accepted(weather, 'function filter(node, workload) return workload.labels.tier == "front", "is for the front only" end\n')
    shown = weather.api.deploy("custom", "labelled", params=WEB, labels={"tier": "front"})
    assert shown["status"] == "running"
    weather.api("POST", "/api/v1/workloads", {"type": "custom", "name": "plain", "params": WEB})
    wait_until(lambda: "is for the front only" in weather.api("GET", "/api/v1/workloads/plain")["reason"], "a workload without the label waits")
    weather.remove_all()
