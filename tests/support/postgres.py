"""A client of PostgreSQL, given an address as `lattice show` prints it."""

import psycopg2

from .waiting import PATIENCE_S, wait_until


def connect(url: str) -> "psycopg2.extensions.connection":
    connection = psycopg2.connect(url, connect_timeout=PATIENCE_S)
    connection.autocommit = True
    return connection


def ask(url: str, sql: str) -> list[tuple]:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def ask_until(url: str, sql: str) -> list[tuple]:
    return wait_until(lambda: ask(url, sql), f"{sql!r} is answered", tolerate=(psycopg2.OperationalError,))
