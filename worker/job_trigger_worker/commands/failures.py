"""`trigger-worker failures`: what broke lately, for the person on call."""

from __future__ import annotations

import click
from rich.console import Console

from job_trigger_worker.commands.common import (
    at,
    moment,
    plain,
    session,
    since_flag,
    table,
    window_note,
    words,
)
from job_trigger_worker.commands.output import as_json, finish
from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    Causes,
    CodeRow,
    Page,
    RecordFilter,
    RecordRow,
    Status,
)
from job_trigger_worker.storage.read import executions, failures


@click.command("failures")
@since_flag
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 500),
    metavar="N",
    help="At most.",
)
@as_json
def command(*, since: str | None, limit: int, as_json: bool) -> None:
    """Name what broke, with how many jobs and triggers, and the latest failures.

    Of the last hour unless told otherwise. Exit status 0 also when there is a failure to show.
    """
    with session() as (connection, as_of):
        start = moment(since or "1h", as_of.now)
        causes = failures.by_cause(connection, EVERYTHING, since=start, limit=limit)
        codes, _ = failures.by_code(connection, EVERYTHING, since=start)
        wanted = RecordFilter(status=Status.TRIGGER_FAILED, since=start)
        latest = executions.list_records(connection, EVERYTHING, as_of, wanted=wanted, size=limit)
    finish(
        {
            "since": plain(start),
            "causes": plain(causes.rows),
            "causes_in_all": causes.total,
            "codes": plain(codes),
            "latest": plain(latest.rows),
            "window": plain(causes.window),
        },
        as_json=as_json,
        show=lambda out: _show(out, at(start), causes, codes, latest),
    )


def _show(
    out: Console, start: str, causes: Causes, codes: tuple[CodeRow, ...], latest: Page[RecordRow]
) -> None:
    if not latest.rows:
        out.print(f"No trigger has failed since {start}.", markup=False)
        return
    triggers = sum(code.triggers for code in codes)
    out.print(f"{triggers:,} triggers failed since {start}.", markup=False)
    if note := window_note(causes.window):
        out.print(note, markup=False)
    out.print()
    broken = table(out, "JOBS", "TRIGGERS", "LAST", "WHAT BROKE")
    for cause in causes.rows:
        broken.add_row(
            f"{cause.jobs:,}", f"{cause.triggers:,}", at(cause.last_at), words(cause.message)
        )
    out.print(broken)
    if causes.total > len(causes.rows):
        out.print(f"{causes.total - len(causes.rows):,} more causes")
    out.print()
    listed = table(out, "RECORD", "DECIDED", "JOB", "CODE", "MESSAGE")
    for record in latest.rows:
        job = f"{record.job_name or ''} ({record.job_id})".strip()
        listed.add_row(
            str(record.id), at(record.decided_at), words(job), record.code, words(record.message)
        )
    out.print(listed)
