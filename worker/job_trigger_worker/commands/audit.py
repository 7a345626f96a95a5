"""`trigger-worker audit`: the proof that every trigger has a record and every record its event."""

from __future__ import annotations

import getpass
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar
from rich.text import Text

from job_trigger_worker.audit.deep import JUDGING, DeepResult, Progress
from job_trigger_worker.audit.run import Audit, Verdict, run
from job_trigger_worker.audit.unread import summed
from job_trigger_worker.commands.brokers import broker_flags
from job_trigger_worker.commands.database import ANY_ROLE, SENDER, WORKER, asking
from job_trigger_worker.commands.output import as_json, console, finish
from job_trigger_worker.config import load
from job_trigger_worker.dead_letters.rendering import printable
from job_trigger_worker.domain import durations
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.write.acknowledgements import Acknowledgement, Kind, NeedsNoWord

_TELL_EVERY_S = 5.0
_IDS = re.compile("[0-9]{1,18}(?:,[0-9]{1,18})*")
_MOST_RANGES = 5
_NEEDS_NO_WORD = {
    NeedsNoWord.REPLAYED: "is settled: it was sent again",
    NeedsNoWord.ACKNOWLEDGED: "is settled: it was acknowledged before",
    NeedsNoWord.RECORDED: "needs no acknowledgement: it has a record",
    NeedsNoWord.NO_JOB: "needs no acknowledgement: its job cannot be read",
}
_ROW_SUMS = (
    "deliveries",
    "records",
    "duplicates",
    "redeliveries",
    "dead_letters",
    "events",
    "published",
    "waiting",
)


@click.command("audit")
@click.option("--deep", "is_deep", is_flag=True, help="Read the topics too; takes its time.")
@click.option(
    "--offline",
    "is_offline",
    is_flag=True,
    help="Do not ask the brokers; then nobody knows what waits.",
)
@click.option(
    "--max-wait",
    metavar="TIME",
    default="5m",
    show_default=True,
    help="How long a trigger may wait to be read (90s, 5m, 1h).",
)
@click.option(
    "--acknowledge",
    "accepted",
    metavar="WHAT",
    multiple=True,
    help="Accept what is open, by name and with a reason: lost (offsets that nobody read), "
    "rewound (offsets that the database forgot and that were decided again), letters or "
    "letters=ID,ID (dead letters without a record), deleted (rows that somebody deleted).",
)
@click.option("--reason", help="Why it may be accepted; kept, and shown by every audit.")
@click.option("--by", metavar="NAME", help="Who accepts it; default: the user of this system.")
@broker_flags
@as_json
def command(
    *,
    is_deep: bool,
    is_offline: bool,
    max_wait: str,
    accepted: tuple[str, ...],
    reason: str | None,
    by: str | None,
    brokers: str | None,
    topic_prefix: str | None,
    as_json: bool,
) -> None:
    """Prove that every trigger has a record and every record its event. Exit 0 only if so.

    Asks the tables, in one snapshot, and the brokers, how many triggers wait to be read and since
    when; longer than --max-wait is too long. With --deep it reads the topics themselves, as far as
    they reach back, and names each trigger without a record and each record without its event. The
    worker may run meanwhile.
    """
    if is_offline and is_deep:
        raise UsageError("--deep reads the topics.", remedy="Leave out --offline or --deep.")
    max_wait_s = durations.parsed(max_wait)
    if max_wait_s is None:
        raise UsageError(
            f"--max-wait {max_wait} cannot be used.", remedy="It looks like 90s, 5m, 1h."
        )
    words = [_word(each, reason, by) for each in accepted]
    settings = load(kafka_brokers=brokers, topic_prefix=topic_prefix)
    logging.getLogger("job_trigger_worker.kafka").setLevel(logging.CRITICAL)
    began = time.monotonic()
    with asking(_who(words, is_deep=is_deep)), _progress() as progress:
        found = run(
            settings,
            is_deep=is_deep,
            is_offline=is_offline,
            max_wait_s=max_wait_s,
            words=words,
            progress=progress,
        )
    finish(
        _result(found, seconds=time.monotonic() - began),
        as_json=as_json,
        show=lambda out: _show(out, found, words),
        is_good=found.closes,
    )


def _word(written: str, reason: str | None, by: str | None) -> Verdict:
    """What `--acknowledge` means. Raises `UsageError`."""
    name, _, listed = written.partition("=")
    if name not in set(Kind) or (listed and (name != Kind.LETTERS or not _IDS.fullmatch(listed))):
        raise UsageError(
            f"--acknowledge {written} cannot be used.",
            remedy="It is lost, rewound, letters, letters=12,17 or deleted.",
        )
    if not reason or not reason.strip():
        raise UsageError("Nothing is acknowledged without a reason.", remedy="Add --reason TEXT.")
    letters = tuple(map(int, listed.split(","))) if listed else None
    return Verdict(Kind(name), by or _user(), reason.strip(), letters)


def _who(words: Sequence[Verdict], *, is_deep: bool) -> str:
    """Who may run this: what was replayed is known in the topics by a secret."""
    if words:
        return WORKER
    return SENDER if is_deep else ANY_ROLE


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UsageError("This system has no name for you.", remedy="Add --by NAME.") from None


def _result(found: Audit, *, seconds: float) -> dict[str, Any]:
    triggers = [row for row in found.rows if row.is_triggers]
    statuses = [row for row in found.rows if row.topic is not None and not row.is_triggers]
    sums = {name: sum(getattr(row, name) for row in triggers) for name in _ROW_SUMS}
    dispatched = sum(row.counted_dispatched for row in found.rows)
    return {
        "closes": found.closes,
        **sums,
        "dispatched": dispatched,
        "failures": sum(row.counted_records for row in found.rows) - dispatched,
        "statuses": {
            name: sum(getattr(row, name) for row in statuses)
            for name in ("deliveries", "applied", "duplicates", "redeliveries", "dead_letters")
        },
        "lines": [{**asdict(line), "holds": line.holds} for line in found.lines],
        "lost": [asdict(lost) for row in found.rows for lost in row.lost],
        "rewound": [
            {"topic": row.topic, "partition": row.partition, "first": first, "last": last}
            for row in found.rows
            for first, last in row.rewound
        ],
        "open_letters": asdict(found.letters),
        "acknowledged": found.accepted,
        "not_open": [{"letter": letter, "why": why} for letter, why in found.not_open.items()],
        "acknowledgements": [asdict(each) for each in found.acknowledgements],
        "unread": None if found.unread is None else summed(found.unread),
        "deep": _deep(found.deep, found.offences) if found.deep else None,
        "seconds": round(seconds, 3),
    }


def _deep(deep: DeepResult, offences: dict[str, Any]) -> dict[str, Any]:
    return {
        "triggers_read": deep.triggers_read,
        "events_read": deep.events_read,
        "records_judged": deep.judged_records,
        "records_of_old_topics": deep.records_of_old_topics,
        "records_out_of_reach": deep.records_out_of_reach,
        "logs_cut": deep.cut,
        **offences,
    }


def _show(out: Console, found: Audit, words: Sequence[Verdict]) -> None:
    width = max(len(line.promise) for line in found.lines)
    for line in found.lines:
        mark = Text("✓", "green") if line.holds else Text("✗", "bold red")
        out.print(Text(f"{line.promise:<{width}}  {line.words}  ").append(mark), soft_wrap=True)
        for difference in line.differences:
            out.print(f"    {difference}", markup=False, soft_wrap=True)
    if found.deep is not None:
        _show_reach(out, found.deep)
    for letter, why in found.not_open.items():
        out.print(f"Dead letter {letter} {_NEEDS_NO_WORD[why]}.")
    kinds = ", ".join(dict.fromkeys(each.kind for each in words if each.letters is None))
    if kinds and not found.accepted:
        out.print(f"Nothing was acknowledged: nothing is open of {kinds}.")
    for each in found.acknowledgements:
        out.print(_acknowledged(each), markup=False, soft_wrap=True)
    for kind in _open(found):
        out.print(
            "Once somebody has looked into it, accept it with "
            f'`trigger-worker audit --acknowledge {kind} --reason "…"`.',
            soft_wrap=True,
        )
    if found.unread is None:
        out.print("What waits on the topics is not known: the brokers were not asked.")
    out.print("The count closes." if found.closes else "The count does not close.")


def _show_reach(out: Console, deep: DeepResult) -> None:
    if deep.records_of_old_topics:
        out.print(
            f"{pluralize(deep.records_of_old_topics, 'record')} came from topics that are gone or "
            "not ours: only the ledger speaks for them.",
            soft_wrap=True,
        )
    if deep.records_out_of_reach:
        out.print(
            f"{pluralize(deep.records_out_of_reach, 'record is', 'records are')} older than what "
            "the topics still hold: only the ledger speaks for them.",
            soft_wrap=True,
        )


def _open(found: Audit) -> list[Kind]:
    """What a person could accept."""
    is_open = {
        Kind.LOST: any(row.lost for row in found.rows),
        Kind.REWOUND: any(row.rewound for row in found.rows),
        Kind.LETTERS: bool(found.letters.total),
        Kind.DELETED: any(
            row.counted_records + row.pruned_records + row.accepted_records < row.records
            or row.counted_letters + row.pruned_letters + row.accepted_letters < row.dead_letters
            for row in found.rows
        ),
    }
    return [kind for kind in Kind if is_open[kind]]


def _range(first: int, last: int | None) -> str:
    if last is None:
        return f"from {first} on"
    return f"{first} to {last}" if first != last else f"{first}"


def _acknowledged(each: Acknowledgement) -> str:
    """One line: what, where, by whom, when and why."""
    ranges = ", ".join(_range(*one) for one in each.ranges[:_MOST_RANGES])
    if len(each.ranges) > _MOST_RANGES:
        ranges += f" and {len(each.ranges) - _MOST_RANGES} more"
    what = {
        Kind.LOST: f"offsets {ranges}",
        Kind.REWOUND: f"offsets {ranges}",
        Kind.LETTERS: f"dead letters {ranges}",
        Kind.DELETED: f"the records of offsets {ranges}"
        if ranges
        else f"{pluralize(each.records, 'record')}, {pluralize(each.letters, 'dead letter')}",
    }[Kind(each.kind)]
    where = "" if each.topic is None else f"{each.topic} partition {each.partition}, "
    at = f"{each.at.astimezone(UTC):%Y-%m-%d %H:%M}"
    said = f"acknowledged by {printable(each.by)} ({at} UTC): {printable(each.reason)}"
    return f"{each.kind}: {where}{what}, {said}"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar a topic on a terminal; otherwise a line when a topic begins, now and then, and ends."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield _Plain(err).tell
        return
    with Bar(console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def tell(topic: str, behind: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bar.add_task(topic, total=total)
            bar.update(tasks[topic], completed=behind, total=total)

        yield tell


class _Plain:
    """Progress for a pipe or a log."""

    def __init__(self, err: Console) -> None:
        self._err = err
        self._told: dict[str, tuple[float, bool]] = {}

    def tell(self, topic: str, behind: int, total: int) -> None:
        now, is_done = time.monotonic(), behind >= total
        before, was_done = self._told.get(topic, (0.0, False))
        if was_done or (not is_done and now - before < _TELL_EVERY_S):
            return
        self._told[topic] = (now, is_done)
        unit = "steps" if topic == JUDGING else "offsets"
        self._err.print(f"{topic}: {behind:,} of {total:,} {unit}", markup=False, soft_wrap=True)
