"""Bad weather for clients: other people's things, requests sent twice, event streams that break in the middle."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from support.cloud import Api, ApiProblem, Cloud
from support.waiting import PATIENCE_S, wait_until

WEB = {"image": "lattice-test/web:1", "ports": ["80/http"]}
SPEC = {"type": "custom", "name": "web", "params": WEB}
PASSWORD = "correct horse battery"


def user(cloud: Cloud, name: str) -> Api:
    if name not in [each["name"] for each in cloud.api("GET", "/api/v1/users")["items"]]:
        cloud.api("POST", "/api/v1/users", {"name": name, "password": PASSWORD})
    return Api(cloud.console.url, cloud.console.authority).login(name, PASSWORD)


# ---- other people's things


def test_what_belongs_to_others_is_not_there(weather: Cloud) -> None:
    ann, bob = user(weather, "ann"), user(weather, "bob")
    mine = ann.deploy("custom", "web", params=WEB)
    for key in ("web", mine["id"]):
        for method, path, body in [
            ("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"count": 2}), ("POST", "/stop", None), ("POST", "/scale", {"count": 2}),
            ("GET", "/logs", None), ("GET", "/stats", None), ("GET", "/history", None), ("GET", "/evaluations", None),
        ]:
            answer = bob.ask(method, f"/api/v1/workloads/{key}{path}", body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path, answer.text)
    assert bob.names() == []
    bobs = bob.deploy("custom", "web", params=WEB)  # a name is taken in its own project alone
    assert bobs["id"] != mine["id"] and ann.show("web")["id"] == mine["id"]
    assert sorted(weather.api.names()) == ["web", "web"], "an administrator sees everything"
    for path in ("/api/v1/users", "/api/v1/join-tokens"):
        assert bob.ask("GET", path).status_code == 403
    bob.remove("web")
    assert ann.show("web")["status"] == "running"
    ann.remove("web")


# ---- requests sent twice


def post(api: Api, key: str, body: Any, path: str = "/api/v1/workloads") -> requests.Response:
    return api.ask("POST", path, body, headers={"Idempotency-Key": key})


def test_a_repeated_request_is_answered_as_before_and_another_body_refused(weather: Cloud) -> None:
    api = weather.api
    first = post(api, "key-1", SPEC)
    assert first.status_code == 201
    again = post(api, "key-1", SPEC)
    assert (again.status_code, again.json()) == (201, first.json())
    other = post(api, "key-1", SPEC | {"name": "other"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch") and other.json()["hint"]
    assert post(api, "key-1", {"count": 2}, "/api/v1/workloads/web/scale").status_code == 422
    assert post(api, "k" * 256, SPEC).status_code == 422
    # Somebody else's key of that name is another one.
    ann = user(weather, "ann")
    assert post(ann, "key-1", SPEC).json()["id"] != first.json()["id"]
    weather.console.kill()
    weather.console.start()
    after = post(api, "key-1", SPEC)
    assert (after.status_code, after.json()) == (201, first.json()), "it outlives the console"
    # What was refused may be sent again with its key, corrected.
    assert post(api, "key-2", SPEC).status_code == 409
    assert post(api, "key-2", SPEC | {"name": "second"}).status_code == 201
    scaled = post(api, "key-3", {"count": 2}, "/api/v1/workloads/web/scale")
    assert post(api, "key-3", {"count": 2}, "/api/v1/workloads/web/scale").json() == scaled.json()
    ann.remove("web")


def test_the_same_request_many_times_at_once_makes_one_workload(weather: Cloud) -> None:
    answers: list[requests.Response] = []

    def send() -> None:
        api = Api(weather.api.url, weather.api.authority, str(weather.api.session.headers["Authorization"]).removeprefix("Bearer "))
        answers.append(post(api, "storm", SPEC))

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 12, "each waits for the first, and hears the same"
    assert len({answer.json()["id"] for answer in answers}) == 1
    weather.api.wait("web", "running")
    assert len(weather.containers()) == 1


# ---- events


def events(api: Api, after: int | str | None = None) -> Iterator[dict[str, Any]]:
    """Follows the stream; ends when it breaks."""
    headers = {"Last-Event-ID": str(after)} if after is not None else {}
    try:
        with api.session.get(api.url + "/api/v1/events", headers=headers, stream=True, timeout=PATIENCE_S) as answer:
            if answer.status_code != 200:
                raise ApiProblem(answer.status_code, answer.json())
            event: dict[str, Any] = {}
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                if not line and "event" in event:
                    yield event
                    event = {}
                elif line and not line.startswith(":"):
                    field, _, value = line.partition(": ")
                    event[field] = json.loads(value) if field == "data" else value
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout):
        return


class Follower(threading.Thread):
    """What a dashboard does: follows, and when the stream breaks, asks for what comes after the last event it saw."""

    def __init__(self, api: Api):
        super().__init__(daemon=True)
        self.api = Api(api.url, api.authority, str(api.session.headers["Authorization"]).removeprefix("Bearer "))
        self.seen: list[dict[str, Any]] = []
        self.last: str | None = None
        self.connected = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            for event in events(self.api, self.last):
                self.last = event["id"]
                if event["event"] == "hello":
                    self.connected += 1
                else:
                    self.seen.append(event)
                if self.stopped:
                    return

    def indexes(self) -> list[int]:
        return [int(event["id"]) for event in list(self.seen)]


def test_events_go_on_over_a_killed_console_without_gap_or_repeat(weather: Cloud) -> None:
    follower = Follower(weather.api)
    follower.start()
    wait_until(lambda: follower.connected == 1, "the stream begins")
    first = int(follower.last or 0)
    weather.api.deploy("custom", "one", params=WEB)
    weather.console.kill()
    weather.console.start()
    weather.wait_node("node-1")
    weather.api.deploy("custom", "two", params=WEB)
    weather.console.stop()
    weather.console.start()
    weather.wait_node("node-1")
    weather.api.remove("one")

    def over() -> bool:
        return any(event["event"] == "workload.removed" for event in list(follower.seen))

    wait_until(over, "the removal is told")
    follower.stopped = True
    seen = follower.indexes()  # it may yet see one more
    # Who asks for the same stretch in one go sees the same.
    whole = []
    for event in events(weather.api, first):
        if event["event"] != "hello":
            whole.append(event)
        if whole and int(whole[-1]["id"]) == seen[-1]:
            break
    assert seen == [int(event["id"]) for event in whole]
    assert seen == sorted(set(seen)), "in order, each once"
    assert follower.connected >= 3
    statuses = [event["data"]["row"]["status"] for event in whole if event["event"] == "workload.changed" and event["data"].get("row")]
    assert statuses, "the rows come along"
    text = json.dumps(whole)
    assert "password_hash" not in text and '"rendered"' not in text, "no secrets in events"


def test_events_of_others_are_not_told_and_positions_are_checked(weather: Cloud) -> None:
    ann = user(weather, "ann")
    follower = Follower(ann)
    follower.start()
    wait_until(lambda: follower.connected == 1, "the stream begins")
    weather.api.deploy("custom", "theirs", params=WEB)
    ann.deploy("custom", "mine", params=WEB)
    mine, theirs = ann.show("mine")["id"], weather.api.show("theirs")["id"]
    wait_until(lambda: any(event["data"]["id"] == mine for event in list(follower.seen)), "her own is told")
    text = json.dumps(follower.seen)
    assert theirs not in text and "theirs" not in text
    follower.stopped = True
    for position in ("-1", "x", str(2**40)):
        with pytest.raises(ApiProblem, match="after"):
            next(events(weather.api, position))
    ann.remove("mine")


def test_a_follower_that_reads_nothing_costs_the_others_nothing(weather: Cloud) -> None:
    with weather.api.session.get(weather.api.url + "/api/v1/events", stream=True, timeout=PATIENCE_S):
        weather.api.deploy("custom", "chatty", params=WEB | {"command": ["--lines-per-second", "-1"]})
        with weather.api.session.get(weather.api.url + "/api/v1/workloads/chatty/logs?follow=true", stream=True, timeout=PATIENCE_S) as log:
            assert log.raw.read(1000)
            for i in range(3):
                weather.api.deploy("custom", f"web-{i}", params=WEB)
