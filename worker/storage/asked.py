"""What every session asks of the server, and whether it got it.

A session asks for its deadlines, for UTF-8, and that a commit is on the server's disk when it says
so. A connection pooler between may drop what it is asked for without a word; so it is read back, in
the one round trip that also strengthens `synchronous_commit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import Error
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from worker.errors import Stop

ENCODING = "UTF8"

# The server's or the role's own may be stronger (`remote_apply`), and then stays.
_ASK = """
    select set_config('synchronous_commit', case
            when current_setting('synchronous_commit') in ('on', 'remote_apply')
            then current_setting('synchronous_commit') else 'on' end, false),
        array(select s.setting from unnest(cast(%(names)s as text[])) with ordinality
                as asked (name, place)
            left join pg_settings s on s.name = asked.name order by asked.place)
"""


def ask_and_check(engine: Engine, asked: Mapping[str, object]) -> None:
    """Have every new session of an engine looked at; `asked` is as `pg_settings` says it.

    Connecting then raises `Stop` where one of them is not what was asked for.
    """
    names = "{" + ",".join(asked) + "}"

    def check(connection: Any, _: object) -> None:
        connection.autocommit = True  # no transaction around it: one round trip
        try:
            with connection.cursor() as cursor:
                cursor.execute(_ASK, {"names": names})
                ((_, found),) = cursor.fetchall()
        except Error as error:
            raise DBAPIError.instance(
                _ASK, {}, error, Error, connection_invalidated=True
            ) from error
        finally:
            if not connection.closed:
                connection.autocommit = False
        for (name, wanted), got in zip(asked.items(), found, strict=True):
            if got != str(wanted):
                raise Stop(
                    f"The session asked the database for {name}={wanted} and has {got}.",
                    remedy="A connection pooler in between drops what is asked for at the start "
                    "(PgBouncer: ignore_startup_parameters): name the database itself in "
                    "TRIGGER_WORKER_DATABASE_URL.",
                )

    event.listen(engine, "connect", check)
