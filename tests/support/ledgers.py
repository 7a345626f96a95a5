"""What became of a load, judged from the tables and from every byte on the outgoing topics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from job_trigger_worker.domain.topics import Topics
from tests.support import checker, evidence, sql
from tests.support.load import Sent
from tests.support.topics import Broker, Received, read_topic
from tests.support.waiting import wait_until

_COUNT = "select count(*) from awp_job_execution where trigger_status ="
_BEHIND = "select count(*) from awp_job_reprojection"
_LEAST = {
    "dispatch_action": f"{_COUNT} 1 and job_type = 'action'",
    "dispatch_orch": f"{_COUNT} 1 and job_type = 'workflow'",
    "failures": f"{_COUNT} 2",
}


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
    verdicts: Mapping[int, evidence.Verdict]

    def records(self) -> int:
        """How many execution records stand now."""
        return int(sql.value(self.database, "select count(*) from awp_job_execution"))

    def events(self) -> int:
        """How many events stand on the outgoing topics now; the embedded broker says too few."""
        return sum(self._held(getattr(self.topics, name)) for name in _LEAST)

    def is_published(self, records: int) -> bool:
        """That many records stand, and every event has left."""
        if self.records() < records:
            return False
        return not sql.value(self.database, "select count(*) from awp_trigger_outbox")

    def is_quiet(self, records: int) -> bool:
        """The same, and every job shows its newest record."""
        return self.is_published(records) and not sql.value(self.database, _BEHIND)

    def settled(self, sent: Sequence[Sent], deadline_s: float = 30.0) -> Outcome:
        """Wait until a load is settled and published, then hold it against the promises.

        What the checker looks for, and the count closes. Raises AssertionError that names the
        first offenders.
        """
        slots = {each.slot for each in sent}
        wait_until(lambda: self.is_quiet(len(slots)), deadline_s, f"{len(slots)} triggers settled")
        count = evidence.count(self.database, self.topics.triggers)
        found = evidence.Evidence(
            sent=sent,
            unknown=frozenset(),
            verdicts=self.verdicts,
            records=evidence.records(self.database),
            outcomes=evidence.outcomes(self.topics, self._read),
            jobs=evidence.jobs(self.database),
            count=count,
        )
        broken = checker.violations(found)
        assert not broken, "\n".join(map(str, broken[:3]))
        repeats = checker.repeats(found.outcomes)
        return Outcome(len(slots), count.duplicates, count.redeliveries, repeats)

    def _read(self, topic: str) -> list[Received]:
        """Everything on an outgoing topic; the embedded broker says too few of its ends."""
        names = {getattr(self.topics, name): count for name, count in _LEAST.items()}
        least = max(self._held(topic), sql.value(self.database, names[topic]))
        return read_topic(self.broker, topic, least, settle_s=0.2)

    def _held(self, topic: str) -> int:
        """How many messages a topic holds at least."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": "judge"})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            places = [TopicPartition(topic, each) for each in partitions]
            return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        finally:
            consumer.close()
