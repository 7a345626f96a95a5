"""What somebody at a prompt may have locked while the worker works."""

import psycopg2.extensions


def locks_an_outbox_row(session: psycopg2.extensions.connection) -> bool:
    """Lock a row of the outbox, where there is one that is free; its transaction stays open."""
    with session.cursor() as cursor:
        cursor.execute("select from awp_trigger_outbox order by id limit 1 for update skip locked")
        if cursor.rowcount:
            return True
    session.rollback()
    return False
