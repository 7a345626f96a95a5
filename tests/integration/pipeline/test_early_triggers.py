"""Times from outside are held against now: what is not due yet does not run, and hides nothing.

The intake on the real database, without a broker; the clock is the test's.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import schedule_key
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.status import StatusIntake
from tests.support.brokerless import TOPICS, BrokerlessIntake, feeding
from tests.support.command import trigger_worker
from tests.support.console import serving
from tests.support.platform import Platform

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FAR_SLOT = b'{"job_id":"6","scheduled_at":"2199-12-31T00:00:00Z"}'
UNREADABLE_WITH_A_FAR_SLOT = (
    b'{"job_id":"19","scheduled_at":"2180-01-01T00:00:00Z","kind":"nonsense"}'
)


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOON).total_seconds()


class Desk:
    """One worker of one partition: sends triggers at a moment, and shows what became of them."""

    def __init__(self, feed: BrokerlessIntake) -> None:
        self.feed = feed
        self.clock = Hands()
        self._taker = feed.taker(clock=self.clock)
        self._claim: Claim = self._taker.take(0)

    def send(self, *bodies: object, at: datetime = NOON, appended: datetime | None = None) -> None:
        """Have a batch decided at a moment; the brokers got it then, or when it says."""
        self.clock.at = at
        appended_ms = int((appended or at).timestamp() * 1000)
        first = self._claim.last_offset + 1
        batch = [
            Delivery(
                0,
                first + place,
                None,
                body if isinstance(body, bytes) else json.dumps(body).encode(),
                (),
                appended_ms,
            )
            for place, body in enumerate(bodies)
        ]
        handled = self._taker.write(batch, {0: self._claim})
        self._claim = self._claim.at(handled.positions[0])

    def records(self, job_id: int) -> list[dict[str, Any]]:
        """The job's records in the order in which they were written."""
        return self.feed.rows(
            "select * from awp_job_execution where job_id = :id order by id", id=job_id
        )

    def job(self, job_id: int) -> dict[str, Any]:
        (found,) = self.feed.rows("select * from awp_automcation_job where id = :id", id=job_id)
        return found

    def dispatched(self) -> list[dict[str, Any]]:
        """The bodies of every dispatch that leaves."""
        events = self.feed.waiting(self._claim.ledger_id)
        topics = {TOPICS.dispatch_action, TOPICS.dispatch_orch}
        return [json.loads(event.value or b"") for event in events if event.topic in topics]

    def failures(self) -> list[dict[str, Any]]:
        """The bodies of every failure event that leaves."""
        events = self.feed.waiting(self._claim.ledger_id)
        return [json.loads(e.value or b"") for e in events if e.topic == TOPICS.failures]


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            platform = Platform(connection)
            fine, gone = [platform.target()], [(9_999, "deploy")]
            for job_id in (1, 2, 3, 6, 19):
                platform.action_job(fine, id=job_id, name=f"job {job_id}")
            platform.action_job(gone, id=7, name="broken")
        yield Desk(feed)


def slot(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def scheduled(job_id: int, minutes: float, **fields: object) -> dict[str, object]:
    return {"job_id": str(job_id), "scheduled_at": slot(minutes), **fields}


def test_a_slot_in_2199_does_not_run_and_hides_no_failure_after_it(desk: Desk) -> None:
    desk.send(FAR_SLOT)
    (early,) = desk.records(6)
    assert (early["trigger_status"], early["trigger_code"]) == (2, "too_early")
    assert early["scheduled_at"] == datetime(2199, 12, 31, tzinfo=UTC)
    assert early["job_name"] == "job 6"
    assert desk.dispatched() == []
    (event,) = desk.failures()
    assert (event["code"], event["job_name"]) == ("too_early", "job 6")
    assert event["message"] == (
        "Job 6 (job 6) was triggered for 2199-12-31 00:00:00 UTC, 63217 d 12 h ahead of its slot;"
        " at most 5 min is believed."
    )
    job = desk.job(6)
    assert (job["trigger_status"], job["last_execution_id"], job["last_scheduled_at"]) == (
        None,
        None,
        None,
    )


def test_a_job_whose_trigger_named_2199_shows_its_real_failures(desk: Desk) -> None:
    desk.send({"job_id": "7", "scheduled_at": "2199-12-31T00:00:00Z"})
    for minute in range(3):
        desk.send(scheduled(7, minute), at=NOON + timedelta(minutes=minute))
    job = desk.job(7)
    assert (job["trigger_status"], job["consecutive_failures"]) == (2, 3)
    assert (job["failing_since"], job["last_scheduled_at"]) == (NOON, NOON + timedelta(minutes=2))
    assert job["last_execution_id"] == desk.records(7)[-1]["id"]


def test_a_scheduler_an_hour_ahead_runs_nothing_early_and_everything_at_its_time(
    desk: Desk,
) -> None:
    every = [scheduled(job_id, 60) for job_id in (1, 2, 3)]
    desk.send(*every)
    desk.send(*every)  # it tries again
    assert desk.dispatched() == []
    codes = {job_id: [r["trigger_code"] for r in desk.records(job_id)] for job_id in (1, 2, 3)}
    assert codes == {job_id: ["too_early"] for job_id in (1, 2, 3)}
    assert [desk.records(job_id)[0]["duplicate_count"] for job_id in (1, 2, 3)] == [1, 1, 1]

    desk.send(*every, at=NOON + timedelta(hours=1, seconds=1))
    assert [run["job_id"] for run in desk.dispatched()] == ["1", "2", "3"]
    for job_id in (1, 2, 3):
        early, real = desk.records(job_id)
        assert (real["trigger_status"], real["trigger_code"]) == (1, None)
        assert real["execution_id"] != early["execution_id"]
        assert desk.job(job_id)["last_execution_id"] == real["id"]


@pytest.mark.parametrize(("seconds", "code"), [(300, None), (301, "too_early")])
def test_five_minutes_ahead_are_believed_and_no_more(
    desk: Desk, seconds: int, code: str | None
) -> None:
    desk.send(scheduled(1, seconds / 60))
    (record,) = desk.records(1)
    assert record["trigger_code"] == code


def test_a_run_by_hand_from_tomorrow_is_too_early(desk: Desk) -> None:
    by_hand = {
        "job_id": "1",
        "kind": "manual",
        "trigger_id": str(uuid4()),
        "fired_at": slot(24 * 60),
        "triggered_by": "wang.fang",
    }
    desk.send(by_hand)
    (record,) = desk.records(1)
    assert (record["trigger_code"], record["trigger_kind"]) == ("too_early", "manual")
    assert str(record["trigger_id"]) == by_hand["trigger_id"]

    desk.send(by_hand, at=NOON + timedelta(days=1))
    assert [r["trigger_code"] for r in desk.records(1)] == ["too_early", None]


def test_what_was_too_early_is_found_by_the_id_that_its_sender_knows(
    desk: Desk, database: str
) -> None:
    desk.send({"job_id": "6", "scheduled_at": slot(60)})
    (record,) = desk.records(6)
    sent_as = schedule_key(6, NOON + timedelta(hours=1))
    assert str(record["idempotency_key"]) != sent_as
    ended = trigger_worker("show", sent_as, env={"TRIGGER_WORKER_DATABASE_URL": database})
    assert ended.status == 0, ended.stderr
    assert "ahead of its slot" in ended.stdout
    with serving(database) as console:
        state = console.signed_in(Role.ADMIN).get(f"/api/v1/triggers/{sent_as}").json()
    assert (state["state"], state["record"]["id"]) == ("recorded", str(record["id"]))


def test_a_scheduled_trigger_that_was_fired_tomorrow_runs_as_fired_at_its_slot(desk: Desk) -> None:
    """What `fired_at` says decides nothing for a slot; a time that cannot be is not repeated."""
    desk.send(scheduled(1, 0, fired_at=slot(24 * 60)))
    (record,) = desk.records(1)
    assert (record["trigger_status"], record["fired_at"]) == (1, NOON)


def test_a_trigger_of_no_job_is_too_early_all_the_same(desk: Desk) -> None:
    desk.send({"job_id": "404", "scheduled_at": "2199-12-31T00:00:00Z"})
    (record,) = desk.records(404)
    assert (record["trigger_code"], record["job_name"]) == ("too_early", None)


def test_an_unreadable_trigger_with_a_far_slot_takes_the_moment_of_the_decision(
    desk: Desk,
) -> None:
    desk.send(UNREADABLE_WITH_A_FAR_SLOT, appended=NOON + timedelta(seconds=30))
    (record,) = desk.records(19)
    assert (record["trigger_code"], record["scheduled_at"]) == ("event_invalid", NOON)
    desk.send(scheduled(19, 1), at=NOON + timedelta(minutes=1))
    job = desk.job(19)
    assert (job["trigger_status"], job["last_scheduled_at"]) == (1, NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("named", "appended_minutes", "taken_minutes"),
    [(-30, -5, -30), (30, -5, -5), (0, -5, 0), (1, 1, 0)],
    ids=["a past slot", "a future slot", "a slot of now", "a future slot and append"],
)
def test_an_unreadable_trigger_takes_the_slot_that_it_names_only_from_the_past(
    desk: Desk, named: float, appended_minutes: float, taken_minutes: float
) -> None:
    desk.send(
        scheduled(19, named, kind="nonsense"), appended=NOON + timedelta(minutes=appended_minutes)
    )
    (record,) = desk.records(19)
    assert record["scheduled_at"] == NOON + timedelta(minutes=taken_minutes)


@pytest.mark.parametrize(
    ("said_minutes", "appended_minutes", "taken_minutes"),
    [(4, 0, 4), (60, -1, -1), (60, 60, 0)],
    ids=["soon", "an hour ahead", "an hour ahead by every clock of its own"],
)
def test_a_status_from_ahead_counts_from_its_reception(
    database: str, said_minutes: float, appended_minutes: float, taken_minutes: float
) -> None:
    run = str(uuid4())
    body = {
        "execution_id": run,
        "job_type": "action",
        "status": "succeeded",
        "at": slot(said_minutes),
    }
    with feeding(database) as feed:
        taker = feed.taker()
        claims = {0: taker.take(0)}
        intake = StatusIntake(
            session=taker.session,
            topics=TOPICS,
            metrics=IntakeMetrics(Metrics(CollectorRegistry()), TOPICS.statuses),
            clock=Hands(),
            max_earliness_s=300,
        )
        appended = NOON + timedelta(minutes=appended_minutes)
        value = json.dumps(body).encode()
        delivery = Delivery(0, 0, None, value, (), int(appended.timestamp() * 1000))
        intake.write(intake.decide([delivery], claims), claims, ())
        (found,) = feed.rows("select status, ended_at from awp_action_execution")

    assert found == {"status": "succeeded", "ended_at": NOON + timedelta(minutes=taken_minutes)}
