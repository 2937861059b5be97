"""What people see of decisions: why there, why not elsewhere, what would help; and dry runs, which change nothing."""

import json

from support.cloud import Cloud

DEPLOY = ("deploy", "custom", "web", "--image", "lattice-test/web:1", "--port", "80/http")


def test_a_dry_run_says_what_a_deploy_would_do_and_changes_nothing(cloud: Cloud) -> None:
    before = cloud.api("GET", "/api/v1/audit")["items"]
    ran = cloud.cli(*DEPLOY, "--count", "2", "--dry-run")
    assert "2 of 2 instances would be placed; nothing was changed" in ran.stdout and "node-1 x2" in ran.stdout
    answer = json.loads(cloud.cli(*DEPLOY, "--dry-run", "--json").stdout)
    assert answer["dry_run"] and answer["would_place"] and answer["policy"] == "placement 1" and answer["decided_by"]["author"] == "console"
    taken = answer["receipt"]["nodes"][0]
    assert taken["verdict"] == "taken" and len(taken["terms"]) == len(answer["receipt"]["terms"]) > 0
    assert cloud.api("GET", "/api/v1/workloads")["items"] == [] and cloud.api("GET", "/api/v1/audit")["items"] == before

    ran = cloud.cli(*DEPLOY, "--cpu", "500", "--dry-run", check=False)
    assert ran.returncode == 7 and "node-1 lacks" in ran.stdout and "join a machine with 500 processors" in ran.stdout
    ran = cloud.cli(*DEPLOY, "--cpu", "lots", "--dry-run", check=False)
    assert ran.returncode not in (0, 7)


def test_a_dry_run_of_a_change_is_about_what_does_not_stand_yet(cloud: Cloud) -> None:
    cloud.cli(*DEPLOY, "--cpu", "0.25")
    before = cloud.api("GET", "/api/v1/workloads/web")
    ran = cloud.cli("scale", "web", "3", "--dry-run")
    assert "2 of 2 instances would be placed; nothing was changed" in ran.stdout and "node-1 x2" in ran.stdout
    ran = cloud.cli("scale", "web", "1000", "--dry-run", check=False)
    assert ran.returncode == 7 and "of 999 instances would be placed" in ran.stdout
    answer = cloud.api("PATCH", "/api/v1/workloads/web?dry_run=true", {"count": 2, "memory": "100m"})
    assert answer["wanted"] == 1 and answer["replaced"] == 1 and answer["removed"] == 0 and answer["receipt"]
    cloud.api("POST", "/api/v1/workloads/web/scale", {"count": 2})
    cloud.api.wait("web", "running")
    assert "1 instance would go; nothing was changed" in cloud.cli("scale", "web", "1", "--dry-run").stdout
    after = cloud.api("GET", "/api/v1/workloads/web")
    assert after["generation"] == before["generation"] and after["count"] == 2 and after["memory_bytes"] == before["memory_bytes"]


def test_a_dry_run_counts_its_own_instances_also_where_rows_are_asked_for(cloud: Cloud) -> None:
    """A policy that is not compiled is asked for one instance after the other."""
    source = "function score(node, workload) local n = 0 while n < node.workload_instances do n = n + 1 end return -n end\n"
    cloud.api("PUT", "/api/v1/policies/placement", {"source": source})
    cpus = cloud.api("GET", "/api/v1/nodes/node-1")["cpu_milli"] // 1000
    answer = cloud.api("POST", "/api/v1/workloads?dry_run=true", {
        "type": "custom", "name": "web", "params": {"image": "lattice-test/web:1"}, "count": cpus + 1, "cpu": "1"})
    assert not answer["would_place"] and answer["placed"] == cpus
    assert answer["receipt"]["nodes"][0]["rule"] == "cpu" and "node-1 lacks 1 processors" in answer["receipt"]["fix"]


def test_explain_says_what_would_help_and_node_explain_what_was_refused(cloud: Cloud) -> None:
    cloud.cli(*DEPLOY, "--cpu", "500", "--detach")
    cloud.api.wait("web", "pending")
    explained = cloud.cli("explain", "web").stdout
    assert "no node can ever take it as it is; node-1 lacks" in explained and "refused, never" in explained
    evaluation = json.loads(cloud.cli("explain", "web", "--json").stdout)
    same = cloud.api("GET", f"/api/v1/evaluations/{evaluation['id']}")
    assert same["receipt"]["counts"] == {"nodes": 1, "taken": 0, "possible": 0, "refused": 1}
    assert same["receipt"]["fix"] in explained
    told = cloud.cli("node", "explain", "node-1").stdout
    assert "looked at" in told and "cpu" in told and "never" in told and "web" in told
    cloud.cli("rm", "web", "--yes")
