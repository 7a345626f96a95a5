"""Records of the past in a platform's table, so that what follows meets it at its size."""

import psycopg2.extensions

from tests.support.sql import session

_STEP = 500_000
_GROWN = (
    "awp_job_execution_pkey",
    "awp_job_execution_idempotency_key",
    "awp_job_execution_newest",
)
"""Where rows go to all over: built in one go, their pages would be full and split at once."""

# One in a hundred failed, as the servers of `inventory` have it. Each step's slots lie a year back.
_INSERT = """
    insert into awp_job_execution (job_id, job_type, execution_id, created_at, trigger_id,
        idempotency_key, trigger_kind, triggered_by, scheduled_at, fired_at, decided_at,
        trigger_status, trigger_code, trigger_message, findings, causes, job_name, owner_id,
        target_id, targets, ledger_id, origin_offset)
    select job_id, case when job_id % 4 = 0 then 'workflow' else 'action' end, key, at, key, key,
        'schedule', 'common-job', at, at, at, case when is_bad then 2 else 1 end,
        case when is_bad then 'server_powered_off' end, case when is_bad then said end,
        case when is_bad then jsonb_build_array(jsonb_build_object('code', 'server_powered_off',
            'message', said, 'server_id', cast(job_id % 1000 + 1 as text))) end,
        case when is_bad then array['server_powered_off:server=' || job_id % 1000 + 1] end,
        'nightly-backup-' || job_id, job_id % 100 + 1, job_id % 40 + 1,
        jsonb_build_array(jsonb_build_object('server_id', cast(job_id % 1000 + 1 as text),
            'ip', '10.0.0.7', 'account', 'deploy',
            'credential_id', cast(job_id % 1000 + 1 as text))),
        1, n
    from (
        select n, n % {jobs} + 1 as job_id, n % 100 = 0 as is_bad,
            cast(lpad(to_hex(cast(extract(epoch from at) * 1000 as bigint)), 12, '0') || '8'
                || substr(md5(n || 'key'), 1, 19) as uuid) as key,
            at, 'Server ' || n % 1000 || ' (10.0.0.7, db-7) is powered off.' as said
        from (
            select n, now() - interval '1 year' + n * interval '1 second' as at
            from generate_series(cast({first} as bigint), {last}) n
        ) as timed
    ) as drawn
"""


def fill_up(url: str, *, records: int, jobs: int) -> None:
    """Add records until the table has so many, and vacuum; none is taken away.

    Indexes that rows go into all over grow as they do in life; the others are rebuilt.
    """
    with session(url, application="fill") as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        cursor.execute("set synchronous_commit = off; set maintenance_work_mem = '512MB'")
        cursor.execute("select count(*) from awp_job_execution")
        ((there,),) = cursor.fetchall()
        if there >= records:
            return
        rebuilt = _without_indexes(cursor)
        for first in range(there, records, _STEP):
            values = {"jobs": jobs, "first": first, "last": min(first + _STEP, records) - 1}
            cursor.execute(_INSERT.format(**values))
        for statement in rebuilt:
            cursor.execute(statement)
        cursor.execute("vacuum (analyze) awp_job_execution")
        cursor.execute("checkpoint")


def _without_indexes(cursor: psycopg2.extensions.cursor) -> list[str]:
    """Drop the other indexes; what builds them again."""
    cursor.execute(
        "select indexname, indexdef from pg_indexes where tablename = 'awp_job_execution' "
        "and indexname <> all(%s)",
        (list(_GROWN),),
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"drop index {name}")
    return [definition for _, definition in found]
