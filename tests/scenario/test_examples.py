"""The examples do what they say."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from support.bed import Bed
from support.cloud import Cloud
from support.command import ROOT
from support.engine import Engine
from support.waiting import PATIENCE_S, wait_until

EXAMPLES = ROOT / "examples"


@pytest.fixture
def cloud(engine: Engine, tmp_path: Path) -> Iterator[Cloud]:
    """A cloud with the example plugins."""
    made = Cloud(tmp_path, flags=("--plugins-dir", str(EXAMPLES / "plugins"))).start()
    try:
        made.join(engine)
        yield made
        made.stop()
    finally:
        made.kill()


def variables(cloud: Cloud) -> dict[str, str]:
    token = str(cloud.api.session.headers["Authorization"]).removeprefix("Bearer ")
    return os.environ | {"LATTICE_ADDR": cloud.console.url, "LATTICE_TOKEN": token, "LATTICE_CACERT": str(cloud.console.authority)}


def test_a_plugin_of_ones_own(cloud: Cloud, bed: Bed) -> None:
    bed.registry.ensure("nginx")
    assert "what the first page says" in cloud.cli("help", "deploy", "website").stdout
    url = cloud.api.deploy("website", "blog", params={"title": "My blog"})["endpoints"][0]["url"]
    session = requests.Session()
    session.trust_env = False
    assert "<h1>My blog</h1>" in session.get(url, verify=str(cloud.console.authority), timeout=PATIENCE_S).text


def test_a_policy_that_keeps_workloads_in_a_zone(cloud: Cloud) -> None:
    file = cloud.console.data / "policies" / "placement.lua"
    shutil.copy(EXAMPLES / "policies" / "stay-in-zone.lua", file.with_suffix(".new"))
    file.with_suffix(".new").rename(file)  # whole at once, as editors do it
    wait_until(lambda: cloud.api("GET", "/api/v1/policies/placement")["revision"] == 2, "the policy is in force")
    cloud.api.deploy("custom", "home-web", wait=False, params={"image": "lattice-test/web:1"})
    shown = cloud.api.wait("home-web", "pending")
    assert "is not in the zone home" in wait_until(lambda: cloud.api.show("home-web")["reason"], "it has a reason"), shown
    cloud.api.deploy("custom", "web", params={"image": "lattice-test/web:1"})


def test_deploying_with_curl_and_watching_with_python(cloud: Cloud) -> None:
    watch = subprocess.Popen([str(EXAMPLES / "api" / "watch.py")], env=variables(cloud), stdout=subprocess.PIPE, text=True)
    try:
        assert watch.stdout
        assert "hello" in watch.stdout.readline()
        done = subprocess.run([str(EXAMPLES / "api" / "deploy.sh"), "my-redis", "redis"], env=variables(cloud), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("rediss://")
        lines = []
        while not lines or "workload.changed my-redis running" not in lines[-1]:
            lines.append(watch.stdout.readline())
            assert lines[-1], lines
        indexes = [int(line.split()[0]) for line in lines]
        assert indexes == sorted(set(indexes)), "in order, none twice"
    finally:
        watch.kill()
