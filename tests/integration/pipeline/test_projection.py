"""A job's columns are those of its records, in whatever order these arrive (R3)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.record import Record
from job_trigger_worker.domain.trigger import Origin, Trigger, TriggerKind
from job_trigger_worker.domain.verdict import Verdict
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import projection, records
from tests.support import sql
from tests.support.brokerless import TOPICS, BrokerlessIntake, feeding
from tests.support.command import trigger_worker
from tests.support.platform import Platform
from tests.support.properties import examples, patient

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
JOBS = (1, 2)
COLUMNS = (
    "trigger_status, trigger_message, last_execution_id, last_scheduled_at, failing_since,"
    " consecutive_failures"
)


class Firing(NamedTuple):
    """A trigger: its slot in minutes from noon, and what it becomes."""

    job_id: int
    minute: int
    has_passed: bool
    kind: TriggerKind = TriggerKind.SCHEDULE


firings = st.builds(
    Firing,
    st.sampled_from(JOBS),
    st.integers(-4, 8),
    st.booleans() | st.just(False),
    st.sampled_from([TriggerKind.SCHEDULE] * 3 + [TriggerKind.MANUAL, TriggerKind.CANARY]),
)
arrivals = st.lists(st.lists(firings, min_size=1, max_size=5), min_size=1, max_size=6)


class Desk:
    """Writes records of given outcomes as the intake does, and shows what the jobs say."""

    def __init__(self, feed: BrokerlessIntake) -> None:
        self.feed = feed
        self.session: Session = feed.taker().session

    def write(self, batch: Sequence[Firing], decided_at: datetime) -> None:
        with self.session.transaction() as connection:
            write(connection, batch, decided_at)

    def shown(self, job_id: int) -> tuple[Any, ...]:
        (row,) = self.feed.rows(
            f"select {COLUMNS} from awp_automcation_job where id = :id", id=job_id
        )
        return tuple(row.values())

    def calculated(self, job_id: int) -> tuple[Any, ...]:
        """The same by a plain calculation from the records."""
        rows = self.feed.rows("select * from awp_job_execution where job_id = :id", id=job_id)
        rows = [
            row
            for row in rows
            if row["trigger_kind"] != "canary" and row["trigger_code"] != "too_early"
        ]
        rows.sort(key=lambda row: (min(row["scheduled_at"], row["decided_at"]), row["id"]))
        if not rows:
            return (None, None, None, None, None, 0)
        run = []
        for row in reversed(rows):
            if row["trigger_status"] == 1:
                break
            run.append(min(row["scheduled_at"], row["decided_at"]))
        newest = rows[-1]
        return (
            newest["trigger_status"],
            newest["trigger_message"],
            newest["id"],
            newest["scheduled_at"],
            min(run, default=None),
            len(run),
        )

    def records(self, batch: Sequence[Firing], decided_at: datetime) -> list[Record]:
        """What the intake makes of them."""
        return [_record(firing, decided_at, place) for place, firing in enumerate(batch)]


def write(connection: Connection, batch: Sequence[Firing], decided_at: datetime) -> None:
    made = [_record(firing, decided_at, place) for place, firing in enumerate(batch)]
    ids = records.insert(connection, records.columns(made))
    projection.project(connection, made, ids)


def _record(firing: Firing, decided_at: datetime, place: int) -> Record:
    slot = NOON + timedelta(minutes=firing.minute)
    key = str(uuid4())
    trigger = Trigger(firing.job_id, key, key, firing.kind, slot, slot, None, Origin(1, place))
    code = None if firing.has_passed else "server_not_found"
    if slot > decided_at + timedelta(minutes=5):
        code = "too_early"
    verdict = Verdict((), (), None)
    event = Event(TOPICS.failures, b"1", [], b"{}")
    message = None if code is None else f"at minute {firing.minute}"
    return Record(trigger, verdict, decided_at, code, message, None, None, None, event)


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            for job_id in JOBS:
                Platform(connection).action_job(id=job_id)
        yield Desk(feed)


@patient
def test_columns_are_those_of_the_records_in_every_order_of_arrival(desk: Desk) -> None:
    @examples(30)
    @given(arrivals)
    def hold(batches: list[list[Firing]]) -> None:
        desk.feed.empty()
        for minute, batch in enumerate(batches):
            desk.write(batch, NOON + timedelta(minutes=minute, seconds=1))
            for job_id in JOBS:
                assert desk.shown(job_id) == desk.calculated(job_id)

    hold()


FAILED, PASSED = False, True


@pytest.mark.parametrize(
    ("late", "failures", "since_minute"),
    [
        ((-2, FAILED), 4, -2),
        ((1, FAILED), 4, 0),
        ((1, PASSED), 2, 2),
        ((-2, PASSED), 3, 0),
    ],
    ids=["a failure before", "a failure within", "a success within", "a success before"],
)
def test_an_older_slot_that_comes_late_changes_the_failures_in_a_row(
    desk: Desk, late: tuple[int, bool], failures: int, since_minute: int
) -> None:
    for minute in (0, 2, 3):
        desk.write([Firing(1, minute, FAILED)], NOON + timedelta(minutes=minute))
    desk.write([Firing(1, *late)], NOON + timedelta(minutes=9))

    status, message, _, newest, failing_since, count = desk.shown(1)
    assert (status, message, newest) == (2, "at minute 3", NOON + timedelta(minutes=3))
    assert (failing_since, count) == (NOON + timedelta(minutes=since_minute), failures)


def test_what_another_worker_commits_meanwhile_is_counted(desk: Desk) -> None:
    """Two partitions with triggers of one job: who comes second leaves the job behind."""
    desk.write([Firing(1, 0, FAILED)], NOON)
    later = NOON + timedelta(minutes=9)
    other = desk.feed.taker().session
    with other.transaction() as connection:
        write(connection, [Firing(1, 3, FAILED), Firing(1, 2, PASSED)], later)
        desk.write([Firing(1, 1, FAILED)], later)
    (behind,) = desk.feed.rows("select job_id from awp_job_reprojection")
    with desk.session.transaction() as connection:
        assert projection.reproject(connection, behind.values()).locked == []

    assert desk.shown(1) == desk.calculated(1)
    assert desk.shown(1)[-2:] == (NOON + timedelta(minutes=3), 1)


def test_a_job_that_was_made_again_goes_on_where_its_records_are(desk: Desk) -> None:
    for minute in (0, 1):
        desk.write([Firing(1, minute, FAILED)], NOON + timedelta(minutes=minute))
    with desk.feed.engine.begin() as connection:
        connection.exec_driver_sql("delete from awp_automcation_job where id = 1")
        Platform(connection).action_job(id=1)
    desk.write([Firing(1, 2, FAILED)], NOON + timedelta(minutes=2))

    assert desk.shown(1)[-2:] == (NOON, 3)


def test_columns_are_set_again_from_the_records(desk: Desk) -> None:
    for minute in (0, 1, 2):
        desk.write([Firing(1, minute, minute == 0)], NOON + timedelta(minutes=minute))
    right = desk.shown(1)
    with desk.feed.engine.begin() as connection:
        connection.exec_driver_sql(
            "update awp_automcation_job set trigger_status = 1, consecutive_failures = 9,"
            " last_scheduled_at = '2199-12-31', failing_since = '2000-01-01'"
        )
    with desk.session.transaction() as connection:
        assert projection.reproject(connection, [1, 2]) == (2, [])
        assert projection.reproject(connection, [1, 2]) == (0, [])

    assert desk.shown(1) == right
    assert desk.shown(2) == (None, None, None, None, None, 0)


def test_the_command_sets_columns_again_and_says_how_many(desk: Desk, database: str) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    for minute in (0, 1):
        desk.write([Firing(1, minute, FAILED)], NOON + timedelta(minutes=minute))
    right = desk.shown(1)
    sql.execute(database, "update awp_automcation_job set last_scheduled_at = '2199-12-31'")

    told = trigger_worker("jobs", "reproject", "1", "404", "--json", env=env)
    assert (told.status, told.json["jobs"], told.json["changed"]) == (1, 1, 1)
    assert told.json["missing"] == ["404"]
    assert desk.shown(1) == right

    every = trigger_worker("jobs", "reproject", env=env)
    assert (every.status, every.stdout) == (0, "2 jobs held against the records, 1 set again.\n")
    assert desk.shown(2) == (None, None, None, None, None, 0)
    assert trigger_worker("jobs", "reproject", "x", env=env).status == 2
