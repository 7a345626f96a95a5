"""Tables or views in a schema that `search_path` leaves out, named in the same words."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg2 import Error
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db.arrays import texts

_LEDGER = "awp_trigger_ledger"
_FOUND = """
    select cast(c.relname as text), string_agg(s.nspname, ', ' order by s.nspname),
        current_database(), current_setting('search_path'), current_user,
        bool_or(has_schema_privilege(s.oid, 'usage'))
    from pg_class c join pg_namespace s on s.oid = c.relnamespace
    where c.relname = any(cast({names} as text[])) and c.relkind in ('r', 'p', 'v', 'm', 'f')
    group by c.relname having to_regclass(cast(c.relname as text)) is null
"""


class OtherSchema(NamedTuple):
    """Where a relation is that a session does not find by its name; `schema` may be several."""

    relation: str
    schema: str
    database: str
    search_path: str
    role: str
    may_use: bool

    def told(self, what: str) -> FatalError:
        """The sentence; `what` is one with its verb, such as "The worker's tables are"."""
        where = f"{what} in schema {self.schema} of the database {self.database}"
        if not self.may_use:
            return FatalError(
                f"{where}, which the role {self.role} may not use.",
                remedy="Grant it usage on that schema, as deploy/sql/roles.sql does for those of "
                "its own search_path.",
            )
        return FatalError(
            f"{where}, and search_path is {self.search_path}.",
            remedy="Name the schema in TRIGGER_WORKER_DATABASE_URL: "
            "?options=-csearch_path%3DSCHEMA, or set it for the role.",
        )


def find(connection: Connection, names: list[str]) -> dict[str, OtherSchema]:
    """Those of these relations that are in other schemas only, by name."""
    rows = connection.execute(text(_FOUND.format(names=":names")), {"names": texts(names)})
    return {row[0]: OtherSchema(*row) for row in rows}


def attend(engine: Engine) -> None:
    """Make connecting raise `FatalError` if the worker's tables are only in other schemas.

    A database that has none is no matter of a schema, and connects.
    """
    event.listen(engine, "connect", _check)


def _check(connection: Any, _: object) -> None:
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(_FOUND.format(names="%(names)s"), {"names": [_LEDGER]})
            found = cursor.fetchone()
    except Error as error:
        raise DBAPIError.instance(_FOUND, {}, error, Error, connection_invalidated=True) from error
    finally:
        if not connection.closed:
            connection.autocommit = False
    if found is not None:
        raise OtherSchema(*found).told("The worker's tables are")
