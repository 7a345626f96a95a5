"""The combined status (R4) in SQL: its one definition, and the newest record of a job.

Expressions over a record `r`, its run `e` (None where there is none) and the parameters `now` and
`no_answer_after_s`, made of names of ours only.
"""

from __future__ import annotations

from typing import Any

from job_trigger_worker.domain.read_models import TROUBLE, AsOf, Status
from job_trigger_worker.storage.write.newest_record import counts, newest_first
from job_trigger_worker.storage.write.newest_record import moment as moment_of

_TOLD = (
    Status.ACCEPTED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
    Status.REJECTED,
)
"""What action and orch tell of a run (design 3)."""

COUNTS = counts("r")
"""A record counts for its job; a canary never does, nor one that was too early."""

_TOLD_LISTED = ", ".join(f"'{told}'" for told in _TOLD)

STATUS = f"""
    case
        when r.trigger_status = 2 then '{Status.TRIGGER_FAILED}'
        when e.status in ({_TOLD_LISTED}) then e.status
        when e.status is not null then '{Status.OTHER}'
        when r.trigger_status = 1 then
            case when r.decided_at <= cast(:now as timestamptz)
                    - cast(:no_answer_after_s as int) * interval '1 second'
                then '{Status.NO_ANSWER}' else '{Status.DISPATCHED}' end
        else '{Status.BLANK}'
    end
"""
"""The status of record `r` with run `e`. A failed trigger's run is not consulted (R4)."""

JOB_STATUS = f"case when r.id is null then '{Status.NEVER_RUN}' else {STATUS} end"
"""The status of a job whose newest record is `r`, all null where it has none."""

TROUBLE_RANKS = len(TROUBLE)
"""How many ranks of trouble there are; the rest of the statuses have this one."""

RANK = f"""
    case {" ".join(f"when status = '{status}' then {n}" for n, status in enumerate(TROUBLE))}
    else {TROUBLE_RANKS} end
"""
"""How early a `status` stands in a list that shows trouble first."""

RUN = f"""
    left join lateral (
        select case when lower(cast(x.status as text)) in ({_TOLD_LISTED})
                then lower(cast(x.status as text)) else cast(x.status as text) end as status,
            cast(x.message as text) as message, x.accepted_at, x.started_at, x.ended_at,
            cast(x.platform_url as text) as platform_url
        from console_execution x
        where r.trigger_status is distinct from 2 and x.execution_id = r.execution_id
          and (r.job_type is null or lower(cast(x.job_type as text)) = r.job_type)
        limit 1
    ) e on true
"""
"""Joins the run `e` of record `r`."""


def newest(job: str) -> str:
    """SQL that joins the newest record `r` of the job with the id `job`; of an absent one, nulls.

    See `storage.write.newest`. A row written without us has no slot (R11): it is the newest when it
    was written after the newest record of ours.
    """
    return f"""
        left join lateral (
            select * from (
                (select r.* from awp_job_execution r
                 where r.job_id = {job} and {COUNTS} and {moment_of("r")} is not null
                 order by {newest_first("r")} limit 1)
                union all
                (select r.* from awp_job_execution r
                 where r.job_id = {job} and {COUNTS} and {moment_of("r")} is null
                 order by {newest_first("r")} limit 1)
            ) as candidate order by id desc limit 1
        ) r on true
    """


def newest_slot(job: str) -> str:
    """SQL of the greatest slot that was triggered of the job with the id `job`; null for none.

    That need not be the newest record's: a slot may be decided some minutes ahead, and a run by
    hand come before it is due. More than two such runs are not looked behind.
    """
    return f"""(
        select max(slots.scheduled_at) from (
            select s.scheduled_at from awp_job_execution s
            where s.job_id = {job} and {counts("s")} and {moment_of("s")} is not null
            order by {newest_first("s")} limit 3) as slots)"""


def moment(as_of: AsOf) -> dict[str, Any]:
    """The parameters that the expressions above read."""
    return {"now": as_of.now, "no_answer_after_s": as_of.no_answer_after_s}
