"""The audit trail as an administrator meets it: who did what, by the CLI, across a kill; and what somebody altered is found."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.cloud import Api, ApiProblem, Cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path).start()
    try:
        yield made
        made.stop()
    finally:
        made.kill()


def trail(cloud: Cloud, *flags: str) -> list[dict[str, str]]:
    return json.loads(cloud.cli("audit", "--all", "--json", *flags).stdout)


def test_who_did_what_survives_a_kill_and_is_found_when_altered(cloud: Cloud) -> None:
    api = cloud.api
    api("POST", "/api/v1/users", {"name": "carol", "password": "correct horse"})
    with pytest.raises(ApiProblem):
        Api(api.url, api.authority).login("carol", "wrong horse")
    carol = Api(api.url, api.authority).login("carol", "correct horse")
    made = carol("POST", "/api/v1/workloads", {"type": "custom", "name": "web", "params": {"image": "none:1"}})
    cloud.cli("label", "carol/web", "tier=front", "owner-")
    assert [each["name"] for each in json.loads(cloud.cli("ps", "--label", "tier=front", "--json").stdout)] == ["web"]
    cloud.console.kill()  # what was answered is there
    cloud.console.start()
    rows = trail(cloud)
    assert [row["action"] for row in rows[:6]] == [
        "workload.label", "workload.create", "token.create", "session.create", "session.refused", "user.create"]
    label, create, _, session, refused, _ = rows[:6]
    assert (create["actor_kind"], create["actor_name"], create["object_id"]) == ("api_token", "carol/test", made["id"])
    assert label["actor_name"].startswith("admin/") and label["object_name"] == "web"
    assert session["actor_name"] == refused["object_name"] == "carol" and refused["address"].startswith("127.0.0.1:")
    assert [row["action"] for row in trail(cloud, "--object", made["id"])] == ["workload.label", "workload.create"]
    assert len({row["sequence"] for row in rows}) == len(rows)
    assert "admin" in cloud.cli("audit", "--action", "workload.label").stdout

    seen = carol("GET", "/api/v1/audit")["items"]
    assert {row["action"] for row in seen} >= {"workload.label", "workload.create", "session.refused"}
    assert all(row["project_id"] == create["project_id"] for row in seen)
    assert cloud.cli("audit", "verify").stdout == f"rows 1 to {rows[0]['sequence']} are as they were written\n"

    cloud.console.stop()
    with closing(sqlite3.connect(cloud.console.data / "state.db")) as db, db:
        db.execute("UPDATE audit_log SET actor_name = 'carol' WHERE sequence = ?", (label["sequence"],))
    cloud.console.start()
    altered = cloud.cli("audit", "verify", check=False)
    assert altered.returncode != 0 and f"row {label['sequence']} " in altered.stderr
