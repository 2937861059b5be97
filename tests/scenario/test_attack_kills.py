"""The console is killed again and again while clients write: what was acknowledged is there afterwards, and there once."""

import random
import threading
import time
import uuid
from pathlib import Path

import requests

from support.cloud import Api, Cloud

KILLS = 12
CLIENTS = 8


class Writer(threading.Thread):
    """Writes one thing after the other, each with an idempotency key and as often as it takes to be answered."""

    def __init__(self, cloud: Cloud, number: int):
        super().__init__()
        self.cloud = cloud
        self.number = number
        self.acknowledged: dict[str, str] = {}
        self.over = threading.Event()

    def run(self) -> None:
        count = 0
        while not self.over.is_set():
            count += 1
            name = f"c{self.number}-{count}"
            self._write("tokens" if self.number % 2 else "workloads", {"name": name} if self.number % 2 else {"type": "redis", "name": name}, name)

    def _write(self, what: str, body: dict[str, str], name: str) -> None:
        key = str(uuid.uuid4())
        while True:
            api = Api(self.cloud.console.url, self.cloud.console.authority)
            api.session.headers["Authorization"] = self.cloud.api.session.headers["Authorization"]
            try:
                answer = api.ask("POST", f"/api/v1/{what}", body, headers={"Idempotency-Key": key}, timeout=10)
                if answer.status_code < 300:
                    self.acknowledged[name] = answer.json()["id"]
                    return
                assert answer.status_code == 503, answer.text
            except (requests.RequestException, OSError):
                if self.over.is_set():
                    return
            time.sleep(0.02)


def everything(cloud: Cloud, what: str) -> list[tuple[str, str]]:
    found = []
    cursor = ""
    while True:
        page = cloud.api("GET", f"/api/v1/{what}?limit=500{cursor}")
        found += [(each["name"], each["id"]) for each in page["items"] if each["name"].startswith("c")]
        if not page.get("next"):
            return found
        cursor = f"&cursor={page['next']}"


def test_what_was_acknowledged_outlives_kills_and_is_there_once(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path).start()
    writers = [Writer(cloud, number) for number in range(CLIENTS)]
    chance = random.Random(5)
    try:
        for each in writers:
            each.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.6))
            cloud.console.kill()
            cloud.console.start()
        for each in writers:
            each.over.set()
        for each in writers:
            each.join()
        acknowledged = {name: made for each in writers for name, made in each.acknowledged.items()}
        found = everything(cloud, "tokens") + everything(cloud, "workloads")
        names = [name for name, _ in found]
        assert len(acknowledged) > KILLS * CLIENTS
        assert len(names) == len(set(names)), "something was made twice"
        assert {name: made for name, made in found if name in acknowledged} == acknowledged
        cloud.stop()
    finally:
        for each in writers:
            each.over.set()
        cloud.kill()
