"""`trigger-worker jobs`: what the platform's jobs show of their records."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click
from rich.console import Console

from job_trigger_worker.commands.database import WORKER, asking
from job_trigger_worker.commands.ids import JOB_ID
from job_trigger_worker.commands.output import as_json, console, finish
from job_trigger_worker.config import load
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import projection, reprojections

_PAGE = 500
_MOST_NAMED = 20
_TELL_EVERY_S = 5.0


@click.group("jobs")
def command() -> None:
    """Correct what jobs show of their records."""


@command.command("reproject")
@click.argument("job_ids", type=JOB_ID, nargs=-1, metavar="[JOB_ID]…")
@as_json
@asking(WORKER)
def reproject(*, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Correct what jobs show of their records.

    These columns are the last status and message, the last slot and record, since when a job fails
    and how often in a row. Without JOB_ID it is done for every job, in pages, a transaction each;
    the worker may run meanwhile. A job that somebody has locked is left to the worker, which sets
    it again as soon as it is free. Exit 1 for such a job, and when a JOB_ID names none.
    """
    began = time.monotonic()
    jobs = changed = 0
    found: set[int] = set()
    locked: list[int] = []
    engine = make_engine(load())
    session = Session(engine)
    err = console(stderr=True)
    told_at = began
    try:
        for page in _pages(session, job_ids):
            with session.transaction() as connection:
                done = projection.reproject(connection, page)
                if done.locked:
                    reprojections.note(connection, done.locked)
            changed += done.changed
            locked += done.locked
            jobs += len(page)
            if job_ids:
                found.update(page)
            if time.monotonic() - told_at >= _TELL_EVERY_S:
                told_at = time.monotonic()
                err.print(f"{jobs:,} jobs so far, {changed:,} set again", markup=False)
    finally:
        session.close()
        engine.dispose()
    missing = sorted(set(job_ids) - found)

    def show(out: Console) -> None:
        out.print(
            f"{pluralize(jobs, 'job')} held against the records, {changed:,} set again.",
            markup=False,
        )
        if locked:
            out.print(
                f"{pluralize(len(locked), 'job')} left to the worker, because somebody has locked "
                f"them: {', '.join(map(str, locked[:_MOST_NAMED]))}"
                f"{' …' if len(locked) > _MOST_NAMED else '.'}",
                markup=False,
            )
        if missing:
            out.print(f"No such job: {', '.join(map(str, missing))}.", markup=False)

    finish(
        {
            "jobs": jobs,
            "changed": changed,
            "locked": [str(job_id) for job_id in locked],
            "missing": [str(job_id) for job_id in missing],
            "seconds": round(time.monotonic() - began, 3),
        },
        as_json=as_json,
        show=show,
        is_good=not missing and not locked,
    )


def _pages(session: Session, job_ids: Sequence[int]) -> Iterator[list[int]]:
    """The ids of the jobs that are there, in their order: of these, or of all."""
    after = 0
    while True:
        with session.transaction() as connection:
            page = projection.jobs_after(connection, after, _PAGE, job_ids)
        if not page:
            return
        yield page
        after = page[-1]
