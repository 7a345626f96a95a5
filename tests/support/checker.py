"""Holds what a run left behind against what was promised (design 2).

Shares no code with the worker or with `trigger-worker audit`, and looks at values alone: see
`tests.support.evidence` for where they come from, and `tests/unit/support/test_checker.py` for what
it finds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.support.evidence import FAILED, PASSED, Evidence, Outcome, Record
from tests.support.load import Sent, Slot


class Kind(StrEnum):
    """A promise that was broken."""

    LOST = "a trigger without a record"
    TWICE = "two records of one trigger"
    INVENTED = "a record of a trigger that nobody sent"
    SILENT = "a record without its event"
    AGAIN = "a trigger with events of several executions"
    STRAY = "an event without its record"
    MISTAKEN = "an event that says something else than its record"
    TWO_IDS = "events of one record with different ids"
    WRONG_TOPIC = "an event on the topic of another outcome or job type"
    SCATTERED = "events of one job in several partitions of a topic"
    DISORDER = "events out of the order of their triggers"
    WRONG_VERDICT = "another verdict than the inventory says"
    STALE = "a job's columns that are not those of its newest record"
    MISCOUNTED = "a count that does not close"
    EARLY = "an offset committed past a trigger without a record"
    STUCK = "a run that did not recover in time"
    ENDED = "a process that ended otherwise than asked"
    UNOWNED = "a partition without an owner"
    UNPLAYED = "a scenario that could not be played"
    FORGOTTEN = "a commit that the database forgot"
    SLOWED = "a throughput that fell by more than it may"


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise broken, and by what."""

    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong, each promise in turn."""
    return [
        *_records(evidence),
        *_verdicts(evidence),
        *_events(evidence),
        *_again(evidence),
        *_order(evidence),
        *_keys(evidence),
        *_columns(evidence),
        *_count(evidence),
        *early(
            evidence.committed,
            evidence.sent,
            {(record.job_id, record.scheduled_at) for record in evidence.records},
            evidence.generation,
        ),
    ]


def repeats(outcomes: Sequence[Outcome]) -> int:
    """How many events came again."""
    return len(outcomes) - len({each.execution_id for each in outcomes})


def early(
    committed: Mapping[int, int], sent: Sequence[Sent], recorded: set[Slot], generation: int
) -> list[Violation]:
    """Acknowledged triggers below the group's offset of their partition that have no record.

    The offsets have to be older than the records that they are held against. Kafka's offsets name
    a topic and not which of its lives: in one made anew, an offset beyond its end was read in the
    one before, by a worker that has not looked yet.
    """
    placed = [
        (each, each.offset)
        for each in sent
        if each.topic_generation == generation and each.offset is not None
    ]
    ends: dict[int, int] = {}
    for each, offset in placed:
        ends[each.partition] = max(ends.get(each.partition, 0), offset + 1)
    of_this_life = {
        partition: offset
        for partition, offset in committed.items()
        if not generation or offset <= ends.get(partition, 0)
    }
    return [
        Violation(Kind.EARLY, f"{each} is below {of_this_life[each.partition]}")
        for each, offset in placed
        if offset < of_this_life.get(each.partition, 0) and each.slot not in recorded
    ]


def _records(evidence: Evidence) -> Iterable[Violation]:
    count = Counter((record.job_id, record.scheduled_at) for record in evidence.records)
    sent = {each.slot for each in evidence.sent}
    standing = Counter(evidence.log or ())
    lost = sent.union(standing) - count.keys()
    places: dict[Slot, list[str]] = defaultdict(list)
    for each in evidence.sent:
        if each.slot in lost:
            places[each.slot].append(f"partition {each.partition} offset {each.offset}")
    for slot in sorted(lost):
        in_log = "" if evidence.log is None else f", {standing[slot]} times in the log"
        where = "".join(f", {place}" for place in places[slot])
        yield Violation(Kind.LOST, f"job {slot[0]} at {slot[1]}{where}{in_log}")
    for slot, times in count.items():
        if times > 1:
            yield Violation(Kind.TWICE, f"job {slot[0]} at {slot[1]}: {times}")
        if slot not in sent and slot not in evidence.unknown:
            yield Violation(Kind.INVENTED, f"job {slot[0]} at {slot[1]}")


def _verdicts(evidence: Evidence) -> Iterable[Violation]:
    for record in evidence.records:
        if record.code == "expired" and (record.job_id, record.scheduled_at) in evidence.may_expire:
            continue
        expected = evidence.verdicts.get(record.job_id, "job_not_found")
        status = PASSED if expected is None else FAILED
        if (record.status, record.code) != (status, expected):
            yield Violation(Kind.WRONG_VERDICT, f"{record}, expected {expected or 'a pass'}")


def _events(evidence: Evidence) -> Iterable[Violation]:
    by_execution = {record.execution_id: record for record in evidence.records}
    ids: dict[str, set[str]] = defaultdict(set)
    for outcome in evidence.outcomes:
        ids[outcome.execution_id].add(outcome.event_id)
        record = by_execution.get(outcome.execution_id)
        if record is None:
            yield Violation(Kind.STRAY, f"{outcome}")
        elif record.status != outcome.status or (
            outcome.status == PASSED and record.job_type != outcome.job_type
        ):
            yield Violation(Kind.WRONG_TOPIC, f"{outcome} of {record}")
        elif (record.job_id, record.scheduled_at, record.code) != (
            outcome.job_id,
            outcome.scheduled_at,
            outcome.code,
        ):
            yield Violation(Kind.MISTAKEN, f"{outcome} of {record}")
    for execution_id, found in ids.items():
        if len(found) > 1:
            yield Violation(Kind.TWO_IDS, f"{execution_id}: {', '.join(sorted(found))}")
    for execution_id in by_execution.keys() - ids.keys():
        yield Violation(Kind.SILENT, f"{by_execution[execution_id]}")


def _again(evidence: Evidence) -> Iterable[Violation]:
    """A database that forgot a trigger decides it under the ids that it had, or it runs twice."""
    executions: dict[Slot, set[str]] = defaultdict(set)
    for outcome in evidence.outcomes:
        executions[outcome.job_id, outcome.scheduled_at].add(outcome.execution_id)
    for slot, several in executions.items():
        if len(several) > 1:
            yield Violation(Kind.AGAIN, f"job {slot[0]} at {slot[1]}: {', '.join(sorted(several))}")


def _order(evidence: Evidence) -> Iterable[Violation]:
    """By first appearance, within each partition of a topic and each partition of triggers.

    A producer that keys by job sends all of a job to one of each: their order is part of this. A
    trigger sent to several partitions belongs to none: who was first is not for us to say.
    """
    slots = {r.execution_id: (r.job_id, r.scheduled_at) for r in evidence.records}
    places = _places(evidence.sent, evidence.unknown)
    seen: set[str] = set()
    last: dict[tuple[str, int, int, int | None], Sent] = {}
    for outcome in evidence.outcomes:
        if outcome.execution_id in seen or outcome.execution_id not in slots:
            continue
        seen.add(outcome.execution_id)
        sent = places.get(slots[outcome.execution_id])
        if sent is None:
            continue
        job = sent.job_id if sent.job_id in evidence.apart else None
        key = (outcome.topic, outcome.partition, sent.partition, job)
        before = last.get(key)
        if before is not None and _at(before) > _at(sent):
            yield Violation(Kind.DISORDER, f"{outcome} of {sent} came after that of {before}")
        else:
            last[key] = sent


def _keys(evidence: Evidence) -> Iterable[Violation]:
    """Events are keyed by their job: else the order of a partition would not be that of a job."""
    partitions: dict[tuple[str, int], set[int]] = defaultdict(set)
    for outcome in evidence.outcomes:
        partitions[outcome.topic, outcome.job_id].add(outcome.partition)
    for (topic, job_id), found in partitions.items():
        if len(found) > 1:
            yield Violation(Kind.SCATTERED, f"job {job_id} in {sorted(found)} of {topic}")


def _places(sent: Iterable[Sent], unknown: Iterable[Slot]) -> dict[Slot, Sent]:
    """Where each trigger first stood, of those of which that is known."""
    all_places: dict[Slot, list[Sent]] = defaultdict(list)
    for each in sent:
        all_places[each.slot].append(each)
    for slot in unknown:
        all_places.pop(slot, None)
    return {
        slot: min(places, key=_at)
        for slot, places in all_places.items()
        if len({(each.topic_generation, each.partition) for each in places}) == 1
        and all(each.offset is not None for each in places)
    }


def _at(sent: Sent) -> tuple[int, int]:
    return sent.topic_generation, -1 if sent.offset is None else sent.offset


def _columns(evidence: Evidence) -> Iterable[Violation]:
    newest: dict[int, Record] = {}
    for record in evidence.records:
        known = newest.get(record.job_id)
        if record.code != "too_early" and (known is None or _place(known) < _place(record)):
            newest[record.job_id] = record
    for job in evidence.jobs:
        found = newest.get(job.id)
        wanted = (found.status, found.id, found.message) if found else (None, None, None)
        if (job.status, job.last_record_id, job.message) != wanted:
            yield Violation(Kind.STALE, f"{job}, its newest record is {found}")


def _place(record: Record) -> tuple[str, int]:
    """By what a job's newest record is the greatest."""
    return min(record.scheduled_at, record.decided_at or record.scheduled_at), record.id


def _count(evidence: Evidence) -> Iterable[Violation]:
    """Each delivery in one bin, an event a record, all of them published; every repeat counted."""
    count = evidence.count
    if count is None:
        return
    bins = count.records + count.duplicates + count.redeliveries + count.dead_letters
    if count.deliveries != bins:
        yield Violation(Kind.MISCOUNTED, f"{count.deliveries} deliveries, {bins} in bins")
    if not len(evidence.records) == count.records == count.events == count.published:
        yield Violation(Kind.MISCOUNTED, f"{count}, and {len(evidence.records)} records")
    if count.dead_letters != evidence.unreadable:
        bad = f"{count.dead_letters} dead letters, and {evidence.unreadable} batches were bad"
        yield Violation(Kind.MISCOUNTED, bad)
    if count.waiting:
        yield Violation(Kind.MISCOUNTED, f"{count.waiting} rows wait in the outbox")
    if count.duplicates != count.on_records:
        yield Violation(Kind.MISCOUNTED, f"{count}: repeats in the ledger and on the records")
    sent_again = _sent_again(evidence)
    if sent_again is not None and count.duplicates != sent_again:
        yield Violation(Kind.MISCOUNTED, f"{count}, and {sent_again} triggers were sent again")


def _sent_again(evidence: Evidence) -> int | None:
    """How often triggers came again: by the topic, and by the producer where that is gone.

    None where it cannot be told: some of what is gone was never acknowledged.
    """
    gone = [
        each.slot
        for each in evidence.sent
        if evidence.log is None or each.topic_generation < evidence.generation
    ]
    if gone and evidence.unknown:
        return None
    slots = [*gone, *(evidence.log or ())]
    return len(slots) - len(set(slots))
