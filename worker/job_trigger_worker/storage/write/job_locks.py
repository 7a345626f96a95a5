"""Locking the rows of the platform's jobs without waiting, as far as the view allows it.

The platform's relation may be a table, a view, or a view that cannot be locked. What it allows is
found out by trying, once a session; what it does not is done in turn, for as long as `lock_timeout`
says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.errors import FatalError, JobsLocked, Locked
from job_trigger_worker.migrations.prerequisites import JOBS
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement, prepared
from job_trigger_worker.storage.write.newest_record import moment

Result = TypeVar("Result")

_SKIPS = "trigger_worker_skips_locked"
_ALLOWED = "trigger_worker_allowed"
_NOT_ALLOWED = {
    "0A000",  # a view that groups, or joins in a way that has no rows of its own to lock
    "42703",  # any view: it has no xmax, so its rows are locked before they are written
    "42501",  # roles of before: deploy/sql/roles.sql grants it
}

_SHOWN_AT = f"(select {moment('r')} from awp_job_execution r where r.id = %s.last_execution_id)"
_NOT_SHOWN = "(b.record_id is null or j.last_execution_id is distinct from b.record_id)"
_LOCK = prepared(
    f"""
    with free as materialized (
        select j.id, j.trigger_status, j.last_execution_id, j.failing_since
        from awp_automcation_job j, unnest(
            cast(:job_id as bigint[]), cast(:record_id as bigint[])) as b (job_id, record_id)
        where j.id = b.job_id and {_NOT_SHOWN}
        order by j.id for no key update of j skip locked
    )
    select f.id, f.trigger_status, f.last_execution_id, f.failing_since, {_SHOWN_AT % "f"}, false
    from free f
    union all
    select j.id, null, null, null, null, true
    from awp_automcation_job j, unnest(
        cast(:job_id as bigint[]), cast(:record_id as bigint[])) as b (job_id, record_id)
    where j.id = b.job_id and {_NOT_SHOWN} and not exists (select from free f where f.id = j.id)
    """
)
_LOCK_IN_TURN = prepared(
    f"""
    update awp_automcation_job j set last_execution_id = j.last_execution_id
    from unnest(cast(:job_id as bigint[]), cast(:record_id as bigint[])) as b (job_id, record_id)
    where j.id = b.job_id and {_NOT_SHOWN}
    returning j.id, j.trigger_status, j.last_execution_id, j.failing_since, {_SHOWN_AT % "j"}, false
    """
)


# A view over several tables would have the rows of all of them locked, which its jobs share.
_HAS_ROWS_OF_ONE_TABLE = text(
    "select pg_relation_is_updatable(cast('awp_automcation_job' as regclass), false) & 4 = 4"
)


class JobRow(NamedTuple):
    """What a job shows; `shown_at` is the moment of the record that it shows."""

    id: int
    status: int | None
    record_id: int | None
    failing_since: datetime | None
    shown_at: datetime | None


def take(connection: Connection, shown: Mapping[int, int | None]) -> tuple[list[JobRow], list[int]]:
    """Lock the jobs that do not show that record.

    Returns what they show, and the jobs that somebody else has locked.
    """
    values = {"job_id": bigints(shown), "record_id": bigints(shown.values())}
    found = allowed(connection, _LOCK, lambda each: each.rows(connection, values))
    if found is None:
        found = _LOCK_IN_TURN.rows(connection, values)
    rows = [JobRow(*shown) for *shown, is_locked in found if not is_locked]
    return rows, sorted(row[0] for row in found if row[-1])


def skips_locked(connection: Connection) -> bool:
    """True where `take` leaves out the jobs that somebody else has locked, and waits for none."""
    has_own_rows: bool | None = connection.info.get(_SKIPS)
    if has_own_rows is None:
        has_own_rows = bool(connection.execute(_HAS_ROWS_OF_ONE_TABLE).scalar_one())
        connection.info[_SKIPS] = has_own_rows
    return has_own_rows and not is_refused(connection, _LOCK)


def allowed(
    connection: Connection, statement: PreparedStatement, run: Callable[[PreparedStatement], Result]
) -> Result | None:
    """What `run` returns; None where the platform's relation does not allow this statement.

    That is found out by the first try of a session.
    """
    known: dict[str, bool] = connection.info.setdefault(_ALLOWED, {})
    is_allowed = known.get(statement.name)
    if is_allowed is None:
        try:
            with connection.begin_nested():
                found = run(statement)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _NOT_ALLOWED:
                raise
            known[statement.name] = False
            return None
        known[statement.name] = True
        return found
    return run(statement) if is_allowed else None


def is_refused(connection: Connection, statement: PreparedStatement) -> bool:
    """True where `allowed` has found that this statement is not."""
    known: dict[str, bool] = connection.info.get(_ALLOWED, {})
    return known.get(statement.name) is False


@contextmanager
def not_waiting() -> Iterator[None]:
    """Raise `JobsLocked` where a lock was waited for in vain.

    A trigger of the platform that may not do its part is a `FatalError` that names the jobs.
    """
    try:
        yield
    except DBAPIError as error:
        problem = errors.classify(error, is_write=True)
        if isinstance(problem, Locked):
            raise JobsLocked(problem.message) from error
        if (
            isinstance(problem, FatalError)
            and (told := errors.in_a_trigger(error, JOBS)) is not None
        ):
            raise told from error
        raise
