"""What operators do to a running console: renew its certificates, give up a node that will never come back."""

import shutil
import signal
import ssl
from pathlib import Path

import psycopg2
import requests

from support.bed import BedNode
from support.cloud import Cloud
from support.waiting import wait_until


def serial_of(host: str, port: int) -> str:
    return ssl.get_server_certificate((host, port))


def test_a_reload_renews_the_certificates_and_cuts_nobody(cloud: Cloud) -> None:
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    connection = psycopg2.connect(url)
    before = serial_of("127.0.0.1", cloud.console.port)
    assert cloud.console.process
    cloud.console.process.send_signal(signal.SIGHUP)
    wait_until(lambda: serial_of("127.0.0.1", cloud.console.port) != before, "the certificate is another one")
    with connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)
    connection.close()
    verified = url.replace("sslmode=require", f"sslmode=verify-full&sslrootcert={cloud.console.authority}")
    psycopg2.connect(verified).close()
    assert cloud.node("node-1")["status"] == "ready"


def test_a_backup_that_is_restored_settles_with_what_the_nodes_have_seen(cloud: Cloud, tmp_path: Path) -> None:
    url = cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1", "ports": ["80/http"]})["endpoints"][0]["url"]
    cloud.console.stop()
    shutil.copytree(cloud.console.data, tmp_path / "backup")
    cloud.console.start()
    for _ in range(3):
        cloud.api("POST", "/api/v1/workloads/web/restart")
        cloud.api.wait("web", "running")
    cloud.api("POST", "/api/v1/workloads/web/stop")
    cloud.api.wait("web", "stopped")
    cloud.console.stop()
    shutil.rmtree(cloud.console.data)
    shutil.copytree(tmp_path / "backup", cloud.console.data)
    cloud.console.start()
    cloud.wait_node("node-1")

    def answers() -> bool:
        return requests.get(url, verify=str(cloud.console.authority), timeout=20).ok

    wait_until(answers, "the address answers", tolerate=(requests.RequestException,))
    assert cloud.api.wait("web", "running")["endpoints"][0]["url"] == url
    cloud.api("POST", "/api/v1/workloads/web/stop")
    cloud.api.wait("web", "stopped")


def test_a_node_that_will_never_come_back_is_given_up(nodes, tmp_path) -> None:
    two: list[BedNode] = nodes(2)
    cloud = Cloud(tmp_path, host=two[0].place.gateway).start()
    try:
        for number, node in enumerate(two):
            cloud.join(node.engine, f"node-{number}", node.place.namespace)
        shown = cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1", "ports": ["80/http"]})
        url, place = shown["endpoints"][0]["url"], shown["allocations"][0]["node"]
        lost = next(agent for agent in cloud.agents if agent.node == place)
        lost.kill()
        cloud.api.wait("web", "unreachable")
        refused = cloud.cli("node", "rm", place, check=False)
        assert refused.returncode == 6 and "--force" in refused.stderr
        cloud.cli("node", "rm", place, "--force")
        shown = cloud.api.wait("web", "running")
        assert shown["allocations"][0]["node"] != place
        assert shown["endpoints"][0]["url"] == url, "the address belongs to the workload"
        session = requests.Session()
        session.trust_env = False
        assert wait_until(lambda: session.get(url, verify=str(cloud.console.authority), timeout=20).status_code == 200, "it answers",
                          tolerate=(requests.RequestException,))
        cloud.agents.remove(lost)
        cloud.stop()
    finally:
        cloud.kill()
