"""Sessions that end while nobody uses them: a server, a pooler or a firewall may do that."""

from __future__ import annotations

import select
from typing import Any

import psycopg2
from sqlalchemy import Connection

_DATABASE = """
    select concat_ws(' ', pg_postmaster_start_time(), inet_server_addr(), inet_server_port(), d.oid,
        pg_relation_filenode(to_regclass('awp_trigger_ledger'))), pg_backend_pid()
    from pg_database d where d.datname = current_database()
"""


def why_ended(connection: Connection) -> str | None:
    """Why an idle connection can no longer be used; None while it can.

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


def database_of(connection: Connection) -> tuple[str, int]:
    """What tells a database from a copy of it, and from itself after its server was started again.

    Where that is the same, nothing committed was lost: neither the server nor the database nor the
    ledger's table is another one. And the server's own pid of the session: a pooler tells a client
    another one.
    """
    with connection.begin():
        database, pid = connection.exec_driver_sql(_DATABASE).one()
    return str(database), int(pid)
