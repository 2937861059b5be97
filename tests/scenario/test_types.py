"""Each shipped type with its own real client: Redis, S3, HTTP; over TLS on a public address."""

import subprocess

import boto3
import botocore.config
import botocore.exceptions
import pytest
import redis
import requests

from support.bed import Bed
from support.cloud import ApiProblem, Cloud
from support.waiting import PATIENCE_S, wait_until


WEB = {"image": "lattice-test/web:1", "ports": ["80/http"], "health": "http:/"}  # running means that it answers


def https(cloud: Cloud, url: str, **options) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    return session.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S, **options)


def test_redis_keeps_its_keys_over_a_restart(cloud: Cloud) -> None:
    url = cloud.api.deploy("redis", "cache")["endpoints"][0]["url"]
    assert url.startswith("rediss://")
    client = redis.Redis.from_url(url, ssl_ca_certs=str(cloud.console.authority))
    client.set("colour", "green")
    cloud.cli("restart", "cache")
    again = redis.Redis.from_url(url, ssl_ca_certs=str(cloud.console.authority))
    assert wait_until(lambda: again.get("colour"), "redis answers", tolerate=(redis.ConnectionError,)) == b"green"
    by_hand = ["redis-cli", "--no-auth-warning", "--cacert", str(cloud.console.authority), "-u", url, "get", "colour"]
    assert subprocess.run(by_hand, capture_output=True, text=True, check=True).stdout == "green\n"


def test_redis_refuses_who_has_no_password(cloud: Cloud) -> None:
    endpoint = cloud.api.deploy("redis", "cache")["endpoints"][0]
    client = redis.Redis(host=endpoint["host"], port=endpoint["port"], ssl=True, ssl_ca_certs=str(cloud.console.authority))
    with pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_of_redis_is_in_no_argument(cloud: Cloud) -> None:
    shown = cloud.api.deploy("redis", "cache")
    secret = shown["credentials"]["password"]
    container = cloud.agents[0].engine.containers()[0]["Id"]
    assert secret not in cloud.agents[0].engine.docker("top", container, "-eo", "pid,args")


def s3(cloud: Cloud, shown: dict, secret: str | None = None):
    endpoint = next(each for each in shown["endpoints"] if each["name"] == "s3")
    credentials = shown["credentials"]
    return boto3.client(
        "s3", endpoint_url=endpoint["url"], region_name="us-east-1", verify=str(cloud.console.authority),
        aws_access_key_id=credentials["access_key"], aws_secret_access_key=secret or credentials["secret_key"],
        config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, proxies={}))


def test_the_minio_type_serves_s3_through_its_stand_in(cloud: Cloud, bed: Bed) -> None:
    """MinIO's own image cannot be made from Debian's packages: what runs here is OpenStack Swift, under its own name, as a real S3 server."""
    bed.registry.ensure("swift-s3")
    shown = cloud.api.deploy("minio", "files", params={"image": "lattice-test/swift-s3:1"})
    client = s3(cloud, shown)
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="a/cat.bin", Body=b"\x00\xff" * 100_000)
    cloud.cli("restart", "files")
    cloud.api.wait("files", "running")
    assert client.get_object(Bucket="photos", Key="a/cat.bin")["Body"].read() == b"\x00\xff" * 100_000
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        s3(cloud, shown, secret="wrong-secret-of-some-length").list_buckets()


def test_any_image_with_ports_variables_volumes_and_two_instances(cloud: Cloud) -> None:
    printed = cloud.cli("deploy", "custom", "web", "--image", "lattice-test/web:1", "--port", "80/http", "--health", "http:/", "--env", "A=b", "--cpu", "0.5", "--memory", "128m",
                        "--volume", "data:/var/lib/x", "--count", "2").stdout
    shown = cloud.api.show("web")
    assert [each["status"] for each in shown["allocations"]] == ["running", "running"]
    url = shown["endpoints"][0]["url"]
    assert url.startswith("https://") and url in printed
    assert https(cloud, url).status_code == 200
    engine = cloud.agents[0].engine
    containers = engine.containers()
    assert len(containers) == 2 and len(engine.volumes()) == 2
    for each in containers:
        inspected = engine.api("GET", f"/containers/{each['Id']}/json")
        assert "A=b" in inspected["Config"]["Env"]
        assert inspected["HostConfig"]["Memory"] == 128 << 20 and inspected["HostConfig"]["NanoCpus"] == 500_000_000
        assert inspected["HostConfig"]["Privileged"] is False and not inspected["HostConfig"]["Binds"]
        bindings = [each for ports in inspected["NetworkSettings"]["Ports"].values() for each in ports or []]
        assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}, "published on the loopback alone"


def test_a_plain_http_endpoint(cloud: Cloud) -> None:
    url = cloud.api.deploy("custom", "web", params=WEB, plain=True)["endpoints"][0]["url"]
    assert url.startswith("http://") and https(cloud, url).status_code == 200


def test_scaling_up_and_down_spreads_and_removes(cloud: Cloud) -> None:
    cloud.api.deploy("custom", "web", params=WEB)
    cloud.cli("scale", "web", "3")
    url = cloud.api.wait("web", "running")["endpoints"][0]["url"]
    assert len(cloud.agents[0].engine.containers()) == 3
    for _ in range(6):
        assert https(cloud, url).status_code == 200
    cloud.cli("scale", "web", "1")
    wait_until(lambda: len(cloud.agents[0].engine.containers()) == 1, "two instances are gone")
    assert https(cloud, url).status_code == 200


@pytest.mark.parametrize(
    "setting",
    ["privileged", "network_mode", "pid_mode", "ipc_mode", "binds", "cap_add", "devices", "security_opt", "volumes_from"],
)
def test_what_would_make_a_container_root_of_its_node_is_refused(cloud: Cloud, setting: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        cloud.api("POST", "/api/v1/workloads", {"type": "custom", "name": "evil", "params": {"image": "lattice-test/web:1", setting: "true"}})
    assert refused.value.code == "not_allowed" and setting in str(refused.value)


@pytest.mark.parametrize("volume", ["/etc:/etc", "/var/run/docker.sock:/var/run/docker.sock", "../up:/data", "a/b:/data"])
def test_a_volume_that_is_a_path_of_the_node_is_refused(cloud: Cloud, volume: str) -> None:
    with pytest.raises(ApiProblem) as refused:
        cloud.api("POST", "/api/v1/workloads", {"type": "custom", "name": "evil", "params": {"image": "lattice-test/web:1", "volumes": [volume]}})
    assert refused.value.status == 422
