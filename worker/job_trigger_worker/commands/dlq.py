"""`trigger-worker dlq`: what could not be read or stored, and the way back for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from sqlalchemy import Engine

from job_trigger_worker.commands import dead_letter_view
from job_trigger_worker.commands.brokers import broker_flags, kafka_of
from job_trigger_worker.commands.database import ANY_ROLE, SENDER, asking
from job_trigger_worker.commands.ids import LETTER_ID
from job_trigger_worker.commands.output import as_json, confirmed, console, finish
from job_trigger_worker.config import load
from job_trigger_worker.dead_letters.replay import replay as send_again
from job_trigger_worker.dead_letters.replay import standing
from job_trigger_worker.dead_letters.replay_rules import Replayed, Standing, validate_edited_body
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import FatalError, UsageError
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import (
    DeadLetterFilter,
    DeadLetterSummary,
    Selection,
)

_NAMED = 100
_WARNED = 20


@click.group("dlq")
def command() -> None:
    """List, show and replay dead letters.

    A dead letter is a message that could not be read or stored, kept with the reason; up to 1 MiB
    of it. One that is kept whole can be sent again to the topic that it came from, edited or not.
    """


@command.command("list")
@click.option("--reason", metavar="TEXT", help="Only those whose reason contains TEXT.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Name at most N.",
)
@click.option("--all", "with_replayed", is_flag=True, help="Those replayed already, too.")
@as_json
@asking(ANY_ROLE)
def list_command(*, reason: str | None, limit: int, with_replayed: bool, as_json: bool) -> None:
    """Name dead letters, the newest first."""
    choice = DeadLetterFilter(reason=reason, with_replayed=with_replayed)
    with errors.translate_read_errors(), make_engine(load()).connect() as connection:
        found = dead_letters.select(connection, choice)
        rows = dead_letters.summaries(connection, choice, limit=limit)
    total = found.fresh + found.replayed
    finish(
        {"total": total, "dead_letters": [dead_letter_view.described(row) for row in rows]},
        as_json=as_json,
        show=lambda out: dead_letter_view.show_list(out, rows, total),
    )


@command.command("show")
@click.argument("letter_id", metavar="ID", type=LETTER_ID)
@as_json
@asking(ANY_ROLE)
def show_command(*, letter_id: int, as_json: bool) -> None:
    """Show one dead letter whole, and what became of it.

    Reason, origin, headers, bytes, its record and that of its replay. People see what looks secret
    hidden, control characters escaped, and a value cut at 64 KiB; --json has all of it, secrets
    too, so that it can be edited.
    """
    settings = load()
    with errors.translate_read_errors(), make_engine(settings).connect() as connection:
        found = dead_letters.get(connection, letter_id)
        if found is None:
            raise _no_such([letter_id])
        letter, kept = found
        key = dead_letters.key_of_replay(connection, letter_id)
        records = dead_letters.records(connection, execution_id=letter.execution_id, key=key)
    whole = dead_letter_view.Whole(letter, kept, records, knows_replay=key is not None)
    finish(
        dead_letter_view.whole(whole),
        as_json=as_json,
        show=lambda out: dead_letter_view.show_whole(
            out, whole, Masker(settings.masked_parameter_words)
        ),
    )


@command.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...", type=LETTER_ID)
@click.option("--reason", metavar="TEXT", help="Those whose reason contains TEXT.")
@click.option("--all", "is_all", is_flag=True, help="All that were not replayed yet.")
@click.option(
    "--edit",
    "path",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send the bytes of FILE instead; with exactly one ID.",
)
@click.option("--again", is_flag=True, help="Those replayed already, too: a repeat is counted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@broker_flags
@as_json
@asking(SENDER)
def replay_command(
    *,
    ids: tuple[int, ...],
    reason: str | None,
    is_all: bool,
    path: Path | None,
    again: bool,
    yes: bool,
    brokers: str | None,
    topic_prefix: str | None,
    as_json: bool,
) -> None:
    """Send dead letters again, to the topic that each came from.

    The same key, headers and bytes, and a signed header `replay-of` by which the worker knows them:
    what is sent twice runs once. A replay is a run of its own, also where its job and slot have a
    record: that is named first. Those replayed before are left out unless --again is given, and
    always those that are not kept whole: their producer has them.
    """
    if (bool(ids) + (reason is not None) + is_all) != 1:
        raise UsageError("Say which dead letters: ID..., --reason TEXT, or --all.")
    if path is not None and len(ids) != 1:
        raise UsageError("--edit FILE edits one dead letter.", remedy="Give exactly one ID.")
    kafka = kafka_of(brokers, topic_prefix)
    engine = make_engine(load())
    asked = DeadLetterFilter(ids=ids or None, reason=reason, with_replayed=True)
    with errors.translate_read_errors(), engine.connect() as connection:
        found = dead_letters.select(connection, asked)
        if found.fresh + found.replayed < len(set(ids)):
            known = dead_letters.summaries(connection, asked, limit=len(ids))
            raise _no_such(sorted(set(ids) - {each.id for each in known}))
        whole = dead_letters.select(connection, replace(asked, with_cut=False))
        cut = found.fresh + found.replayed - whole.fresh - whole.replayed
        if ids and cut:
            known = dead_letters.summaries(connection, asked, limit=len(ids))
            raise _not_whole([each for each in known if not each.is_whole])
    found = whole
    edited = None if path is None else path.read_bytes()
    if edited is not None:
        validate_edited_body(found.topics[0], edited)
    count = found.fresh + (found.replayed if again else 0)
    skipped = 0 if again else found.replayed
    result = Replayed()
    beside: list[Standing] = []
    if count:
        beside = standing(engine, asked, found, edited=edited)
        _warn(beside)
        _ask(count, found, yes=yes)
        result = _replay(engine, kafka, asked, found, edited=edited, again=again, count=count)
    finish(
        {**_result(result, count, skipped, cut), "beside": _beside(beside)},
        as_json=as_json,
        show=lambda out: _show(out, result, count, skipped, cut),
        is_good=not result.failed,
    )


def _warn(beside: list[Standing]) -> None:
    """A replay is a run of its own: say where there has been one. It stays allowed."""
    err = console(stderr=True)
    for each in beside[:_WARNED]:
        outcome = "dispatched" if each.code is None else f"failed, {each.code}"
        err.print(
            f"Dead letter {each.letter_id}: its trigger already has a record, record "
            f"{each.record_id} of job {each.job_id} ({outcome}). Its replay gets one of its "
            "own.",
            markup=False,
            soft_wrap=True,
        )
    if len(beside) > _WARNED:
        err.print(f"So have the triggers of {len(beside) - _WARNED:,} more.")


def _beside(beside: list[Standing]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.letter_id,
            "job_id": str(each.job_id),
            "record_id": each.record_id,
            "code": each.code,
        }
        for each in beside[:_NAMED]
    ]


def _replay(
    engine: Engine,
    kafka: Any,
    asked: DeadLetterFilter,
    found: Selection,
    *,
    edited: bytes | None,
    again: bool,
    count: int,
) -> Replayed:
    err = console(stderr=True)
    return send_again(
        engine,
        kafka,
        DeadLetterFilter(asked.ids, asked.reason, with_replayed=again),
        found,
        edited=edited,
        progress=lambda done: err.print(f"replayed {done:,} of {count:,}", markup=False),
    )


def _ask(count: int, found: Selection, *, yes: bool) -> None:
    """Nothing runs by accident: a person says yes, a script says --yes."""
    if yes:
        return
    what = f"{pluralize(count, 'dead letter')} to {' and '.join(found.topics)}"
    if not sys.stdin.isatty():
        raise UsageError(f"This would send {what}.", remedy="Pass --yes to have it done.")
    if not confirmed(f"Send {what}?"):
        raise UsageError("Nothing was sent.", remedy="Answer y, or pass --yes.")


def _no_such(ids: list[int]) -> FatalError:
    named = ", ".join(map(str, ids))
    return FatalError(
        f"There is no dead letter {named}.", remedy="`trigger-worker dlq list --all` names them."
    )


def _not_whole(cut: list[DeadLetterSummary]) -> FatalError:
    named = ", ".join(str(each.id) for each in cut)
    return FatalError(
        f"Not kept whole, so it cannot be sent again: dead letter {named}.",
        remedy="Have its producer send it again; `trigger-worker dlq show` says what it was.",
    )


def _result(result: Replayed, count: int, skipped: int, cut: int) -> dict[str, Any]:
    return {
        "chosen": count,
        "replayed": len(result.replayed),
        "skipped": skipped,
        "not_whole": cut,
        "failed": [{"id": i, "error": why} for i, why in list(result.failed.items())[:_NAMED]],
        "not_sent": count - len(result.replayed) - len(result.failed),
    }


def _show(out: Console, result: Replayed, count: int, skipped: int, cut: int) -> None:
    def say(line: str) -> None:
        out.print(line, markup=False, soft_wrap=True)

    if not count and not skipped and not cut:
        say("No dead letter matches.")
        return
    if count:
        were = pluralize(count, "dead letter was", "dead letters were")
        say(f"{len(result.replayed):,} of {were} sent again.")
    if skipped:
        say(f"{skipped:,} left out, replayed before (--again sends them once more).")
    if cut:
        say(f"{cut:,} left out, which were not kept whole: their producer must send them again.")
    for letter_id, why in list(result.failed.items())[:_NAMED]:
        say(f"not acknowledged: {letter_id} ({why})")
    if result.failed:
        say("Run the same again: what did arrive is recognised as a repeat.")
