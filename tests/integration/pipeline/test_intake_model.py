"""Deliver, deliver again, crash, hand over: the intake against a model of ten lines.

Two workers share a partition as a group's members do; one that was overtaken goes on as if it
were not. The database and the outbox are real, brokers are a list.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import Fenced
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.db.engine import Session
from tests.support.brokerless import TOPICS, BrokerlessIntake, IntakeSession, feeding
from tests.support.platform import Platform
from tests.support.postgres import PostgresServer
from tests.support.properties import examples, patient

JOBS = range(1, 5)
JUNK = -1
"""Stands in the model's log for what has no job id."""


class Crash(Exception):
    """The process ends here."""


class Dying(Session):
    """A session whose next transaction ends with the process: before its commit, or behind it."""

    dies: str | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        dies, self.dies = self.dies, None
        with super().transaction() as connection:
            yield connection
            if dies == "before":
                raise Crash
        if dies == "behind":
            raise Crash


class Topics:
    """Takes whatever is sent, and keeps it (a `Publisher` of the relay)."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, events: Sequence[Event], tick: Callable[[], None]) -> None:
        self.events += events

    def wait(self, tick: Callable[[], None]) -> list[Event]:
        return []

    def abandon(self) -> None:
        pass


class Member:
    """A worker: its intake, its relay, and what it believes to own."""

    def __init__(self, feed: BrokerlessIntake, topics: Topics, name: str) -> None:
        self.taker: IntakeSession = feed.taker(Dying)
        self.relay = Relay(self.taker.session, topics, TOPICS, "en")
        self.owner = f"ours/{name}"
        self.claim: Claim | None = None

    def take(self) -> None:
        """As the loop does: raise the epoch, publish what is left, go on behind the position."""
        self.relay.acknowledged.clear()
        self.claim = self.taker.take(0, owner=self.owner)
        while self.relay.catch_up([self.claim], lambda: None):
            pass

    def write(self, batch: Sequence[Delivery]) -> None:
        assert self.claim is not None
        claims, intake = {0: self.claim}, self.taker.intake
        acknowledged = list(self.relay.acknowledged)
        handled = intake.write(intake.decide(batch, claims), claims, acknowledged)
        self.relay.forget(acknowledged)
        self.claim = self.claim.at(handled.positions.get(0, self.claim.last_offset))
        self.relay.send(handled.rows, [self.claim], lambda: None)
        self.relay.finish(lambda: None)

    def crash(self) -> None:
        self.claim = None
        self.relay.acknowledged.clear()
        self.taker.session.close()


class Model:
    """What should be true, in ten lines: a log, how far it is accounted for, and what came of it.

    `heard` are the deliveries that were counted; the bins follow from `log[:position]`.
    """

    def __init__(self) -> None:
        self.log: list[int] = []
        self.position = self.heard = 0

    def committed(self, begin: int, end: int) -> None:
        self.heard += end - begin
        self.position = max(self.position, end)

    def bins(self) -> tuple[int, int, int, int, int]:
        """Deliveries, records, duplicates, redeliveries, dead letters."""
        slots = Counter(key for key in self.log[: self.position] if key != JUNK)
        junk = self.position - slots.total()
        again = self.heard - self.position
        return self.heard, len(slots), slots.total() - len(slots), again, junk


class Machine(RuleBasedStateMachine):
    """The rules: what may happen to a partition and its two workers."""

    feed: BrokerlessIntake

    @initialize()
    def begin(self) -> None:
        self.feed.empty()
        self.model, self.topics = Model(), Topics()
        self.began_at = datetime.now(UTC) - timedelta(minutes=5)
        self.members = [Member(self.feed, self.topics, name) for name in "ab"]
        self.members[0].take()

    @rule(keys=st.lists(st.just(JUNK) | st.integers(0, 11), min_size=1, max_size=6))
    def somebody_sends(self, keys: list[int]) -> None:
        self.model.log += keys

    @rule(who=st.integers(0, 1), back=st.integers(0, 5), count=st.integers(1, 6), data=st.data())
    @precondition(lambda self: self.model.log)
    def is_delivered(self, who: int, back: int, count: int, data: st.DataObject) -> None:
        """From a worker's own position or `back` before it; an overtaken one changes nothing."""
        member = self.members[who]
        if member.claim is None:
            return
        begin, end = self._range(member.claim, back, count)
        dies = data.draw(st.sampled_from([None, None, "before", "behind"]), label="dies")
        is_owner = self._is_owner(member)
        assert isinstance(member.taker.session, Dying)
        member.taker.session.dies = dies if end > begin else None
        if end == begin:
            return
        try:
            member.write(self._deliveries(begin, end))
        except Crash:
            assert is_owner or dies == "before"
            member.crash()
        except Fenced:
            assert not is_owner
            member.crash()
            return
        else:
            assert is_owner
        if is_owner and dies != "before":
            self.model.committed(begin, end)

    @rule(who=st.integers(0, 1))
    def takes(self, who: int) -> None:
        """Starts again, or gets the partition while the other still believes to have it."""
        self.members[who].take()

    @rule(who=st.integers(0, 1))
    def settles(self, who: int) -> None:
        """Deletes what is acknowledged without a batch, as before a hand-over."""
        member = self.members[who]
        if member.claim is None:
            return
        if self._is_owner(member):
            member.relay.settle([member.claim])
        elif member.relay.acknowledged:
            with pytest.raises(Fenced):
                member.relay.settle([member.claim])
            member.crash()

    @invariant()
    def the_count_closes(self) -> None:
        rows = self.feed.rows(
            "select deliveries, records, duplicates, redeliveries, dead_letters, events, "
            "last_offset, events - published as left, "
            "(select coalesce(sum(events), 0) from awp_trigger_outbox) as outbox, "
            "(select count(*) from awp_job_execution) as stored, "
            "(select coalesce(sum(duplicate_count), 0) from awp_job_execution) as repeats, "
            "(select count(*) from awp_dead_letter) as letters from awp_trigger_ledger"
        )
        if not rows:
            return
        (row,) = rows
        heard, records, duplicates, redeliveries, letters = self.model.bins()
        assert (row["deliveries"], row["records"]) == (heard, records)
        assert (row["duplicates"], row["redeliveries"]) == (duplicates, redeliveries)
        assert row["dead_letters"] == row["letters"] == letters
        assert (row["stored"], row["repeats"], row["events"]) == (records, duplicates, records)
        assert row["left"] == row["outbox"]
        assert row["last_offset"] == self.model.position - 1

    def teardown(self) -> None:
        """In the end one worker drains the log: a record and an event each, in order."""
        try:
            self._drain()
            self._events_are_those_of_the_records()
        finally:
            for member in self.members:
                member.taker.session.close()

    def _drain(self) -> None:
        member = self.members[1]
        member.take()
        begin, end = self.model.position, len(self.model.log)
        if begin < end:
            member.write(self._deliveries(begin, end))
            self.model.committed(begin, end)
        member.relay.settle([member.claim] if member.claim else [])
        self.the_count_closes()
        assert self.feed.rows("select from awp_trigger_outbox") == []

    def _events_are_those_of_the_records(self) -> None:
        wanted = [
            str(row["execution_id"])
            for row in self.feed.rows("select * from awp_job_execution order by origin_offset")
        ]
        ids: dict[str, set[str]] = {}
        letters = []
        for event in self.topics.events:
            if event.topic == TOPICS.dead_letters:
                letters.append(dict(event.headers)["dead-letter-offset"])
                continue
            body = json.loads(event.value or b"")
            ids.setdefault(body["execution_id"], set()).add(body["event_id"])
        assert list(ids) == wanted  # by first appearance
        assert all(len(found) == 1 for found in ids.values())
        places = [str(n).encode() for n, key in enumerate(self.model.log) if key == JUNK]
        assert list(dict.fromkeys(letters)) == places

    def _is_owner(self, member: Member) -> bool:
        (row,) = self.feed.rows("select epoch from awp_trigger_ledger")
        return member.claim is not None and member.claim.epoch == row["epoch"]

    def _range(self, claim: Claim, back: int, count: int) -> tuple[int, int]:
        begin = max(claim.last_offset + 1 - back, 0)
        return begin, min(begin + count, len(self.model.log))

    def _deliveries(self, begin: int, end: int) -> list[Delivery]:
        return [
            Delivery(0, offset, None, self._body(self.model.log[offset]), (), 0)
            for offset in range(begin, end)
        ]

    def _body(self, key: int) -> bytes:
        if key == JUNK:
            return b"junk"
        slot = self.began_at + timedelta(seconds=key // len(JOBS))
        body: dict[str, Any] = {"job_id": JOBS[key % len(JOBS)], "scheduled_at": slot.isoformat()}
        return json.dumps(body).encode()


@patient
def test_the_intake_is_what_its_model_says(postgres: PostgresServer) -> None:
    database = postgres.create("intake_model")
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            platform = Platform(connection)
            for job_id in JOBS:
                platform.action_job(id=job_id)
        ours = type("Machine", (Machine,), {"feed": feed})
        run_state_machine_as_test(ours, settings=examples(15, steps=20))
    postgres.drop("intake_model")
