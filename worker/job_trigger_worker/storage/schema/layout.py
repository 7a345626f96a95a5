"""Whether the tables that the worker writes are here, and of this version."""

from __future__ import annotations

from sqlalchemy import Connection, text

from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.db import search_path

_NEEDED = {
    "awp_trigger_database": ("id", "secret"),
    "awp_trigger_ledger": ("last_offset", "lost", "rewound"),
    "awp_trigger_outbox": ("payload",),
    "awp_job_reprojection": ("job_id",),
    "awp_dead_letter": ("origin_offset", "reason", "nonce"),
    "awp_job_execution": ("execution_id", "idempotency_key", "triggered_by_verified", "ledger_id"),
    "awp_automcation_job": ("trigger_status", "last_execution_id", "failing_since"),
}
"""Tables and columns, those that came last included: what an older version lacks."""

_PLATFORMS = ("awp_automcation_job", "awp_job_execution")
"""What may stand in another schema than the rest; ours are where the ledger is, or not there."""

_LOOK = text(
    """
    with needed as (
        select n.relation, n."column", to_regclass(n.relation) as found
        from unnest(cast(:relations as text[]), cast(:columns as text[])) as n (relation, "column")
    )
    select current_database() as database, current_setting('search_path') as search_path,
        array(select distinct relation from needed where found is null) as absent,
        array(select relation || '.' || "column" from needed where found is not null
            and not exists (select from pg_attribute a where a.attrelid = found
                and a.attname = "column" and a.attnum > 0 and not a.attisdropped)
            order by 1) as older
    """
)
_COUNT = text("select count(*) from awp_trigger_database")


def check(connection: Connection) -> None:
    """Raise `FatalError` where a table or column is missing, with what is there instead."""
    pairs = [(relation, column) for relation, columns in _NEEDED.items() for column in columns]
    row = connection.execute(
        _LOOK,
        {
            "relations": [relation for relation, _ in pairs],
            "columns": [column for _, column in pairs],
        },
    ).one()
    if row.absent:
        theirs = [relation for relation in row.absent if relation in _PLATFORMS]
        for relation, found in sorted(search_path.find(connection, theirs).items()):
            raise found.told(f"The table {relation} is")
        raise FatalError(
            f"The database {row.database} lacks {', '.join(sorted(row.absent))} "
            f"(search_path is {row.search_path}).",
            remedy="Run `trigger-worker migrate` as the owner of the tables, or correct "
            "TRIGGER_WORKER_DATABASE_URL.",
        )
    if row.older:
        raise FatalError(
            f"The tables of the database {row.database} are of an older version: "
            f"{', '.join(row.older)} is missing.",
            remedy="Run `trigger-worker migrate` as the owner of the tables.",
        )
    if connection.execute(_COUNT).scalar_one() != 1:
        raise FatalError(
            f"The table awp_trigger_database of the database {row.database} has lost its row.",
            remedy="It says which database the consumer groups' offsets are copies of. Once you "
            "know that this is the one, run `insert into awp_trigger_database default values`, "
            "then `trigger-worker topics resume --from database`.",
        )
