"""The bed holds: engines are real, images keep the contract of the official ones, a cut cable cuts.

A failure here says that the other scenario tests stand on sand.
"""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import psycopg2
import pytest
import redis
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from support.bed import Bed, BedNode
from support.command import CommandFailed
from support.engine import Container, Engine
from support.waiting import PATIENCE_S, wait_until

PASSWORD = "correct horse"


def postgres(
    container: Container, password: str = PASSWORD, user: str = "postgres", database: str = "postgres"
) -> "psycopg2.extensions.connection":
    """Connects as soon as the server takes connections; a refused password is an answer and not waited out."""
    connection = None

    def connect() -> bool:
        nonlocal connection
        try:
            connection = psycopg2.connect(
                host="127.0.0.1",
                port=container.port(5432),
                user=user,
                password=password,
                dbname=database,
                connect_timeout=PATIENCE_S,
            )
        except psycopg2.OperationalError as error:
            if "authentication failed" in str(error):
                raise
            return False
        return True

    wait_until(connect, "PostgreSQL takes connections")
    assert connection is not None
    connection.autocommit = True
    return connection


def query(connection: "psycopg2.extensions.connection", statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    assert row is not None
    return row[0]


def get(container: Container, path: str, port: int = 80) -> requests.Response:
    """Asks as soon as somebody listens."""
    url = f"http://127.0.0.1:{container.port(port)}{path}"
    answers: list[requests.Response] = []  # a Response with status 404 is false, and yet an answer

    def ask() -> bool:
        answers.append(requests.get(url, timeout=PATIENCE_S))
        return True

    wait_until(ask, url, tolerate=(requests.ConnectionError,))
    return answers[0]


# ---- engines


def test_engine_start_is_idempotent_and_a_killed_engine_comes_back(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    before = engine.pid()
    engine.start()
    assert engine.pid() == before
    web = engine.run_container("lattice-test/web:1", ports=(80,))
    engine.kill()
    assert not engine.answers()
    engine.start()
    assert engine.pid() != before
    assert not web.inspect()["State"]["Running"]


def test_paused_engine_does_not_answer_until_it_goes_on(engine: Engine) -> None:
    engine.pause()
    assert not engine.answers()
    engine.resume()
    wait_until(engine.answers, "the engine answers again")


def test_only_what_bears_a_label_of_ours_counts_as_ours(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    engine.run_container("lattice-test/web:1")
    ours = engine.run_container("lattice-test/web:1", options=("--label", "lattice.allocation=x"))
    engine.docker("volume", "create", "--label", "lattice.workload=x", "kept")
    assert [each["Id"] for each in engine.containers()] == [ours.id]
    assert len(engine.containers(ours=False)) == 2
    assert [each["Name"] for each in engine.volumes()] == ["kept"]
    engine.wipe()
    assert engine.containers(ours=False) == engine.volumes(ours=False) == []


def test_image_that_nobody_has_is_refused_at_once(engine: Engine) -> None:
    with pytest.raises(CommandFailed, match="connection refused"):  # by the resolver's address; otherwise it is waited for in vain
        engine.docker("pull", "nosuchimage:1")


# ---- postgres:15


@pytest.fixture
def fresh_postgres(bed: Bed, engine: Engine) -> Iterator[Container]:
    bed.registry.ensure("postgres")
    yield engine.run_container(
        "postgres:15",
        "-c",
        "work_mem=5MB",
        env={"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_USER": "shop", "POSTGRES_DB": "orders"},
        ports=(5432,),
        options=("-v", "pgdata:/var/lib/postgresql/data"),
    )


def test_postgres_takes_its_password_and_refuses_another(fresh_postgres: Container) -> None:
    with postgres(fresh_postgres, user="shop", database="orders") as connection:
        assert str(query(connection, "SHOW server_version")).startswith("15.")
        assert query(connection, "SHOW work_mem") == "5MB"
        assert query(connection, "SHOW lc_collate") == "en_US.utf8"
        assert query(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        postgres(fresh_postgres, password="wrong", user="shop", database="orders")


def test_postgres_keeps_its_data_over_restart_and_replacement(
    engine: Engine, fresh_postgres: Container
) -> None:
    with postgres(
        fresh_postgres, user="shop", database="orders"
    ) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (x int)")
        cursor.execute("INSERT INTO kept VALUES (42)")
    fresh_postgres.restart()
    assert query(postgres(fresh_postgres, user="shop", database="orders"), "SELECT x FROM kept") == 42
    fresh_postgres.stop()
    assert fresh_postgres.exit_status() == 0, "SIGINT is a fast and clean shutdown"
    fresh_postgres.remove()
    again = engine.run_container(
        "postgres:15", ports=(5432,), options=("-v", "pgdata:/var/lib/postgresql/data")
    )
    assert query(postgres(again, user="shop", database="orders"), "SELECT x FROM kept") == 42
    assert "Skipping initialization" in again.logs()


def test_postgres_runs_what_lies_in_initdb_d(bed: Bed, engine: Engine, tmp_path: Path) -> None:
    bed.registry.ensure("postgres")
    (tmp_path / "1.sql").write_text("CREATE TABLE steps (n int); INSERT INTO steps VALUES (1);")
    (tmp_path / "2.sql.gz").write_bytes(gzip.compress(b"INSERT INTO steps VALUES (2);"))
    script = tmp_path / "3.sh"
    script.write_text(
        '#!/bin/bash\npsql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" "$POSTGRES_DB" -c "INSERT INTO steps VALUES (3)"\n'
    )
    script.chmod(0o755)
    (tmp_path / "4.txt").write_text("not for the server")
    (tmp_path / "password").write_text(PASSWORD)
    tmp_path.chmod(0o755)
    container = engine.run_container(
        "postgres:15",
        env={"POSTGRES_PASSWORD_FILE": "/docker-entrypoint-initdb.d/password"},
        ports=(5432,),
        options=("-v", f"{tmp_path}:/docker-entrypoint-initdb.d:ro"),
    )
    assert query(postgres(container), "SELECT string_agg(n::text, ',' ORDER BY n) FROM steps") == "1,2,3"


def test_postgres_without_a_password_refuses_to_start(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("postgres")
    container = engine.run_container("postgres:15")
    assert container.exit_status() == 1
    assert "superuser password is not specified" in container.logs()
    both = engine.run_container("postgres:15", env={"POSTGRES_PASSWORD": "a", "POSTGRES_PASSWORD_FILE": "/b"})
    assert both.exit_status() == 1


# ---- redis:7


def test_redis_takes_arguments_and_keeps_its_data(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("redis")
    container = engine.run_container(
        "redis:7",
        "redis-server",
        "--requirepass",
        PASSWORD,
        "--appendonly",
        "yes",
        ports=(6379,),
        options=("-v", "redisdata:/data"),
    )

    def client(password: str = PASSWORD) -> redis.Redis:
        made = redis.Redis(port=container.port(6379), password=password, socket_timeout=PATIENCE_S)
        wait_until(
            made.ping, "Redis answers", tolerate=(redis.ConnectionError,) if password == PASSWORD else ()
        )
        return made

    assert str(client().info()["redis_version"]).startswith("7.")
    client().set("kept", "42")
    with pytest.raises(redis.ResponseError, match="WRONGPASS"):
        client("wrong")
    container.restart()
    assert client().get("kept") == b"42"
    assert container.engine.docker("exec", container.id, "stat", "-c", "%U", "/proc/1").strip() == "redis"


def test_redis_serves_other_hosts_without_a_password_as_the_official_image_does(
    bed: Bed, engine: Engine
) -> None:
    bed.registry.ensure("redis")
    container = engine.run_container("redis:7", ports=(6379,))
    client = redis.Redis(port=container.port(6379), socket_timeout=PATIENCE_S)
    assert wait_until(client.ping, "Redis answers", tolerate=(redis.ConnectionError,))


# ---- nginx:1.22


def test_nginx_serves_its_folder_and_logs_to_the_engine(bed: Bed, engine: Engine, tmp_path: Path) -> None:
    bed.registry.ensure("nginx")
    (tmp_path / "index.html").write_text("our page")
    tmp_path.chmod(0o755)
    container = engine.run_container(
        "nginx:1.22", ports=(80,), options=("-v", f"{tmp_path}:/usr/share/nginx/html:ro")
    )
    answer = get(container, "/")
    assert (answer.status_code, answer.text) == (200, "our page")
    assert answer.headers["Server"].startswith("nginx/1.22")
    assert get(container, "/nosuch").status_code == 404
    wait_until(lambda: "GET /nosuch" in container.logs(), "the request is in the log")
    container.stop()
    assert container.exit_status() == 0, "SIGQUIT ends it when its requests are done"


# ---- lattice-test/web:1


def test_web_answers_and_logs_each_request(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    container = engine.run_container(
        "lattice-test/web:1",
        env={"COLOUR": "blue"},
        ports=(80,),
        options=("--hostname", "box", "-v", "files:/data"),
    )
    assert get(container, "/").text == "hello from box\n"
    assert "COLOUR=blue\n" in get(container, "/env").text
    assert len(get(container, "/bytes?n=1000000").content) == 1000000
    url = f"http://127.0.0.1:{container.port(80)}"
    assert requests.post(f"{url}/echo", data=b"body", timeout=PATIENCE_S).content == b"body"
    assert requests.put(f"{url}/files/note", data=b"kept", timeout=PATIENCE_S).status_code == 200
    container.restart()
    assert get(container, "/files/note").content == b"kept"
    assert "GET /env 200\n" in container.logs()


def test_web_exits_when_and_as_it_is_told(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    assert engine.run_container("lattice-test/web:1", "--exit-status", "3").exit_status() == 3
    asked = engine.run_container("lattice-test/web:1", ports=(80,))
    get(asked, "/exit?status=7")
    assert asked.exit_status() == 7
    polite = engine.run_container("lattice-test/web:1")
    wait_until(lambda: "listening" in polite.logs(), "it listens")
    polite.stop()
    assert polite.exit_status() == 0
    stubborn = engine.run_container("lattice-test/web:1", env={"WEB_IGNORE_TERM": "1"})
    wait_until(lambda: "listening" in stubborn.logs(), "it listens")
    stubborn.stop(grace_s=1)
    assert stubborn.exit_status() == 137
    assert "SIGTERM" in stubborn.logs()


def test_web_becomes_healthy_when_it_is_told(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    ill = engine.run_container("lattice-test/web:1", "--healthy-after-ms", "3600000", ports=(80,))
    assert get(ill, "/healthz").status_code == 503
    with pytest.raises(CommandFailed):
        engine.docker("exec", ill.id, "/web", "--probe", "/healthz")
    recovers = engine.run_container("lattice-test/web:1", "--healthy-after-ms", "700", ports=(80,))
    wait_until(lambda: get(recovers, "/healthz").status_code == 200, "it is healthy")
    engine.docker("exec", recovers.id, "/web", "--probe", "/healthz")


def test_web_writes_lines_at_a_rate(bed: Bed, engine: Engine) -> None:
    bed.registry.ensure("web")
    container = engine.run_container("lattice-test/web:1", "--lines-per-second", "100", "--line-bytes", "60")
    wait_until(lambda: "line 100 " in container.logs(), "a hundred lines")
    lines = [line for line in container.logs().splitlines() if line.startswith("line ")]
    assert [int(line.split()[1]) for line in lines] == list(range(1, len(lines) + 1))
    assert {len(line) for line in lines} == {60}


# ---- several nodes


def test_two_nodes_use_the_same_port_and_a_cut_cable_cuts(
    bed: Bed, nodes: Callable[[int], list[BedNode]]
) -> None:
    bed.registry.ensure("web")
    first, second = nodes(2)
    for node in (first, second):
        node.engine.docker(
            "run", "-d", "-p", "80:80", "--hostname", f"host-{node.place.number}", "lattice-test/web:1"
        )

    def hostname(address: str, timeout_s: float = PATIENCE_S) -> str:
        return requests.get(f"http://{address}/hostname", timeout=timeout_s).text

    for node in (first, second):
        wait_until(
            lambda node=node: hostname(node.address) == f"host-{node.place.number}",
            "the node's own server answers",
            tolerate=(requests.RequestException,),
        )
    assert f"hello from host-{second.place.number}" in first.place.namespace.run(
        "curl", "-s", f"http://{second.address}/"
    )
    second.place.cut()
    with pytest.raises(requests.RequestException):
        hostname(second.address, timeout_s=2)
    assert hostname(first.address) == "host-1"
    second.place.heal()
    wait_until(
        lambda: hostname(second.address) == "host-2",
        "the healed node answers",
        tolerate=(requests.RequestException,),
    )


def test_node_can_lose_packets_and_have_its_connections_reset(
    bed: Bed, nodes: Callable[[int], list[BedNode]]
) -> None:
    bed.registry.ensure("web")
    (node,) = nodes(1)
    node.engine.docker("run", "-d", "-p", "80:80", "lattice-test/web:1")
    url = f"http://{node.address}/"
    wait_until(
        lambda: requests.get(url, timeout=PATIENCE_S).ok, "the node answers", tolerate=(requests.RequestException,)
    )
    node.place.lose(1.0)
    with pytest.raises(requests.Timeout):
        requests.get(url, timeout=1)
    node.place.heal()
    assert requests.get(url, timeout=PATIENCE_S).ok
    node.place.reset_connections()
    with pytest.raises(requests.ConnectionError, match="refused|reset"):
        requests.get(url, timeout=PATIENCE_S)


# ---- lattice-test/swift-s3:1, which stands in for MinIO


def wait_for_s3(container: Container) -> None:
    url = f"http://127.0.0.1:{container.port(9000)}/minio/health/live"
    wait_until(
        lambda: requests.get(url, timeout=PATIENCE_S).ok,
        "the S3 server is ready",
        tolerate=(requests.RequestException,),
    )


@pytest.fixture
def s3(bed: Bed, engine: Engine) -> Container:
    bed.registry.ensure("swift-s3")
    container = engine.run_container(
        "lattice-test/swift-s3:1",
        "server",
        "/data",
        env={"MINIO_ROOT_USER": "root-user", "MINIO_ROOT_PASSWORD": PASSWORD},
        ports=(9000,),
        options=("-v", "s3data:/data"),
    )
    wait_for_s3(container)
    return container


def s3_client(container: Container, user: str = "root-user", password: str = PASSWORD):  # type: ignore[no-untyped-def]
    """boto3 makes its classes as it runs, so there is no type to name."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{container.port(9000)}",
        aws_access_key_id=user,
        aws_secret_access_key=password,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 0}, connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S),
    )


def test_swift_s3_says_that_it_is_a_stand_in(s3: Container) -> None:
    labels = s3.inspect()["Config"]["Labels"]
    assert "not MinIO" in labels["org.opencontainers.image.description"]
    assert "not MinIO" in s3.logs()


def test_swift_s3_stores_and_keeps_objects(s3: Container) -> None:
    client = s3_client(s3)
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="a/b", Body=b"small", Metadata={"colour": "blue"})
    upload = client.create_multipart_upload(Bucket="photos", Key="big")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(
                Bucket="photos", Key="big", PartNumber=number, UploadId=upload, Body=b"x" * (5 << 20)
            )["ETag"],
        }
        for number in (1, 2)
    ]
    client.complete_multipart_upload(
        Bucket="photos", Key="big", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    s3.restart()
    wait_for_s3(s3)
    client = s3_client(s3)
    found = client.get_object(Bucket="photos", Key="a/b")
    assert (found["Body"].read(), found["Metadata"]) == (b"small", {"colour": "blue"})
    assert client.head_object(Bucket="photos", Key="big")["ContentLength"] == 10 << 20
    assert [each["Key"] for each in client.list_objects_v2(Bucket="photos")["Contents"]] == ["a/b", "big"]
    url = client.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "a/b"})
    assert requests.get(url, timeout=PATIENCE_S).content == b"small"
    assert requests.get(f"{url}x", timeout=PATIENCE_S).status_code == 403


def test_swift_s3_refuses_wrong_secrets_and_strangers(s3: Container) -> None:
    for user, password in (("root-user", "wrong horse"), ("nobody", PASSWORD)):
        with pytest.raises(ClientError) as refused:
            s3_client(s3, user, password).list_buckets()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    for path in ("/", "/photos/a", "/v1/AUTH_root", "/auth/v1.0"):
        assert get(s3, path, 9000).status_code == 403
