"""The main job: a Postgres deployed in one step, answering on a public address that survives everything but its removal."""

import hashlib
import subprocess
import threading

import psycopg2
import pytest

from support.cloud import Cloud
from support.engine import Engine
from support.postgres import ask, ask_until, connect
from support.waiting import PATIENCE_S, wait_until


def ids(engine: Engine) -> list[str]:
    return sorted(each["Id"] for each in engine.containers())


def test_a_row_outlives_restart_killed_agent_and_killed_console(cloud: Cloud) -> None:
    shown = cloud.api.deploy("postgres", "my-db", params={"database": "shop"})
    url = shown["endpoints"][0]["url"]
    assert shown["credentials"]["database"] == "shop"
    assert "sslmode=require" in url and shown["credentials"]["password"] in url
    ask(url, "create table kept (id int primary key, word text)")
    ask(url, "insert into kept values (1, 'first')")

    cloud.cli("restart", "my-db")
    assert ask_until(url, "select word from kept") == [("first",)]
    assert cloud.api.url_of("my-db") == url

    containers = ids(cloud.agents[0].engine)
    cloud.agents[0].kill()
    cloud.agents[0].start()
    cloud.wait_node("node-1")
    cloud.api.wait("my-db", "running")
    assert ask_until(url, "select word from kept") == [("first",)]

    cloud.console.kill()
    cloud.console.start()
    cloud.api.wait("my-db", "running")
    assert ask_until(url, "select word from kept") == [("first",)]
    assert cloud.api.url_of("my-db") == url
    assert ids(cloud.agents[0].engine) == containers, "a restart of agent or console made or stopped a container"


def test_psql_itself_connects_with_the_printed_address(cloud: Cloud) -> None:
    printed = cloud.cli("deploy", "postgres", "my-db").stdout
    url = next(word for word in printed.split() if word.startswith("postgresql://"))
    done = subprocess.run(["psql", url, "-X", "-A", "-t", "-c", "select 6 * 7", "-c", "\\conninfo"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "42"
    assert "SSL connection" in done.stdout


def test_a_client_in_clear_is_told_to_encrypt(cloud: Cloud) -> None:
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    with pytest.raises(psycopg2.OperationalError, match="encrypted connections only"):
        connect(url.replace("sslmode=require", "sslmode=disable"))


def test_the_certificate_is_the_consoles(cloud: Cloud) -> None:
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    verified = url.replace("sslmode=require", f"sslmode=verify-full&sslrootcert={cloud.console.authority}")
    assert ask(verified, "select ssl from pg_stat_ssl where pid = pg_backend_pid()") == [(False,)], "TLS ends at the console"


def test_a_plain_endpoint_takes_clients_in_clear(cloud: Cloud) -> None:
    shown = cloud.api.deploy("postgres", "my-db", plain=["pg"])
    url = shown["endpoints"][0]["url"]
    assert "sslmode=disable" in url
    assert ask(url, "select 1") == [(1,)]


def test_a_running_query_can_be_cancelled(cloud: Cloud) -> None:
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    connection = connect(url)

    def cancel() -> None:
        wait_until(lambda: ask(url, "select 1 from pg_stat_activity where state = 'active' and query = 'select pg_sleep(900)'"), "it runs")
        connection.cancel()

    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = '1000s'")
        threading.Thread(target=cancel).start()
        with pytest.raises(psycopg2.errors.QueryCanceled, match="user request"):
            cursor.execute("select pg_sleep(900)")
    connection.close()


def test_a_wrong_password_is_refused(cloud: Cloud) -> None:
    shown = cloud.api.deploy("postgres", "my-db")
    wrong = shown["endpoints"][0]["url"].replace(shown["credentials"]["password"], "not-the-password")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(wrong)


def test_stopping_keeps_the_data_and_removing_takes_it(cloud: Cloud) -> None:
    engine = cloud.agents[0].engine
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    ask(url, "create table kept as select 1 as id")
    cloud.cli("stop", "my-db")
    assert cloud.api.show("my-db")["status"] == "stopped"
    with pytest.raises(psycopg2.OperationalError):
        connect(url)
    cloud.cli("start", "my-db")
    assert ask_until(url, "select id from kept") == [(1,)]

    cloud.cli("rm", "my-db", "--keep-data")
    assert ids(engine) == [] and len(engine.volumes()) == 1
    cloud.api.deploy("postgres", "other")
    cloud.cli("rm", "other")
    assert len(engine.volumes()) == 1, "removing a workload takes its own volumes and no other's"


def test_large_results_pass_unharmed(cloud: Cloud) -> None:
    url = cloud.api.deploy("postgres", "my-db")["endpoints"][0]["url"]
    rows = ask(url, "select md5(i::text) from generate_series(1, 200000) i")
    assert len(rows) == 200000
    (total,) = ask(url, "select md5(string_agg(md5(i::text), '')) from generate_series(1, 200000) i")[0]
    assert hashlib.md5("".join(row[0] for row in rows).encode()).hexdigest() == total
