"""Changes to filled tables that other sessions are using.

Every statement commits alone and can be run again, so no lock is held from one statement to the
next, and a revision that failed half-way is finished by running it again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import cleandoc

from alembic import context, op
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from worker.errors import Stop

VERSION_TABLE = "awp_trigger_revision"
"""Where Alembic notes the revision that a database is at."""

BASELINE_MARK = "trigger-worker: made by revision 0001"
STAND_IN_MARK = "trigger-worker: made by revision 0003, the platform had none"
"""Comments on tables that are ours to drop; a platform's own tables have none of them."""

_LOCK_IS_TAKEN = {"55P03", "40P01"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How a change waits for a lock that another session holds.

    While a change waits, everybody who comes later waits behind it: so it waits `lock_timeout_ms`,
    lets the others pass for `pause_s`, and tries again, `attempts` times in all. An index that is
    built concurrently holds nobody up while it waits for older transactions, so it waits longer.
    """

    lock_timeout_ms: int = 1_000
    attempts: int = 20
    pause_s: float = 2.0
    index_lock_timeout_ms: int = 600_000


@contextmanager
def changing() -> Iterator[None]:
    """Statements in this block commit one by one, with a short lock_timeout."""
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = 0")
        op.execute(f"set lock_timeout = {_patience().lock_timeout_ms}")
        yield
        op.execute("reset lock_timeout")
        op.execute("reset statement_timeout")


def run(statement: str) -> None:
    """Run a statement that can run again; `--sql` prints it without the indentation it has here."""
    op.execute(cleandoc(statement))


def short(table: str, statement: str) -> None:
    """Run a statement that needs a strong lock on `table` for a moment, and that can run again.

    Raises `Stop` when the lock could not be had; nothing has changed then.
    """
    patience = _patience()
    for attempt in range(1, patience.attempts + 1):
        try:
            run(statement)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _LOCK_IS_TAKEN:
                raise
            if attempt == patience.attempts:
                raise Stop(
                    f"Table {table} stayed locked by {_holders(table)}: "
                    f"{attempt} attempts of {patience.lock_timeout_ms} ms each.",
                    remedy="End that session's transaction and run the migration again; "
                    "it goes on where it stopped.",
                ) from None
            time.sleep(patience.pause_s)
        else:
            return


def index(name: str, table: str, definition: str, *, is_unique: bool = False) -> None:
    """Build an index while the table is written to; one left invalid by a failure is built anew.

    `definition` is what stands behind the table's name: the columns in brackets, and the rest.

    Raises `Stop` when transactions older than the build do not end.
    """
    short(
        table,
        f"""
        do $migration$ begin
            if exists (select from pg_index
                       where indexrelid = to_regclass('{name}') and not indisvalid) then
                drop index {name};
            end if;
        end $migration$
        """,
    )
    patience = _patience()
    unique = "unique " if is_unique else ""
    op.execute(f"set lock_timeout = {patience.index_lock_timeout_ms}")
    try:
        run(f"create {unique}index concurrently if not exists {name} on {table} {definition}")
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) not in _LOCK_IS_TAKEN:
            raise
        raise Stop(
            f"Index {name} on {table} waited {patience.index_lock_timeout_ms} ms for transactions "
            "that began before it.",
            remedy="End them (pg_stat_activity, the oldest xact_start) and run the migration "
            "again; it builds the index anew.",
        ) from None
    op.execute(f"set lock_timeout = {patience.lock_timeout_ms}")


def add_columns(table: str, columns: dict[str, str]) -> None:
    """Add columns to a table that may be absent, or a view of the platform's: then nothing is done.

    Types must be null by default or have a constant default: then no row is rewritten.
    """
    short(table, _if_table(table, _each("add column if not exists", columns)))


def drop_columns(table: str, columns: dict[str, str]) -> None:
    """Drop columns that `add_columns` added; their space is freed as rows are written again."""
    short(table, _if_table(table, _each("drop column if exists", dict.fromkeys(columns, ""))))


def _each(action: str, columns: dict[str, str]) -> str:
    return ", ".join(f"{action} {name} {kind}".rstrip() for name, kind in columns.items())


def _if_table(table: str, change: str) -> str:
    return f"""
        do $migration$ begin
            if exists (select from pg_class
                       where oid = to_regclass('{table}') and relkind in ('r', 'p')) then
                alter table {table} {change};
            end if;
        end $migration$
        """


def _patience() -> Patience:
    found = context.config.attributes.get("patience")
    return found if isinstance(found, Patience) else Patience()


def _holders(table: str) -> str:
    """The sessions that hold a lock on a table, in words."""
    rows = op.get_bind().execute(
        text(
            """
            select distinct pid, coalesce(nullif(application_name, ''), 'no name') as application
            from pg_locks join pg_stat_activity using (pid)
            where relation = to_regclass(:table) and granted and pid <> pg_backend_pid()
            order by pid
            """
        ),
        {"table": table},
    )
    found = [f"session {row.pid} ({row.application})" for row in rows]
    return ", ".join(found) or "a session that has ended since"
