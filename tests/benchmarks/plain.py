"""*plain*: what a careful engineer writes in a day. A process of its own, like the worker.

The same reads, verdicts and writes in ordinary psycopg2: lists as parameters, `execute_values`,
random UUIDs, an outbox row an event. Batches of 1,000, one transaction a batch with the position in
it, publish and wait, delete what was published with the next batch, commit the offsets. What would
have been slow by neglect is not: orjson reads and writes the JSON, and the deletes cost no
transaction of their own. Less safe than the product: nothing fences a second owner of a partition,
and one bad row stops the batch.
"""

import os
import signal
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import orjson
import psycopg2
import psycopg2.extras
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from sqlalchemy import make_url

from job_trigger_worker.config import Settings, load
from job_trigger_worker.domain.topics import Topics
from tests.benchmarks.plain_preflight import Facts, read_facts, verdict

BATCH = 1000
WAIT_S = 0.5
FLUSH_S = 30
COPY_EVERY_S = 1.0
NAMESPACE = uuid.UUID("6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21")

INSERT_RECORDS = """
    insert into awp_job_execution (
        job_id, job_type, execution_id, trigger_id, idempotency_key, trigger_kind, scheduled_at,
        fired_at, decided_at, trigger_status, trigger_code, trigger_message, findings, causes,
        job_name, owner_id, target_id, targets, ledger_id, origin_offset)
    values %s on conflict (idempotency_key) do nothing returning id, execution_id
"""
UPDATE_JOBS = """
    update awp_automcation_job j set
        trigger_status = v.status, trigger_message = v.message, last_execution_id = v.record_id,
        last_scheduled_at = v.scheduled_at,
        consecutive_failures = case when v.status = 1 then 0
            else j.consecutive_failures + 1 end,
        failing_since = case when v.status = 1 then null
            else coalesce(j.failing_since, v.scheduled_at) end
    from (values %s) as v (job_id, record_id, scheduled_at, status, message)
    where j.id = v.job_id and (j.last_scheduled_at is null
        or (j.last_scheduled_at, j.last_execution_id) < (v.scheduled_at, v.record_id))
"""
INSERT_EVENTS = """
    insert into awp_trigger_outbox (ledger_id, events, payload) values %s returning id
"""
UPDATE_LEDGER = """
    update awp_trigger_ledger l set last_offset = v.last_offset,
        deliveries = l.deliveries + v.deliveries, records = l.records + v.records,
        events = l.events + v.records, updated_at = now()
    from (values %s) as v (id, last_offset, deliveries, records)
    where l.id = v.id and l.last_offset < v.last_offset
"""
TAKE = """
    insert into awp_trigger_ledger (topic, topic_id, "partition") values (%s, 'plain', %s)
    on conflict (topic, topic_id, "partition") do update set updated_at = now()
    returning id, last_offset
"""


class Delivered(NamedTuple):
    """A trigger as the broker delivered it."""

    partition: int
    offset: int
    value: bytes


class Work:
    """What is done with a batch, whoever brings the triggers: one connection, one producer."""

    def __init__(self, settings: Settings) -> None:
        self.topics = Topics.under(settings.topic_prefix)
        url = make_url(settings.database_url.get_secret_value()).set(drivername="postgresql")
        self.database = psycopg2.connect(url.render_as_string(hide_password=False))
        psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]
        psycopg2.extras.register_default_jsonb(self.database, loads=orjson.loads)
        self.ledger: dict[int, int] = {}
        self.positions: dict[int, int] = {}
        self.published: list[int] = []
        self.refused: list[str] = []
        self.lock = Lock()
        self.producer = Producer(
            {
                "bootstrap.servers": settings.kafka_brokers,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": "murmur2_random",
            }
        )

    def take(self, partition: int) -> int:
        """Begin with a partition, and send what a crash has left; its last offset."""
        with self.database, self.database.cursor() as cursor:
            cursor.execute(TAKE, (self.topics.triggers, partition))
            self.ledger[partition], last = cursor.fetchone() or (0, -1)
            self.publish_left(cursor, self.ledger[partition])
        self.positions[partition] = last
        return int(last)

    def publish_left(self, cursor: Any, ledger_id: int) -> None:
        """Send what a crash has left in the outbox."""
        cursor.execute(
            "delete from awp_trigger_outbox where ledger_id = %s returning id, payload",
            (ledger_id,),
        )
        for _, payload in sorted(cursor.fetchall()):
            topic, key, value = orjson.loads(bytes(payload))
            self.producer.produce(topic, value, key, on_delivery=self.delivered)
        self.flush()

    def handle(self, delivered: Sequence[Delivered]) -> None:
        """Write a batch and publish its events: at the return all are acknowledged.

        What the ledger has already is dropped: not every consumer begins at the ledger's position.
        """
        with self.lock:
            self._handle(delivered)

    def _handle(self, delivered: Sequence[Delivered]) -> None:
        for partition in {each.partition for each in delivered} - self.ledger.keys():
            self.take(partition)
        positions = self.positions
        batch = [each for each in delivered if each.offset > positions[each.partition]]
        if not batch:
            return
        with self.database, self.database.cursor() as cursor:
            events, rows = self.write(cursor, batch)
        for topic, key, headers, value in events:
            self.producer.produce(topic, value, key, headers=headers, on_delivery=self.delivered)
        self.flush()
        self.published = rows
        positions.update((each.partition, each.offset) for each in batch)

    def rest(self) -> None:
        """Nothing came: forget what the broker has."""
        with self.lock:
            if self.published:
                with self.database, self.database.cursor() as cursor:
                    self.delete_published(cursor)

    def rest_beside(self) -> None:
        """Rest from time to time in a thread, for consumers that do not say that nothing came."""

        def look() -> None:
            while True:
                seen = self.published
                time.sleep(WAIT_S)
                if self.published is seen:
                    self.rest()

        Thread(target=look, daemon=True).start()

    def flush(self) -> None:
        """Wait for every acknowledgement. Raises RuntimeError where one does not come."""
        if self.producer.flush(FLUSH_S) or self.refused:
            raise RuntimeError(f"events were not acknowledged: {self.refused[:1]}")

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """Called for each event that was sent."""
        if error is not None:
            self.refused.append(str(error))

    def write(self, cursor: Any, batch: Sequence[Delivered]) -> tuple[list[Any], list[int]]:
        """The transaction: facts, records, jobs, outbox, position."""
        now = datetime.now(UTC)
        triggers = [read(each) for each in batch]
        facts = read_facts(cursor, list({trigger["job_id"] for trigger in triggers}))
        rows, made = [], {}
        for trigger in triggers:
            if trigger["key"] in made:
                continue
            event, row = self.decide(trigger, facts, now)
            made[trigger["key"]] = event, trigger, row
            rows.append(row)
        rows.sort(key=by_key)
        written = psycopg2.extras.execute_values(
            cursor, INSERT_RECORDS, rows, page_size=BATCH, fetch=True
        )
        ids = {execution_id: record_id for record_id, execution_id in written}
        new = [entry for entry in made.values() if entry[2][2] in ids]
        self.show(cursor, new, ids)
        events = [event for event, _, _ in new]
        outbox = psycopg2.extras.execute_values(
            cursor,
            INSERT_EVENTS,
            [
                (
                    self.ledger[trigger["partition"]],
                    1,
                    orjson.dumps([event[0], event[1].decode(), event[3].decode()]),
                )
                for event, trigger, _ in new
            ],
            page_size=BATCH,
            fetch=True,
        )
        self.delete_published(cursor)
        self.advance(cursor, batch, [trigger for _, trigger, _ in new])
        return events, [row[0] for row in outbox]

    def decide(self, trigger: dict[str, Any], facts: Facts, now: datetime) -> tuple[Any, Any]:
        """The event and the record of one trigger."""
        job, findings, targets = verdict(trigger, facts, now)
        execution_id = uuid.uuid4()
        event_id = str(uuid.uuid5(NAMESPACE, f"outcome:{execution_id}"))
        body = {
            "event_id": event_id,
            "execution_id": str(execution_id),
            "trigger_id": trigger["trigger_id"],
            "job_id": str(trigger["job_id"]),
            "job_type": job and job["job_type"],
            "owner": job and {"user_id": str(job["owner_id"]), "name": job["owner_name"]},
            "kind": trigger["kind"],
            "scheduled_at": stamp(trigger["scheduled_at"]),
        }
        if job and not findings:
            is_action = job["job_type"] == "action"
            topic = self.topics.dispatch_action if is_action else self.topics.dispatch_orch
            kind = b"awp.job.dispatch.v1"
            body |= {
                "target_id": str(job["target_id"]),
                "dispatched_at": stamp(now),
                "parameter": job["paramter"],
                "targets": targets,
            }
        else:
            topic, kind = self.topics.failures, b"awp.job.trigger-failure.v1"
            body |= {
                "job_name": job and job["name"],
                "failed_at": stamp(now),
                "code": findings[0]["code"],
                "message": findings[0]["message"],
                "findings": findings,
                "findings_omitted": 0,
                "causes": [finding["code"] for finding in findings],
                "cause": findings[0]["code"],
            }
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_source", b"/job-trigger-worker"),
            ("content-type", b"application/json"),
            ("ce_type", kind),
            ("ce_id", event_id.encode()),
            ("ce_time", stamp(now).encode()),
        ]
        row = (
            trigger["job_id"],
            job and job["job_type"],
            execution_id,
            trigger["trigger_id"],
            trigger["key"],
            trigger["kind"],
            trigger["scheduled_at"],
            trigger["fired_at"],
            now,
            2 if findings else 1,
            findings[0]["code"] if findings else None,
            findings[0]["message"] if findings else None,
            orjson.dumps(findings).decode() if findings else None,
            [finding["code"] for finding in findings] or None,
            job and job["name"],
            job and job["owner_id"],
            job and job["target_id"],
            orjson.dumps(targets).decode(),
            self.ledger[trigger["partition"]],
            trigger["offset"],
        )
        return (topic, str(trigger["job_id"]).encode(), headers, orjson.dumps(body)), row

    def show(self, cursor: Any, new: list[Any], ids: dict[Any, int]) -> None:
        """Each job's newest record."""
        newest: dict[int, tuple[Any, ...]] = {}
        for _, trigger, row in new:
            shown = (row[0], ids[row[2]], trigger["scheduled_at"], row[9], row[11])
            if row[0] not in newest or newest[row[0]][2:0:-1] < shown[2:0:-1]:
                newest[row[0]] = shown
        psycopg2.extras.execute_values(
            cursor,
            UPDATE_JOBS,
            [newest[job_id] for job_id in sorted(newest)],
            template="(%s, %s, %s, %s, %s::text)",
            page_size=BATCH,
        )

    def advance(self, cursor: Any, batch: Sequence[Delivered], new: list[dict[str, Any]]) -> None:
        """The position, in the same transaction."""
        counts: defaultdict[int, list[int]] = defaultdict(lambda: [-1, 0, 0])
        for partition, offset, _ in batch:
            count = counts[self.ledger[partition]]
            count[0], count[1] = offset, count[1] + 1
        for trigger in new:
            counts[self.ledger[trigger["partition"]]][2] += 1
        rows = [(ledger_id, *count) for ledger_id, count in sorted(counts.items())]
        psycopg2.extras.execute_values(cursor, UPDATE_LEDGER, rows)
        if cursor.rowcount != len(rows):
            raise RuntimeError("another worker has moved a position")

    def delete_published(self, cursor: Any) -> None:
        """Forget what the broker has."""
        if self.published:
            cursor.execute("delete from awp_trigger_outbox where id = any(%s)", (self.published,))
            self.published = []


class Plain:
    """One consumer in front of the work."""

    def __init__(self, settings: Settings) -> None:
        self.work = Work(settings)
        self.ends: dict[int, int] = {}
        self.copied_at = time.monotonic()
        self.consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_brokers,
                "group.id": settings.consumer_group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "max.poll.interval.ms": settings.max_poll_interval_ms,
                "session.timeout.ms": min(45_000, settings.max_poll_interval_ms),
            }
        )
        self.consumer.subscribe([self.work.topics.triggers], on_assign=self.assigned)

    def assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Begin behind the position that the ledger has, not the group's."""
        for place in places:
            place.offset = self.work.take(place.partition) + 1
        consumer.assign(places)

    def turn(self) -> None:
        """One batch."""
        batch = [
            Delivered(m.partition() or 0, m.offset() or 0, m.value() or b"")
            for m in self.consumer.consume(BATCH, WAIT_S)
            if m.error() is None
        ]
        if not batch:
            self.work.rest()
            return
        self.work.handle(batch)
        self.ends |= {each.partition: each.offset for each in batch}
        if time.monotonic() - self.copied_at >= COPY_EVERY_S:
            topic = self.work.topics.triggers
            places = [TopicPartition(topic, p, end + 1) for p, end in self.ends.items()]
            self.consumer.commit(offsets=places, asynchronous=True)
            self.copied_at = time.monotonic()


def read(delivered: Delivered) -> dict[str, Any]:
    """A trigger; anything odd raises and stops the process."""
    body = orjson.loads(delivered.value)
    job_id = int(body["job_id"])
    scheduled_at = datetime.fromisoformat(body["scheduled_at"]).astimezone(UTC)
    fired_at = datetime.fromisoformat(body.get("fired_at") or body["scheduled_at"]).astimezone(UTC)
    kind = body.get("kind") or "schedule"
    name = stamp(scheduled_at) if kind == "schedule" else body["trigger_id"]
    key = uuid.uuid5(NAMESPACE, f"{kind}:{job_id}:{name}")
    return {
        "job_id": job_id,
        "trigger_id": body.get("trigger_id") or str(key),
        "key": key,
        "kind": kind,
        "scheduled_at": scheduled_at,
        "fired_at": fired_at,
        "partition": delivered.partition,
        "offset": delivered.offset,
    }


def by_key(row: tuple[Any, ...]) -> int:
    """The order of rows, the same in every process."""
    return int(row[4].int)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def main() -> None:
    """Drain until SIGTERM."""
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    plain = Plain(load())
    while not stopping.is_set():
        plain.turn()
    plain.consumer.close()
    plain.work.database.close()
    os._exit(0)


if __name__ == "__main__":
    main()
