"""What became of a load, judged from the tables and from every byte on the outgoing topics.

Shares no code with the worker: its own statements, its own reading of events.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.support import sql
from tests.support.load import Sent, Slot
from tests.support.topics import Broker, read_topic
from tests.support.waiting import wait_until
from worker.domain.topics import Topics

_RECORDS = """
    select job_id, scheduled_at, cast(execution_id as text), trigger_status, duplicate_count
    from awp_job_execution where idempotency_key is not null
"""
_LEDGER = """
    select coalesce(sum(deliveries), 0), coalesce(sum(records), 0), coalesce(sum(duplicates), 0),
        coalesce(sum(redeliveries), 0), coalesce(sum(dead_letters), 0), coalesce(sum(events), 0),
        coalesce(sum(published), 0), (select count(*) from awp_trigger_outbox)
    from awp_trigger_ledger where topic = '{topic}'
"""
_COUNT = "select count(*) from awp_job_execution where trigger_status ="
_EVENTS = {
    "dispatch_action": f"{_COUNT} 1 and job_type = 'action'",
    "dispatch_orch": f"{_COUNT} 1 and job_type = 'workflow'",
    "failures": f"{_COUNT} 2",
}
_PASSED, _FAILED = 1, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load came to, once every promise held: only what may differ is left to look at."""

    records: int
    duplicates: int
    redeliveries: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at one database and one set of topics, for a load's own list of triggers."""

    broker: Broker
    topics: Topics
    database: str

    def records(self) -> int:
        """How many execution records stand now."""
        return int(sql.value(self.database, "select count(*) from awp_job_execution"))

    def is_quiet(self, records: int) -> bool:
        """That many records stand, and every event has left."""
        pending = sql.value(self.database, "select count(*) from awp_trigger_outbox")
        return self.records() >= records and not pending

    def settled(self, sent: Sequence[Sent], deadline_s: float = 30.0) -> Outcome:
        """Wait until a load is settled and published, then hold it against the promises.

        One record a firing; one event a record, on the right topic, a repeat only under the same
        `event_id`; events in the order of their triggers by first appearance; the count closes.
        Raises AssertionError that names the first offenders.
        """
        slots = {each.slot for each in sent}
        wait_until(lambda: self.is_quiet(len(slots)), deadline_s, f"{len(slots)} triggers settled")
        executions = self._one_record_each(slots)
        events = self._events()
        repeats = _one_event_each(events, executions)
        _in_order(events, executions, sent)
        return self._closed(len(slots), repeats)

    def _one_record_each(self, slots: set[Slot]) -> dict[str, tuple[Slot, int]]:
        """Slot and status by execution id."""
        rows = sql.rows(self.database, _RECORDS)
        found = Counter((job_id, at) for job_id, at, *_ in rows)
        wanted = {(job_id, datetime.fromisoformat(at)): (job_id, at) for job_id, at in slots}
        assert not wanted.keys() - found.keys(), f"lost: {_some(wanted.keys() - found.keys())}"
        assert not found.keys() - wanted.keys(), f"made up: {_some(found.keys() - wanted.keys())}"
        twice = [slot for slot, count in found.items() if count > 1]
        assert not twice, f"more than one record: {_some(twice)}"
        return {
            execution: (wanted[job_id, at], status) for job_id, at, execution, status, _ in rows
        }

    def _events(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Topic, partition and body of every event, in the order of each partition."""
        return [
            (topic, each.partition, json.loads(each.value or b""))
            for name, count in _EVENTS.items()
            for topic in [getattr(self.topics, name)]
            for each in read_topic(
                self.broker,
                topic,
                max(self._held(topic), sql.value(self.database, count)),
                settle_s=0.2,
            )
        ]

    def _held(self, topic: str) -> int:
        """How many messages a topic holds at least: the embedded broker says too few."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": "judge"})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            places = [TopicPartition(topic, each) for each in partitions]
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        finally:
            consumer.close()

    def _closed(self, slots: int, repeats: int) -> Outcome:
        """Each delivery in one bin, an event a record, all of them published."""
        row = [
            int(n) for n in sql.rows(self.database, _LEDGER.format(topic=self.topics.triggers))[0]
        ]
        deliveries, records, duplicates, redeliveries, letters, events, published, outbox = row
        assert deliveries == records + duplicates + redeliveries + letters, row
        assert records == events == published == slots, row
        assert outbox == 0, row
        counted = sql.value(self.database, "select sum(duplicate_count) from awp_job_execution")
        assert counted == duplicates, f"{counted} on the records, {duplicates} in the ledger"
        return Outcome(records, duplicates, redeliveries, repeats)


def _one_event_each(
    events: list[tuple[str, int, dict[str, Any]]], executions: dict[str, tuple[Slot, int]]
) -> int:
    """How many events came again."""
    ids: dict[str, set[str]] = {}
    for topic, _, body in events:
        execution = body["execution_id"]
        assert execution in executions, f"an event without a record: {body}"
        status = _FAILED if topic.endswith("failures.v1") else _PASSED
        assert executions[execution][1] == status, f"on the wrong topic: {body}"
        ids.setdefault(execution, set()).add(body["event_id"])
    assert not executions.keys() - ids.keys(), f"no event: {_some(executions.keys() - ids.keys())}"
    many = {execution: found for execution, found in ids.items() if len(found) > 1}
    assert not many, f"several event ids: {_some(many.items())}"
    return len(events) - len(ids)


def _in_order(
    events: list[tuple[str, int, dict[str, Any]]],
    executions: dict[str, tuple[Slot, int]],
    sent: Sequence[Sent],
) -> None:
    """Events of one trigger partition follow each other as their triggers did.

    A trigger sent to two partitions belongs to none: who was first is not for us to say.
    """
    places: dict[Slot, list[Sent]] = {}
    for each in sent:
        places.setdefault(each.slot, []).append(each)
    seen: set[str] = set()
    last: dict[tuple[str, int, int], tuple[int, int]] = {}
    for topic, partition, body in events:
        execution = body["execution_id"]
        if execution in seen:
            continue
        seen.add(execution)
        first = places[executions[execution][0]]
        if len({(each.partition, each.topic_generation) for each in first}) > 1:
            continue
        key = (topic, partition, first[0].partition)
        place = (first[0].topic_generation, first[0].offset)
        assert last.get(key, (0, -1)) < place, f"{place} of {key} came after {last[key]}"
        last[key] = place


def _some(offenders: Any) -> list[Any]:
    return sorted(map(str, offenders))[:3]
