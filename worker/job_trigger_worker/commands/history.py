"""`trigger-worker history JOB_ID`: the records of a job."""

from __future__ import annotations

import click
from rich.console import Console

from job_trigger_worker.commands.common import (
    moment,
    plain,
    record_line,
    session,
    since_flag,
    table,
    window_note,
)
from job_trigger_worker.commands.ids import JOB_ID
from job_trigger_worker.commands.output import as_json, finish
from job_trigger_worker.domain.read_models import EVERYTHING, Page, RecordFilter, RecordRow, Status
from job_trigger_worker.storage.read import executions

_STATUSES = [str(status) for status in Status if status is not Status.NEVER_RUN]


@click.command("history")
@click.argument("job_id", metavar="JOB_ID", type=JOB_ID)
@since_flag
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    metavar="STATUS",
    help="Only those of this status: " + ", ".join(_STATUSES) + ".",
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="At most.",
)
@as_json
def command(
    *, job_id: int, since: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """List the records of a job, the newest first; also when the job is gone.

    Exit status 1 when there is none.
    """
    with session() as (connection, as_of):
        wanted = RecordFilter(
            job_id=job_id,
            since=None if since is None else moment(since, as_of.now),
            status=None if status is None else Status(status),
        )
        page = executions.list_records(connection, EVERYTHING, as_of, wanted=wanted, size=limit)
    finish(
        {
            "job_id": str(job_id),
            "records": plain(page.rows),
            "has_more": page.next is not None,
            "window": plain(page.window),
        },
        as_json=as_json,
        show=lambda out: _show(out, job_id, page),
        is_good=bool(page.rows),
    )


def _show(out: Console, job_id: int, page: Page[RecordRow]) -> None:
    if not page.rows:
        out.print(f"There is no such record of job {job_id}.")
    else:
        listed = table(out, "RECORD", "SLOT", "LATE", "KIND", "BY", "STATUS", "MESSAGE")
        for record in page.rows:
            listed.add_row(*record_line(record))
        out.print(listed)
    if note := window_note(page.window):
        out.print(note, markup=False)
    elif page.next is not None:
        out.print("There are more; --limit shows them.")
