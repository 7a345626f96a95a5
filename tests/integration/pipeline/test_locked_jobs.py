"""A job whose row somebody has locked: no trigger waits for it, and its columns follow (R3)."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import JobsLocked
from job_trigger_worker.metrics import IntakeMetrics, Metrics
from job_trigger_worker.pipeline.job_projection import Projector
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import projection, records, reprojections
from tests.integration.pipeline.test_projection import (
    FAILED,
    JOBS,
    NOON,
    PASSED,
    Desk,
    Firing,
    firings,
)
from tests.support import sql
from tests.support.brokerless import feeding
from tests.support.command import trigger_worker
from tests.support.platform import Platform
from tests.support.properties import examples, patient

OLDER = "update awp_job_reprojection set noted_at = noted_at - interval '1 minute'"
BEHIND = "select distinct job_id from awp_job_reprojection order by 1"


class Minutes:
    """A clock that is set on by a minute before each call: everything is always due."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> object:
        return NOON

    def monotonic(self) -> float:
        return self.passed_s


class Worker:
    """Writes batches and catches up, as one of several workers does."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self.desk = desk
        self.session = session
        self.registry = CollectorRegistry()
        metrics = IntakeMetrics(Metrics(self.registry), "t")
        self._clock = Minutes()
        self.projector = Projector(session, metrics, self._clock)  # type: ignore[arg-type]

    def write(self, batch: Sequence[Firing], minute: int) -> None:
        self._clock.passed_s += 60
        made = self.desk.records(batch, NOON + timedelta(minutes=minute))
        with self.session.transaction() as connection:
            ids = records.insert(connection, records.columns(made))
            self.projector.show(connection, made, ids)

    def catch_up(self) -> None:
        self._clock.passed_s += 60
        self.projector.catch_up()

    @property
    def behind(self) -> float | None:
        return self.registry.get_sample_value("trigger_worker_jobs_behind")


@pytest.fixture
def desk(database: str) -> Iterator[Desk]:
    with feeding(database) as feed:
        with feed.engine.begin() as connection:
            for job_id in JOBS:
                Platform(connection).action_job(id=job_id)
        yield Desk(feed)


@pytest.fixture
def worker(desk: Desk) -> Worker:
    return Worker(desk, desk.session)


def noted(database: str) -> list[int]:
    return [job_id for (job_id,) in sql.rows(database, BEHIND)]


@pytest.mark.parametrize(
    "lock",
    [
        "select from awp_automcation_job where id = 1 for update",
        "select from awp_automcation_job where id = 1 for share",
        "update awp_automcation_job set name = 'renamed' where id = 1",
        "delete from awp_automcation_job where id = 1",
    ],
    ids=["for update", "for share", "an edit", "a deletion"],
)
def test_a_locked_job_is_left_and_shown_when_it_is_free(
    desk: Desk, worker: Worker, database: str, lock: str
) -> None:
    worker.write([Firing(1, 0, FAILED), Firing(2, 0, PASSED)], 0)
    before = desk.shown(1)
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute(lock)
        worker.write([Firing(1, 1, FAILED), Firing(2, 1, PASSED)], 1)
        worker.write([Firing(1, 2, FAILED)], 2)
        assert noted(database) == [1]
        worker.catch_up()
        assert (noted(database), worker.behind) == ([1], 1)
        assert desk.shown(1) == before
        assert desk.shown(2) == desk.calculated(2)
        person.rollback()
    worker.catch_up()

    assert desk.shown(1) == desk.calculated(1)
    assert desk.shown(1)[-2:] == (NOON, 3)
    assert (noted(database), worker.behind) == ([], 0)


def test_a_lock_that_harms_no_change_or_has_ended_leaves_nothing_behind(
    desk: Desk, worker: Worker, database: str
) -> None:
    """Rows that refer to a job lock its key while they are written; the mark of a lock stays."""
    worker.write([Firing(1, 0, FAILED), Firing(2, 0, FAILED)], 0)
    sql.execute(database, "select from awp_automcation_job where id = 2 for update")
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from awp_automcation_job where id = 1 for key share")
        worker.write([Firing(1, 1, FAILED), Firing(2, 1, FAILED)], 1)
    assert noted(database) == []
    for job_id in JOBS:
        assert desk.shown(job_id) == desk.calculated(job_id)


def test_what_another_worker_writes_while_one_catches_up_is_shown_too(
    desk: Desk, worker: Worker, database: str
) -> None:
    other = Worker(desk, desk.feed.taker().session)
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from awp_automcation_job where id = 1 for update")
        worker.write([Firing(1, 0, FAILED)], 0)
        person.rollback()
    with worker.session.transaction() as connection:
        (note,) = reprojections.page(connection, 0, 10)
        assert projection.reproject(connection, [1]).locked == []
        other.write([Firing(1, 1, FAILED)], 1)  # finds the job locked, and the note in work
        reprojections.forget(connection, [note.id])
    assert noted(database) == [1]
    other.catch_up()
    assert desk.shown(1) == desk.calculated(1)
    assert desk.shown(1)[-1] == 2


@patient
def test_columns_follow_whatever_is_locked_in_between(
    desk: Desk, worker: Worker, database: str
) -> None:
    locks = st.sets(st.sampled_from(JOBS))
    batches = st.lists(firings, min_size=1, max_size=5)

    @examples(15)
    @given(st.lists(st.tuples(batches, locks, st.booleans()), min_size=1, max_size=4))
    def hold(steps: list[tuple[list[Firing], set[int], bool]]) -> None:
        desk.feed.empty()
        for minute, (batch, locked, catches_up) in enumerate(steps):
            with sql.session(database) as person, person.cursor() as cursor:
                cursor.execute(
                    "select from awp_automcation_job where id = any(%s) for update",
                    (list(locked),),
                )
                worker.write(batch, minute)
                if catches_up:
                    worker.catch_up()
                person.rollback()
        worker.catch_up()
        for job_id in JOBS:
            assert desk.shown(job_id) == desk.calculated(job_id)
        assert noted(database) == []

    hold()


@pytest.fixture
def hasty(desk: Desk, database: str) -> Iterator[Worker]:
    """A worker that waits less than a second for a lock."""
    engine = make_engine(Settings(database_url=SecretStr(database), max_poll_interval_ms=6000))
    session = Session(engine)
    yield Worker(desk, session)
    session.close()
    engine.dispose()


def test_a_locked_table_is_waited_for_once(desk: Desk, hasty: Worker, database: str) -> None:
    batch = [Firing(1, 0, FAILED), Firing(2, 0, PASSED)]
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("lock table awp_automcation_job in share mode")
        with pytest.raises(JobsLocked):
            hasty.write(batch, 0)
        hasty.projector.defer()
        hasty.write(batch, 0)
        hasty.catch_up()
        hasty.write([Firing(1, 1, PASSED)], 1)
        assert noted(database) == [1, 2]
        person.rollback()
    hasty.catch_up()
    hasty.write([Firing(2, 2, FAILED)], 2)  # with its batch again
    assert noted(database) == []
    for job_id in JOBS:
        assert desk.shown(job_id) == desk.calculated(job_id)


COLUMNS = (
    "trigger_status, trigger_message, last_execution_id, last_scheduled_at, failing_since, "
    "consecutive_failures"
)
WITH_A_TRIGGER = f"""
    create function keep() returns trigger language plpgsql as $$ begin
        update their_job set ({COLUMNS}) = (
            new.trigger_status, new.trigger_message, new.last_execution_id,
            new.last_scheduled_at, new.failing_since, new.consecutive_failures)
        where id = new.id;
        return new;
    end $$;
    create trigger keep instead of update on awp_automcation_job
        for each row execute function keep();
"""
RENAMED = "alter table awp_automcation_job rename to their_job;"
OF_ONE_TABLE = {
    "updatable": f"create view awp_automcation_job as select id, {COLUMNS} from their_job;",
    "with a trigger": (
        f"create view awp_automcation_job as select id, {COLUMNS} from their_job;{WITH_A_TRIGGER}"
    ),
}
OF_MORE = {
    "that groups": (
        f"create view awp_automcation_job as select id, {COLUMNS} from their_job group by id;"
        f"{WITH_A_TRIGGER}"
    ),
    "of two tables": f"""
        create view awp_automcation_job as select j.id, {COLUMNS} from their_job j
            left join awp_user u on u.id = j.owner_id; {WITH_A_TRIGGER}
    """,
}


@pytest.mark.parametrize("view", OF_ONE_TABLE)
def test_behind_a_view_of_one_table_a_locked_job_is_left_and_its_holder_named(
    desk: Desk, hasty: Worker, database: str, view: str, caplog: pytest.LogCaptureFixture
) -> None:
    sql.execute(database, RENAMED + OF_ONE_TABLE[view])
    hasty.write([Firing(1, 0, FAILED), Firing(2, 0, PASSED)], 0)
    assert noted(database) == []
    with sql.session(database, application="report") as person, person.cursor() as cursor:
        cursor.execute("select from their_job where id = 1 for update")
        hasty.write([Firing(1, 1, FAILED), Firing(2, 1, FAILED)], 1)
        sql.execute(database, OLDER)
        hasty.catch_up()
        assert (noted(database), hasty.behind) == ([1], 1)
        assert desk.shown(2) == desk.calculated(2)
        assert f'job_id=1 holder="session {person.info.backend_pid} (application' in caplog.text
        assert "'report'" in caplog.text
        person.rollback()
    hasty.catch_up()
    hasty.write([Firing(2, 2, FAILED)], 2)
    assert noted(database) == []
    for job_id in JOBS:
        assert desk.shown(job_id) == desk.calculated(job_id)


@pytest.mark.parametrize("view", OF_MORE)
def test_behind_another_view_a_locked_job_is_waited_for_once(
    desk: Desk, hasty: Worker, database: str, view: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rows cannot be locked, or only with rows that other jobs share."""
    sql.execute(database, RENAMED + OF_MORE[view])
    batch = [Firing(1, 0, FAILED), Firing(2, 0, PASSED)]
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from their_job where id = 1 for update")
        with pytest.raises(JobsLocked):
            hasty.write(batch, 0)
        hasty.projector.defer()
        hasty.write(batch, 0)
        sql.execute(database, OLDER)
        hasty.catch_up()
        assert 1 in noted(database)
        assert f'holder="session {person.info.backend_pid} (application' in caplog.text
        hasty.write([Firing(1, 1, PASSED)], 1)
        person.rollback()
    hasty.catch_up()
    hasty.write([Firing(2, 2, FAILED)], 2)
    assert noted(database) == []
    for job_id in JOBS:
        assert desk.shown(job_id) == desk.calculated(job_id)


def test_the_command_leaves_a_locked_job_to_the_worker(
    desk: Desk, worker: Worker, database: str
) -> None:
    env = {"TRIGGER_WORKER_DATABASE_URL": database}
    worker.write([Firing(1, 0, FAILED), Firing(2, 0, FAILED)], 0)
    sql.execute(database, "update awp_automcation_job set consecutive_failures = 9")
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from awp_automcation_job where id = 1 for update")
        told = trigger_worker("jobs", "reproject", "--json", env=env)
        person.rollback()
    assert (told.status, told.json["changed"], told.json["locked"]) == (1, 1, ["1"])
    worker.catch_up()
    assert desk.shown(1) == desk.calculated(1)
