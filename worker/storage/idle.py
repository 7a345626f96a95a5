"""Sessions that end while nobody uses them: a server, a pooler or a firewall may do that."""

from __future__ import annotations

import select
from typing import Any

import psycopg2
from sqlalchemy import Connection


def why_ended(connection: Connection) -> str | None:
    """Why an idle connection is of no use any more; None while it is.

    Costs no statement unless something has arrived on it, which a server sends unasked only when
    it ends the session, or tells of a changed setting.
    """
    driver: Any = connection.connection.dbapi_connection
    if driver.closed:
        return "it was closed"
    arrived = select.poll()
    arrived.register(driver.fileno(), select.POLLIN)
    if not arrived.poll(0):
        return None
    try:
        with driver.cursor() as cursor:
            cursor.execute("select")
        driver.rollback()
    except (psycopg2.Error, UnicodeDecodeError) as error:
        return getattr(error, "pgcode", None) or "it was cut"
    return None


def server_of(connection: Connection) -> str:
    """What tells one run of a server from another: nothing committed is lost within one."""
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute("select pg_postmaster_start_time()::text, inet_server_addr()::text")
        started_at, address = cursor.fetchone()
    driver.rollback()
    return f"{address} {started_at}"
