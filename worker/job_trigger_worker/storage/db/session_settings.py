"""The settings of every session, and whether the server applied them.

A session asks for its deadlines, for UTF-8, and that a commit is on the server's disk when it says
so. It does so in its first statement, and not while it connects: connection poolers drop or refuse
what is asked for then. It is read back in a transaction of its own, because a pooler may also
answer from another session, or clear this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import Error
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from job_trigger_worker.errors import FatalError

ENCODING = "UTF8"

# The server's or the role's own may be stronger (`remote_apply`), and then stays.
_ASK = """
    select set_config('synchronous_commit', case
            when current_setting('synchronous_commit') in ('on', 'remote_apply')
            then current_setting('synchronous_commit') else 'on' end, false),
        (select count(set_config(name, value, false))
            from unnest(cast(%(names)s as text[]), cast(%(values)s as text[])) as s (name, value))
"""
_READ = """
    select array(select s.setting from unnest(cast(%(names)s as text[])) with ordinality
            as asked (name, place)
        left join pg_settings s on s.name = asked.name order by asked.place)
"""
_REFUSED = ("22", "42")
"""Classes of SQLSTATEs for a setting that does not exist, or may not have this value."""


def ask_and_check(
    engine: Engine, asked: Mapping[str, object], said: Mapping[str, str] | None = None
) -> None:
    """Have every new session of an engine set, and looked at; `asked` is as `pg_settings` says it.

    `said` are settings of the database's address; those asked for stand above them. Connecting then
    raises `FatalError` where the session has something else than it asked for.
    """
    wanted = {**(said or {}), **{name: str(value) for name, value in asked.items()}}
    values = {"names": list(wanted), "values": list(wanted.values())}

    def check(connection: Any, _: object) -> None:
        connection.autocommit = True  # each in a transaction of its own
        try:
            with connection.cursor() as cursor:
                cursor.execute(_ASK, values)
                cursor.execute(_READ, {"names": list(asked)})
                ((found,),) = cursor.fetchall()
        except Error as error:
            if (error.pgcode or "").startswith(_REFUSED):
                raise FatalError(
                    f"The session cannot be set up as required: {str(error).splitlines()[0]}.",
                    remedy="Correct `options` in TRIGGER_WORKER_DATABASE_URL.",
                ) from error
            raise DBAPIError.instance(
                _ASK, {}, error, Error, connection_invalidated=True
            ) from error
        finally:
            if not connection.closed:
                connection.autocommit = False
        for (name, value), got in zip(asked.items(), found, strict=True):
            if got != str(value):
                raise FatalError(
                    f"The session set {name}={value} and has {got}.",
                    remedy="A connection pooler in between clears what a session has set, or "
                    "answers from another one: have it use session pooling (PgBouncer: "
                    "pool_mode=session), or name the database itself in "
                    "TRIGGER_WORKER_DATABASE_URL.",
                )

    event.listen(engine, "connect", check)
