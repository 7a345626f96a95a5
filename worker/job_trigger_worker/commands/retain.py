"""`trigger-worker retain`: old records and dead letters go, and the count still closes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta

import click

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.commands.database import OWNER, asking
from job_trigger_worker.commands.output import as_json, confirmed, console, finish
from job_trigger_worker.config import load
from job_trigger_worker.domain import durations
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.write.pruning import Pruned, prune

LEAST_AGE_S = 7 * 86_400
"""A trigger that is sent again is recognised by its record: nothing younger is deleted."""


@click.command("retain")
@click.option("--older-than", metavar="TIME", required=True, help="90d: what is older is deleted.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@as_json
@asking(OWNER)
def command(*, older_than: str, yes: bool, as_json: bool) -> None:
    """Delete records and dead letters that are older than TIME, at least 7d.

    Each deletion is noted in the ledger, so that `audit` still closes. The newest record of each
    job stays, and so does a dead letter that nobody has replayed or accepted. Needs the rights of
    the tables' owner. A trigger older than that, sent once more, is a new one.
    """
    age_s = durations.parsed(older_than)
    if age_s is None or age_s < LEAST_AGE_S:
        raise UsageError(
            f"--older-than {older_than} cannot be used.",
            remedy="It looks like 90d, and is 7d at least.",
        )
    before = SystemClock().now() - timedelta(seconds=age_s)
    what = f"all records and dead letters from before {before:%Y-%m-%d %H:%M} UTC"
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"This would delete {what}.", remedy="Pass --yes to have it done.")
    if not yes and not confirmed(f"Delete {what}?"):
        raise UsageError("Nothing was deleted.", remedy="Answer y, or pass --yes.")
    err = console(stderr=True)
    engine = make_engine(load())
    try:
        pruned = prune(engine, before, lambda so_far: err.print(_said(so_far), markup=False))
    finally:
        engine.dispose()
    finish(
        asdict(pruned),
        as_json=as_json,
        show=lambda out: out.print(_said(pruned), markup=False, soft_wrap=True),
    )


def _said(pruned: Pruned) -> str:
    letters = pluralize(pruned.letters, "dead letter")
    return f"deleted: {pluralize(pruned.records, 'record')}, {letters}"
