"""A platform and its history as large as the console's figures are meant for, made by SQL.

Everything follows from numbers by a hash, so two fills of one size are alike. Records lie over 90
days before `now`, their ids in the order of time. Beside runs of every status in both histories
there are jobs that never ran, rows without us (R11), canaries, replays of older slots, and records
of jobs that are gone.

Causes are as uneven as they are in life: one broke a twentieth of all jobs a month ago, one breaks
31 busy jobs since yesterday, some 500 break a few hundred or one, and each trigger that came too
late is a cause of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2.extensions

from tests.support.sql import session

OWNERS = 2_000
GROUPS = 120
WIDE, TEAM, NARROW = 1_119, 1_001, 1_120
"""Groups: of 100 owners, of 17 as any, and of the one who has the fewest jobs."""

DAYS = 90
BUSY = 200
"""Jobs that are due every few minutes: they have three records in ten."""

BROKE_MANY = "server_not_found:server=1"
BROKE_31 = "server_powered_off:server=7"
_STEP = 500_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill has made: `now` is the end of its history."""

    url: str
    jobs: int
    records: int
    now: datetime


_FUNCTIONS = """
    -- The same number between 0 and 1 for the same two.
    create function chance(n bigint, salt int) returns float8 language sql immutable parallel safe
    return cast(hashint8extended(n, salt) & 1073741823 as float8) / 1073741824;

    create function owner_of(job bigint) returns bigint language sql immutable parallel safe
    return 1 + cast(floor(power(chance(job, 30), 1.5) * {owners}) as bigint);

    create function type_of(job bigint) returns text language sql immutable parallel safe
    return case when job % 4 = 0 then 'workflow' else 'action' end;

    create function name_of(job bigint) returns text language sql immutable parallel safe
    return (array['backup', 'rotate-logs', 'sync', 'report', 'check', 'cleanup', 'patch', 'deploy',
                  'Export', '每日对账'])[1 + cast(floor(chance(job, 31) * 10) as int)]
        || '-' || (array['ber', 'fra', 'sha', 'pek', 'sin', 'nyc'])[1 + job % 6]
        || '-' || cast(floor(chance(job, 32) * {jobs}) as int);

    create function cause_of(root bigint) returns text language sql immutable parallel safe
    return case root % 6
        when 0 then 'server_powered_off:server=' || root
        when 1 then 'server_not_found:server=' || root
        when 2 then 'account_not_found:server=' || root || ',account=deploy'
        when 3 then 'credential_not_found:credential=' || root
        when 4 then 'permission_denied:owner=' || root || ',action=' || root % 80 + 1
        else 'automation_not_found:action=' || root end;
"""

_PLATFORM = """
    insert into awp_user (id, login, name)
    select n, 'user-' || n, 'User ' || n from generate_series(1, {owners}) n;
    insert into awp_user_group (id, name)
    select 1000 + n, 'team-' || n from generate_series(1, {groups}) n;
    insert into awp_user_group_member (user_id, group_id)
    select n, 1001 + n % ({groups} - 2) from generate_series(1, {owners}) n
    union all
    select n, {wide} from generate_series(1, {owners}) n where n % 20 = 3
    union all select {owners}, {narrow};
    insert into awp_action (id, name, enabled)
    select n, 'Action ' || n, true from generate_series(1, 80) n;
    insert into awp_workflow (id, name, enabled)
    select n, 'Workflow ' || n, true from generate_series(1, 40) n;
"""

_DRAWN = """
    select n, job_id, at, type_of(job_id) as job_type,
        cast(lpad(to_hex(cast(extract(epoch from at) * 1000 as bigint)), 12, '0') || '8'
            || substr(md5('run' || n), 1, 19) as uuid) as run_id,
        case when draw < 0.002 then 'canary' when draw < 0.012 then 'manual'
            when draw < 0.015 then 'replay' else 'schedule' end as kind,
        n % 200 = 7 as is_foreign, chance(n, 5) as fate,
        case
            when job_id > {jobs} then 'job_not_found:job=' || job_id
            when place between 100 and 130 and at > {now} - interval '1 day' then '{broke_31}'
            when chance(job_id, 20) < 0.06 and at > {now} - interval '30 days'
                then '{broke_many}'
            when chance(job_id, 20) between 0.06 and 0.085
                and at > {now} - interval '60 days' * chance(job_id, 22)
                then cause_of(8 + cast(floor(power(chance(job_id, 21), 3) * 500) as bigint))
            when chance(n, 6) < 0.003 then 'expired:job=' || job_id
            when chance(n, 6) < 0.005
                then cause_of(8 + cast(floor(chance(n, 7) * 500) as bigint))
        end as cause
    from (
        select n, place, draw, {now} - ({records} - n) * interval '{days} days' / {records} as at,
            case when draw > 0.999 then {jobs} + 1 + n % 500 else 1 + place * 7919 % {jobs} end
                as job_id
        from (
            select cast(n as bigint) as n, chance(n, 4) as draw, cast(floor(
                case when chance(n, 1) < 0.3 then chance(n, 2) * {busy}
                else power(chance(n, 2), 1.3) * {jobs} * 0.97 end) as bigint) as place
            from generate_series({first}, {last}) n
        ) as placed
    ) as timed
"""

_RECORDS = f"""
    insert into awp_job_execution (id, job_id, job_type, execution_id, created_at, trigger_id,
        idempotency_key, trigger_kind, triggered_by, scheduled_at, fired_at, decided_at,
        trigger_status, trigger_code, trigger_message, findings, causes, job_name, owner_id,
        target_id, targets, duplicate_count, origin_offset)
    select n, job_id, job_type, run_id, at,
        case when is_ours then key end, case when is_ours then key end,
        case when is_ours then kind end, case when is_ours then 'common-job' end,
        slot, slot, case when is_ours then at end, case when is_ours then
            case when cause is null then 1 else 2 end end,
        split_part(cause, ':', 1), said,
        case when cause is not null then jsonb_build_array(jsonb_build_object(
            'code', split_part(cause, ':', 1), 'message', said,
            'server_id', split_part(cause, '=', 2))) end,
        case when fate < 0.1 and cause is not null then array[cause, cause_of(8 + n % 500)]
            when cause is not null then array[cause] end,
        case when is_ours then name_of(job_id) end, case when is_ours then owner_of(job_id) end,
        case when is_ours then job_id % 40 + 1 end,
        case when is_ours and cause is null then jsonb_build_array(jsonb_build_object(
            'server_id', cast(n % 9000 as text), 'ip', '10.0.0.7', 'account', 'deploy',
            'credential_id', cast(n % 9000 as text))) end,
        case when n % 997 = 0 then 1 else 0 end, case when is_ours then n end
    from (
        select *, run_id as key,
            case when is_ours then date_trunc('minute', at)
                - case when kind = 'replay' then interval '1 day' else interval '0' end end as slot,
            'What ' || split_part(cause, ':', 2) || ' names (10.0.0.7, db-07) does not exist.'
                as said
        from (select n, job_id, job_type, at, run_id, kind, fate, not is_foreign as is_ours,
                case when not is_foreign then cause end as cause
              from ({_DRAWN}) as drawn offset 0) as made
    ) as written
"""

# What is younger than two hours may still run.
_RUNS = f"""
    insert into awp_{{type}}_execution (execution_id, status, message, accepted_at, started_at,
        ended_at)
    select run_id, status, case when status = 'failed' then 'exit code 1' end, at,
        case when status not in ('accepted', 'rejected') then at + interval '1 second' end,
        case when status not in ('accepted', 'running') then at + interval '40 seconds' end
    from (
        select run_id, at, case
            when at > {{now}} - interval '2 hours' and fate < 0.1 then 'running'
            when at > {{now}} - interval '2 hours' and fate < 0.15 then 'accepted'
            when fate < 0.03 then 'failed' when fate < 0.04 then 'cancelled'
            when fate < 0.045 then 'rejected' when fate < 0.047 then 'PAUSED'
            when fate < 0.99 then 'succeeded' end as status
        from ({_DRAWN}) as drawn
        where job_type = '{{type}}' and (cause is null or is_foreign)
    ) as told
    where status is not null
"""

_JOBS = """
    insert into awp_automcation_job (id, name, job_type, target_id, owner_id, enabled, schedule,
        timezone, updated_at, paramter, trigger_status, trigger_message, last_execution_id,
        last_scheduled_at, failing_since, consecutive_failures)
    select n, name_of(n), type_of(n), n % 40 + 1, owner_of(n), n % 33 <> 0,
        case n % 8
            when 0 then '*/10 * * * *'
            when 1 then n / 8 % 60 || ' * * * *'
            when 2 then n / 8 % 60 || ' */4 * * *'
            else n / 8 % 60 || ' ' || n / 480 % 24 || ' * * *' end,
        (array['Asia/Shanghai', 'Europe/Berlin', 'UTC'])[1 + n / 100 % 3],
        {now} - interval '700 days' * chance(n, 33),
        case when n % 4 = 0 then jsonb_build_object('nodes', jsonb_build_array(jsonb_build_object(
                'node_id', 'n1', 'action_id', '1', 'servers', jsonb_build_array(target))))
            else jsonb_build_object('script', 'run.sh', 'servers', jsonb_build_array(target)) end,
        newest.trigger_status, newest.trigger_message, newest.id, newest.scheduled_at,
        failing.since, coalesce(failing.number, 0)
    from generate_series(cast(1 as bigint), {jobs}) n
    cross join lateral (select jsonb_build_object('server_id', cast(n % 9000 as text),
        'ip', '10.0.0.7', 'account', 'deploy') as target offset 0) as saved
    left join (
        select distinct on (job_id) job_id, id, scheduled_at, trigger_status, trigger_message
        from awp_job_execution
        where trigger_kind is distinct from 'canary' and scheduled_at is not null
        order by job_id, scheduled_at desc nulls last, id desc
    ) as newest on newest.job_id = n
    left join (
        select f.job_id, min(f.scheduled_at) as since, count(*) as number
        from awp_job_execution f left join (
            select job_id, max(scheduled_at) as last_at from awp_job_execution
            where trigger_status = 1 and trigger_kind is distinct from 'canary' group by job_id
        ) as passed on passed.job_id = f.job_id
        where f.trigger_status = 2 and f.trigger_kind is distinct from 'canary'
          and f.scheduled_at > coalesce(passed.last_at, '-infinity')
        group by f.job_id
    ) as failing on failing.job_id = n and newest.trigger_status = 2
"""
_TABLES = ("awp_job_execution", "awp_action_execution", "awp_workflow_execution")


def fill(url: str, jobs: int, records: int, say: Say) -> Filled:
    """Fill a migrated, empty database: 1,000,000 and 10,000,000 take some minutes and 9 GB."""
    now = datetime.now(UTC).replace(microsecond=0)
    filled = Filled(url, jobs, records, now)
    with session(url, application="fill") as opened:
        cursor = opened.cursor()
        cursor.execute("set maintenance_work_mem = '1GB'; set work_mem = '256MB'")
        cursor.execute(_FUNCTIONS.format(owners=OWNERS, jobs=jobs))
        cursor.execute(_PLATFORM.format(owners=OWNERS, groups=GROUPS, wide=WIDE, narrow=NARROW))
        _fill_history(cursor, filled, say)
        cursor.execute(_JOBS.format(jobs=jobs, now=_literal(now)))
        say(f"{jobs:,} jobs with what their newest records say")
        opened.commit()
        opened.autocommit = True
        cursor.execute("vacuum (analyze)")
        say("vacuumed and analysed")
    return filled


def _fill_history(cursor: psycopg2.extensions.cursor, filled: Filled, say: Say) -> None:
    """Records and runs, with their indexes built behind them, as is quicker."""
    rebuilt = _without_indexes(cursor)
    # In the transaction that empties a table its rows need no log of their own.
    cursor.execute(f"truncate {', '.join(_TABLES)}")
    made = {
        "jobs": filled.jobs,
        "records": filled.records,
        "now": _literal(filled.now),
        "days": DAYS,
        "busy": BUSY,
        "broke_31": BROKE_31,
        "broke_many": BROKE_MANY,
    }
    for first in range(1, filled.records + 1, _STEP):
        last = min(first + _STEP - 1, filled.records)
        cursor.execute(_RECORDS.format(**made, first=first, last=last))
        for job_type in ("action", "workflow"):
            cursor.execute(_RUNS.format(**made, first=first, last=last, type=job_type))
        say(f"{last:,} of {filled.records:,} records with their runs")
    cursor.execute("select setval('awp_job_execution_id_seq', %s)", (filled.records,))
    for name, statement in rebuilt:
        cursor.execute(statement)
        say(f"index {name}")
    cursor.execute("analyze awp_job_execution")


def _without_indexes(cursor: psycopg2.extensions.cursor) -> list[tuple[str, str]]:
    """Drop the indexes of the history; their names, and what builds them again."""
    cursor.execute(
        """
        select c.relname, i.relname, con.conname, pg_get_indexdef(i.oid),
            pg_get_constraintdef(con.oid)
        from pg_index x join pg_class i on i.oid = x.indexrelid
        join pg_class c on c.oid = x.indrelid
        left join pg_constraint con on con.conindid = i.oid
        where c.relname = any(%s) order by i.relname
        """,
        (list(_TABLES),),
    )
    rebuilt = []
    for table, name, constraint, definition, as_constraint in cursor.fetchall():
        if constraint is None:
            cursor.execute(f"drop index {name}")
            rebuilt.append((name, definition))
        else:
            cursor.execute(f"alter table {table} drop constraint {constraint}")
            rebuilt.append(
                (name, f"alter table {table} add constraint {constraint} {as_constraint}")
            )
    return rebuilt


def _literal(moment: datetime) -> str:
    return f"cast('{moment.isoformat()}' as timestamptz)"
