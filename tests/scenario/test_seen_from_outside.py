"""What an operator sees: one request id from the API to the agent's log, log lines that are JSON, counters for Prometheus."""

import json

from support.cloud import Cloud
from support.waiting import PATIENCE_S, wait_until

REQUEST_ID = "deploy-of-the-third-kind"


def test_a_request_id_runs_from_the_api_to_the_agents_log(cloud: Cloud) -> None:
    spec = {"type": "custom", "name": "web", "params": {"image": "lattice-test/web:1", "ports": ["80/http"]}}
    answer = cloud.api.ask("POST", "/api/v1/workloads", spec, headers={"X-Request-Id": REQUEST_ID})
    assert answer.headers["X-Request-Id"] == REQUEST_ID
    cloud.api.wait("web", "running")

    assert any(line.get("request_id") == REQUEST_ID and line["message"] == "request" for line in cloud.console.lines())
    evaluation = cloud.api("GET", "/api/v1/workloads/web/evaluations")["items"][-1]
    assert evaluation["request_id"] == REQUEST_ID and evaluation["policy"] == "placement 1"
    receipt = evaluation["receipt"]
    taken = receipt["nodes"][0]
    assert taken["verdict"] == "taken" and abs(sum(taken["terms"]) - taken["score"]) < 1 and len(taken["terms"]) == len(receipt["terms"]) > 0
    told = [line for line in cloud.agents[0].lines() if line.get("request_id") == REQUEST_ID]
    assert {"assigned", "allocation"} <= {line["message"] for line in told}
    container = cloud.agents[0].engine.containers()[0]
    assert container["Labels"]["lattice.request"] == REQUEST_ID
    story = cloud.api("GET", "/api/v1/workloads/web/history")["items"]
    assert story[-1]["kind"] == "running" and story[-1]["request_id"] == REQUEST_ID


def test_every_log_line_is_one_json_object(cloud: Cloud) -> None:
    cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1"})
    for program in (cloud.console, cloud.agents[0]):
        for line in program.text_lines():
            assert {"time", "level", "component", "message"} <= json.loads(line).keys()


def test_counters_count(cloud: Cloud) -> None:
    before = cloud.metric("lattice_evaluations_total")
    cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1"})
    assert cloud.metric("lattice_evaluations_total") == before + 1
    text = cloud.api.ask("GET", "/metrics").text
    for line in text.splitlines():
        assert line.startswith("# HELP ") or line.startswith("# TYPE ") or line.rsplit(" ", 1)[1].replace(".", "").replace("e-", "").isdigit(), line


def test_secrets_are_in_no_log(cloud: Cloud) -> None:
    shown = cloud.api.deploy("postgres", "my-db", params={"password": "very-secret-password"})
    cloud.cli("ps")
    for program in (cloud.console, cloud.agents[0]):
        assert shown["credentials"]["password"] not in program.log.read_text()
    for path in cloud.console.data.iterdir():
        if path.is_file():
            assert b"very-secret-password" not in path.read_bytes(), f"in clear in {path.name}"


def test_logs_and_stats_come_from_the_container(cloud: Cloud) -> None:
    cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1", "ports": ["80/http"], "env": {"WEB_LINES_PER_SECOND": "50"}})
    wait_until(lambda: len(cloud.cli("logs", "web").stdout.splitlines()) > 5, "it has written more than is asked for")
    assert len(cloud.cli("logs", "web", "--tail", "5").stdout.splitlines()) == 5
    stats = cloud.api("GET", "/api/v1/workloads/web/stats")
    assert stats["memory_bytes"] > 0 and stats["pids"] >= 1
    answer = cloud.api.session.get(f"{cloud.console.url}/api/v1/workloads/web/logs?follow=true&tail=0", stream=True, timeout=PATIENCE_S)
    lines = answer.iter_lines()
    assert len([next(lines) for _ in range(20)]) == 20, "lines come as they are written"
    answer.close()
