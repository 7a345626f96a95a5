"""Changes to filled tables that other sessions are using.

On the way up every statement commits alone and can be run again, so no lock is held from one
statement to the next, and a revision that failed half-way is finished by running it again. The way
down only drops, which takes moments, so it is one transaction: all of it, or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import cleandoc

from alembic import context, op
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

VERSION_TABLE = "awp_trigger_revision"
"""Where Alembic notes the revision that a database is at."""

BASELINE_MARK = "trigger-worker: made by revision 0001"
STAND_IN_MARK = "trigger-worker: made by revision 0003, the platform had none"
"""Comments on tables that are ours to drop; a platform's own tables have none of them."""
COLUMN_MARK = "trigger-worker: added by a migration"
"""The same of a column in a table that is not ours."""

_LOCK_IS_TAKEN = {"55P03", "40P01"}
_HAS_DEPENDENTS = "2BP01"


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


class NotChanged(Exception):
    """Somebody else's transaction or object is in the way; `remedy` says what to do about it.

    What is done already stays done, and the same command goes on behind it.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class TableLocked(Exception):
    """Another session holds a table: nothing has changed, and the change has to be tried again."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


@contextmanager
def changing() -> Iterator[None]:
    """Statements in this block commit one by one, with a short lock_timeout."""
    with op.get_context().autocommit_block():
        op.execute("set client_min_messages = warning")
        op.execute("set statement_timeout = 0")
        op.execute(f"set lock_timeout = {_patience().lock_timeout_ms}")
        yield
        op.execute("reset lock_timeout")
        op.execute("reset statement_timeout")
        op.execute("reset client_min_messages")


def run(statement: str) -> None:
    """Run a statement that can run again; `--sql` prints it without the indentation it has here."""
    op.execute(cleandoc(statement))


def short(table: str, statement: str) -> None:
    """Run a statement that needs a strong lock on `table` for a moment, and that can run again.

    Raises `NotChanged` when the lock could not be had; nothing has changed then.
    """
    patience = _patience()
    for attempt in range(1, patience.attempts + 1):
        try:
            run(statement)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _LOCK_IS_TAKEN:
                raise
            if attempt == patience.attempts:
                raise stayed_locked(op.get_bind(), table, patience) from None
            time.sleep(patience.pause_s)
        else:
            return


def stayed_locked(connection: Connection, table: str, patience: Patience) -> NotChanged:
    """What to raise when all attempts were in vain; names who holds the table."""
    return NotChanged(
        f"Table {table} stayed locked by {_holders(connection, table)}: "
        f"{patience.attempts} attempts of {patience.lock_timeout_ms} ms each.",
        remedy="End that session's transaction and run the migration again; "
        "it goes on where it stopped.",
    )


def at_once(statements: Iterable[tuple[str, str]]) -> None:
    """Run statements, each with the table that it is about, in the migration's own transaction.

    Raises `TableLocked` when a lock could not be had, and `NotChanged` when somebody else's object
    needs what is dropped. Nothing has changed then.
    """
    run(f"set local lock_timeout = {_patience().lock_timeout_ms}")
    run("set local statement_timeout = 0")
    for table, statement in statements:
        try:
            run(statement)
        except DBAPIError as error:
            code = getattr(error.orig, "pgcode", None)
            if code in _LOCK_IS_TAKEN:
                raise TableLocked(table) from error
            if code == _HAS_DEPENDENTS:
                raise _needed(error) from error
            raise


def _needed(error: DBAPIError) -> NotChanged:
    """What to raise for an object of the platform's that needs ours, in the server's words."""
    diagnosis = getattr(error.orig, "diag", None)
    detail = getattr(diagnosis, "message_detail", None) or str(error.orig)
    return NotChanged(
        f"What goes is still needed: {'; '.join(detail.strip().splitlines())}. "
        "Nothing was changed.",
        remedy="Drop what needs it, or define it anew without it, and run the command again.",
    )


def index(name: str, table: str, definition: str, *, is_unique: bool = False) -> None:
    """Build an index while the table is written to; rebuild one that a failure left invalid.

    `definition` is what stands behind the table's name: the columns in brackets, and the rest.

    Raises `NotChanged` when transactions older than the build do not end.
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
        raise NotChanged(
            f"Index {name} on {table} waited {patience.index_lock_timeout_ms} ms for transactions "
            "that began before it.",
            remedy="End them (pg_stat_activity, the oldest xact_start) and run the migration "
            "again; it builds the index anew.",
        ) from None
    op.execute(f"set lock_timeout = {patience.lock_timeout_ms}")


def add_columns(table: str, columns: dict[str, str]) -> None:
    """Add the columns that are not there to a table; where there is none, or a view, do nothing.

    Types must be null by default or have a constant default: then no row is rewritten.
    """
    wanted = ", ".join(f"('{name}', '{kind}')" for name, kind in columns.items())
    short(
        table,
        f"""
        do $migration$
        declare
            added text[];
            actions text;
        begin
            select array_agg(w.name), string_agg(format('add column %I %s', w.name, w.kind), ', ')
            into added, actions
            from pg_class c cross join (values {wanted}) as w (name, kind)
            where c.oid = to_regclass('{table}') and c.relkind in ('r', 'p')
              and not exists (select from pg_attribute a
                              where a.attrelid = c.oid and a.attname = w.name
                                and not a.attisdropped);
            if actions is null then
                return;
            end if;
            execute 'alter table {table} ' || actions;
            for place in 1 .. cardinality(added) loop
                execute format(
                    'comment on column {table}.%I is %L', added[place], '{COLUMN_MARK}');
            end loop;
        end $migration$
        """,
    )


def drop_columns(table: str, columns: dict[str, str]) -> str:
    """SQL that drops those of the columns that `add_columns` has added, none of the platform's.

    Their space is freed as rows are written again.
    """
    wanted = ", ".join(f"'{name}'" for name in columns)
    return f"""
        do $migration$
        declare
            actions text;
        begin
            select string_agg(format('drop column %I', a.attname), ', ') into actions
            from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
            where c.oid = to_regclass('{table}') and c.relkind in ('r', 'p')
              and a.attname in ({wanted})
              and col_description(a.attrelid, a.attnum) = '{COLUMN_MARK}';
            if actions is not null then
                execute 'alter table {table} ' || actions;
            end if;
        end $migration$
        """


def _patience() -> Patience:
    found = context.config.attributes.get("patience")
    return found if isinstance(found, Patience) else Patience()


def _holders(connection: Connection, table: str) -> str:
    """The sessions that hold a lock on a table, in words."""
    rows = connection.execute(
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
