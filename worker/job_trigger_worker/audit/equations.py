"""The equations of promise 7, and the names of what does not fit. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.read.audit import LedgerRow, LostRange, OpenLetters


@dataclass(frozen=True, slots=True)
class Line:
    """One promise, in numbers. `differences` names each place where it does not hold."""

    promise: str
    words: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when nothing differs."""
        return not self.differences


def equations(rows: Sequence[LedgerRow]) -> tuple[Line, ...]:
    """Every equation over every ledger row. The audit closes when each line holds."""
    names = _Names(rows)
    return (
        _records(rows, names),
        _events(rows, names),
        _tables(rows, names),
        _statuses(rows, names),
        _lost(rows, names),
        _rewound(rows, names),
    )


class _Names:
    """What to call a ledger row: with its topic id only where a topic has had several."""

    def __init__(self, rows: Sequence[LedgerRow]) -> None:
        ids = {(row.topic, row.topic_id) for row in rows}
        self._ids = Counter(topic for topic, _ in ids)

    def of(self, row: LedgerRow) -> str:
        if row.topic is None:
            return "no ledger row" if row.id is None else f"ledger row {row.id}, which is gone"
        which = f" (topic id {row.topic_id})" if self._ids[row.topic] > 1 else ""
        return f"{row.topic}{which} partition {row.partition}"


def _records(rows: Sequence[LedgerRow], names: _Names) -> Line:
    triggers = [row for row in rows if row.is_triggers]
    return Line(
        "Every trigger that was read has a record",
        f"{_sum(triggers, 'deliveries')} delivered = {_count(triggers, 'records', 'record')} "
        f"+ {_sum(triggers, 'duplicates')} sent again "
        f"+ {_sum(triggers, 'redeliveries')} delivered again "
        f"+ {_sum(triggers, 'dead_letters')} unreadable",
        _binned(triggers, "records", names),
    )


def _statuses(rows: Sequence[LedgerRow], names: _Names) -> Line:
    statuses = [row for row in rows if row.topic is not None and not row.is_triggers]
    return Line(
        "Every status is applied",
        f"{_sum(statuses, 'deliveries')} delivered = {_sum(statuses, 'applied')} applied "
        f"+ {_sum(statuses, 'duplicates')} sent again "
        f"+ {_sum(statuses, 'redeliveries')} delivered again "
        f"+ {_sum(statuses, 'dead_letters')} unreadable",
        _binned(statuses, "applied", names),
    )


def _binned(rows: Sequence[LedgerRow], bin_: str, names: _Names) -> tuple[str, ...]:
    return tuple(
        f"{names.of(row)}: {row.deliveries:,} delivered, {binned:,} in a bin."
        for row in rows
        if row.deliveries
        != (binned := row.redeliveries + getattr(row, bin_) + row.duplicates + row.dead_letters)
    )


def _events(rows: Sequence[LedgerRow], names: _Names) -> Line:
    dispatched = sum(row.counted_dispatched for row in rows)
    failed = sum(row.counted_records for row in rows) - dispatched
    deleted = sum(row.pruned_records + row.accepted_records for row in rows)
    differences = []
    for row in rows:
        if row.topic is None:
            continue
        if row.events != row.records:
            records, events = pluralize(row.records, "record"), pluralize(row.events, "event")
            differences.append(f"{names.of(row)}: {records}, {events}.")
        if row.events - row.published != row.waiting:
            differences.append(
                f"{names.of(row)}: {pluralize(row.events, 'event')}, {row.published:,} published, "
                f"so {row.events - row.published:,} should wait in the outbox, which holds "
                f"{row.waiting:,}."
            )
    said, there = sum(row.events for row in rows), dispatched + failed + deleted
    if said != there:
        differences.append(
            f"The ledger says {pluralize(said, 'event')}, there are {pluralize(there, 'record')}"
            f"{f', the {deleted:,} deleted ones included' if deleted else ''}."
        )
    return Line(
        "Every record has its event",
        f"{_sum(rows, 'events')} = {dispatched:,} dispatched + {pluralize(failed, 'failure')}"
        f"{f' + {deleted:,} deleted' if deleted else ''} · {_sum(rows, 'waiting')} waiting",
        tuple(differences),
    )


def _tables(rows: Sequence[LedgerRow], names: _Names) -> Line:
    differences = []
    for row in rows:
        deleted_records = row.pruned_records + row.accepted_records
        if row.records != row.counted_records + deleted_records:
            differences.append(
                f"{names.of(row)}: the ledger says {pluralize(row.records, 'record')}"
                f"{_but(deleted_records)}, awp_job_execution holds {row.counted_records:,}."
            )
        deleted_letters = row.pruned_letters + row.accepted_letters
        if row.dead_letters != row.counted_letters + deleted_letters:
            differences.append(
                f"{names.of(row)}: the ledger says {pluralize(row.dead_letters, 'dead letter')} "
                f"without a record{_but(deleted_letters)}, awp_dead_letter holds "
                f"{row.counted_letters:,}."
            )
    deleted_repeats = sum(row.pruned_repeats + row.accepted_repeats for row in rows)
    said = sum(row.duplicates for row in rows if row.is_triggers) - deleted_repeats
    repeats = sum(row.counted_repeats for row in rows)
    if said != repeats:
        differences.append(
            f"The ledger says that {pluralize(said, 'trigger was', 'triggers were')} sent again, "
            f"the records' duplicate_count sums to {repeats:,}."
        )
    return Line(
        "The tables hold what the ledger says",
        f"{_count(rows, 'counted_records', 'record')} · {repeats:,} sent again · "
        f"{_count(rows, 'counted_letters', 'dead letter')} without a record{_deleted(rows)}",
        tuple(differences),
    )


def _but(deleted: int) -> str:
    return f", of which {deleted:,} were deleted" if deleted else ""


def _deleted(rows: Sequence[LedgerRow]) -> str:
    records = sum(row.pruned_records + row.accepted_records for row in rows)
    letters = sum(row.pruned_letters + row.accepted_letters for row in rows)
    if not records and not letters:
        return ""
    return f" · deleted: {pluralize(records, 'record')}, {pluralize(letters, 'dead letter')}"


def _lost(rows: Sequence[LedgerRow], names: _Names) -> Line:
    lost = [(names.of(row), each) for row in rows for each in row.lost]
    total = sum(each.at_least for _, each in lost)
    is_open = any(each.last is None for _, each in lost)
    return Line(
        "Nothing was left unread",
        f"{'at least ' if is_open else ''}{pluralize(total, 'offset')} lost"
        if lost
        else "no lost offsets that nobody has acknowledged",
        tuple(f"{name}: {_told(each)}" for name, each in lost),
    )


def _rewound(rows: Sequence[LedgerRow], names: _Names) -> Line:
    differences = tuple(
        f"{names.of(row)}: the database forgot what was committed of offsets {first} to {last}, or "
        "`topics resume` put another in its place; they are decided again, under the same ids."
        for row in rows
        for first, last in row.rewound
    )
    total = sum(last - first + 1 for row in rows for first, last in row.rewound)
    return Line(
        "The database forgot nothing",
        f"{pluralize(total, 'offset')} decided again"
        if total
        else "no rewound offsets that nobody has acknowledged",
        differences,
    )


def _told(lost: LostRange) -> str:
    if lost.last is not None:
        return (
            f"offsets {lost.first} to {lost.last} were never read here: the log deleted them "
            "before, or `topics resume` skipped them."
        )
    return (
        f"the topic with the id {lost.topic_id} was deleted, with what stood there unread from "
        f"offset {lost.first} on: {_at_least(lost.at_least)}."
    )


def _at_least(seen: int) -> str:
    return f"at least {seen:,}" if seen else "nobody knows whether there was any"


def letters_line(letters: OpenLetters) -> Line:
    """Dead letters of triggers without a record: each is replayed, or accepted by a person."""
    named = [
        f"dead letter {each.id} (job {each.job_id or 'unknown'}), {each.topic} partition "
        f"{each.partition} offset {each.offset}: {each.reason}"
        for each in letters.first
    ]
    if letters.total > len(named):
        named.append(f"and {letters.total - len(named):,} more.")
    return Line(
        "No dead letter waits for an answer",
        f"{pluralize(letters.total, 'letter')} to replay or to accept"
        if letters.total
        else "each whose job can be read has a record, or is replayed or accepted",
        tuple(named),
    )


def _sum(rows: Sequence[LedgerRow], name: str) -> str:
    return f"{sum(getattr(row, name) for row in rows):,}"


def _count(rows: Sequence[LedgerRow], name: str, noun: str) -> str:
    return pluralize(sum(getattr(row, name) for row in rows), noun)
