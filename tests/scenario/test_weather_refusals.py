"""Bad weather: requests that cannot be fulfilled. Each names what is wrong, where, and what to do, and leaves nothing behind."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.cloud import ApiProblem, Cloud
from support.waiting import PATIENCE_S

IMAGE = "lattice-test/web:1"


def custom(**changes: Any) -> dict[str, Any]:
    params = {"image": IMAGE} | changes.pop("params", {})
    return {"type": "custom", "name": "web", "params": params} | changes


REFUSALS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    # what is wrong: (body, HTTP status, code, field)
    "no image": ({"type": "custom", "name": "web"}, 422, "invalid_field", "params.image"),
    "no type": ({"name": "web"}, 422, "invalid_field", "type"),
    "no name": ({"type": "custom", "params": {"image": IMAGE}}, 422, "invalid_field", "name"),
    "unknown type": (custom(type="oracle"), 422, "unknown_type", "type"),
    "unknown parameter": (custom(params={"imagine": "x"}), 422, "invalid_field", "params.imagine"),
    "unknown member": (custom(replicas=2), 422, "invalid_field", "replicas"),
    "bad name": (custom(name="Web_1"), 422, "invalid_field", "name"),
    "long name": (custom(name="w" * 64), 422, "invalid_field", "name"),
    "bad image": (custom(params={"image": "Not An Image"}), 422, "invalid_field", "params.image"),
    "image of another kind": (custom(params={"image": ["a"]}), 422, "invalid_field", "params.image"),
    "port 0": (custom(params={"ports": ["0/http"]}), 422, "invalid_field", "params.ports[0]"),
    "port 65536": (custom(params={"ports": ["80/http", "65536/tcp"]}), 422, "invalid_field", "params.ports[1]"),
    "bad protocol": (custom(params={"ports": ["80/gopher"]}), 422, "invalid_field", "params.ports[0]"),
    "one port twice": (custom(params={"ports": ["80/http", "80/http"]}), 422, "invalid_field", "params.ports[1]"),
    "count 0": (custom(count=0), 422, "invalid_field", "count"),
    "count too large": (custom(count=100000), 422, "invalid_field", "count"),
    "count no number": (custom(count="two"), 422, "invalid_field", "count"),
    "cpu below zero": (custom(cpu=-1), 422, "invalid_field", "cpu"),
    "cpu no number": (custom(cpu="fast"), 422, "invalid_field", "cpu"),
    "memory no size": (custom(memory="12 bananas"), 422, "invalid_field", "memory"),
    "memory too small": (custom(memory="1k"), 422, "invalid_field", "memory"),
    "bad variable": (custom(params={"env": {"A B": "c"}}), 422, "invalid_field", "params.env"),
    "bad volume": (custom(params={"volumes": ["data"]}), 422, "invalid_field", "params.volumes[0]"),
    "bad health": (custom(params={"health": "prayer"}), 422, "invalid_field", "params.health"),
    "health without port": (custom(params={"health": "http:/"}), 422, "invalid_field", "params.health"),
    "plain endpoint that is none": (custom(plain=["nothing"]), 422, "invalid_field", "plain"),
    "database name": ({"type": "postgres", "name": "db", "params": {"database": "1; drop"}}, 422, "invalid_field", "params.database"),
    "short password": ({"type": "postgres", "name": "db", "params": {"password": "x"}}, 422, "invalid_field", "params.password"),
}


@pytest.fixture(autouse=True)
def nothing_is_left(weather: Cloud) -> Iterator[None]:
    yield
    assert weather.api.names() == []
    assert weather.containers() == []


def test_what_is_wrong_with_a_spec_is_named_with_field_and_hint(weather: Cloud) -> None:
    wrong = []
    for what, (body, status, code, field) in REFUSALS.items():
        answer = weather.api.ask("POST", "/api/v1/workloads", body)
        problem = answer.json()
        told = (answer.status_code, problem.get("code"), problem.get("field"))
        whole = problem.get("hint") and problem.get("detail") and answer.headers["Content-Type"] == "application/problem+json"
        if told != (status, code, field) or not whole:
            wrong.append(f"{what}: {told} {problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b'{"type": "custom", "type": "redis"}', 400), (b"\xff", 400), (b'{"a":' * 200 + b"1" + b"}" * 200, 400), (b"", 422),
     (b" " * (4 << 20), 413)],
    ids=["cut off", "no object", "one member twice", "no text", "too deep", "empty", "too large"],
)
def test_a_body_that_cannot_be_read_is_refused(weather: Cloud, body: bytes, status: int) -> None:
    answer = weather.api.session.post(weather.api.url + "/api/v1/workloads", data=body, headers={"Content-Type": "application/json"}, timeout=PATIENCE_S)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] and answer.json()["hint"]


def test_the_command_says_the_same_and_ends_with_2(weather: Cloud) -> None:
    for words, said in [
        (("custom", "web"), "image"),
        (("oracle", "db"), "oracle"),
        (("custom", "web", "--image", IMAGE, "--port", "99999/http"), "port"),
        (("custom", "web", "--image", IMAGE, "--memory", "lots"), "memory"),
        (("custom", "web", "--image", IMAGE, "--cpu", "many"), "cpu"),
        (("custom", "web", "--image", IMAGE, "--count", "0"), "count"),
        (("custom", "web", "--image", "Not An Image"), "image"),
        (("custom", "Web", "--image", IMAGE), "name"),
        (("postgres", "db", "--param", "colour=red"), "colour"),
        (("custom", "web", "--image", IMAGE, "--sideways"), "sideways"),
    ]:
        done = weather.cli("deploy", *words, check=False)
        assert done.returncode == 2, (words, done)
        assert said in done.stderr and not done.stdout, (words, done)


def test_a_name_that_is_taken_and_things_that_are_not_there(weather: Cloud) -> None:
    weather.api.deploy("custom", "web", params={"image": IMAGE})
    containers = weather.containers()
    with pytest.raises(ApiProblem) as refused:
        weather.api.deploy("postgres", "web")
    assert (refused.value.status, refused.value.code, refused.value.problem["field"]) == (409, "name_taken", "name")
    assert "lattice rm web" in refused.value.problem["hint"]
    done = weather.cli("deploy", "custom", "web", "--image", IMAGE, check=False)
    assert done.returncode == 6 and "web" in done.stderr

    for words in [("show", "nobody"), ("stop", "nobody"), ("rm", "nobody"), ("logs", "nobody"), ("node", "show", "nobody")]:
        assert weather.cli(*words, check=False).returncode == 5, words
    for body in ({"count": 0}, {"count": 1000000}, {"count": "x"}, {}):
        with pytest.raises(ApiProblem, match="count"):
            weather.api("POST", "/api/v1/workloads/web/scale", body)
    with pytest.raises(ApiProblem, match="name and type|Name and type"):
        weather.api("PATCH", "/api/v1/workloads/web", {"name": "other"})
    with pytest.raises(ApiProblem, match="image"):
        weather.api("PATCH", "/api/v1/workloads/web", {"params": {"image": "Not An Image"}})
    assert weather.api.show("web")["status"] == "running"
    assert weather.containers() == containers, "what was refused changed nothing"
    weather.api.remove("web")


def test_who_is_nobody_may_nothing(weather: Cloud) -> None:
    assert weather.cli("ps", check=False, token="lat_no_such_token").returncode == 4
    for path in ("/api/v1/workloads", "/api/v1/nodes", "/api/v1/events", "/api/v1/policies"):
        answer = weather.api.session.get(weather.api.url + path, headers={"Authorization": ""}, timeout=PATIENCE_S)
        assert answer.status_code == 401 and answer.json()["code"] == "unauthenticated"
