#!/usr/bin/env python3
"""Prints every change that the console tells of, one line each, and resumes where it broke off.

LATTICE_ADDR=https://host:8443 LATTICE_TOKEN=... LATTICE_CACERT=ca.pem examples/api/watch.py
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request


def events(address: str, token: str, authority: str, last: str | None):
    """Yields (id, event, data) of one connection's events."""
    headers = {"Authorization": f"Bearer {token}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    request = urllib.request.Request(f"{address}/api/v1/events", headers=headers)
    trust = ssl.create_default_context(cafile=authority)
    with urllib.request.urlopen(request, context=trust, timeout=60) as answer:
        fields: dict[str, str] = {}
        for line in answer:
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield fields.get("id"), fields.get("event"), json.loads(fields["data"])
                fields = {}
            else:
                fields = {}  # a comment: the console is still there


def main() -> None:
    address, token, authority = (os.environ[f"LATTICE_{name}"] for name in ("ADDR", "TOKEN", "CACERT"))
    last: str | None = None
    while True:
        try:
            for last, event, data in events(address, token, authority, last):
                row = data.get("row", {})
                words = [row.get("name") or data.get("id", ""), row.get("status", ""), row.get("reason", "")]
                print(last, event, *[word for word in words if word], flush=True)
        except urllib.error.HTTPError as problem:
            if problem.code == 410:  # too far behind: begin at the present
                last = None
                continue
            sys.exit(f"watch: {problem.read().decode()}")
        except OSError as error:
            print(f"watch: {error}; trying again", file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
