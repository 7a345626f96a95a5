"""The combined status (R4, R11) of records and jobs, each case by hand."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    AsOf,
    Count,
    JobFilter,
    JobListRow,
    JobSort,
    RecordFilter,
    Status,
)
from job_trigger_worker.storage.read import jobs
from tests.support import every_page
from tests.support.platform import Platform
from tests.support.records import AS_OF, NOON, History, before


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database, poolclass=NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def platform(connection: Connection) -> Platform:
    return Platform(connection)


@pytest.fixture
def history(connection: Connection) -> History:
    return History(connection)


def job(connection: Connection, job_id: int, as_of: AsOf = AS_OF) -> JobListRow:
    found = jobs.get_job(connection, EVERYTHING, as_of, job_id)
    assert found is not None
    return found


def status(connection: Connection, job_id: int) -> Status:
    """What detail and list say, which must be the same."""
    found = job(connection, job_id).status
    (listed,) = [row for row in listed_jobs(connection) if row.id == job_id]
    assert listed.status is found
    return found


def listed_jobs(
    connection: Connection, wanted: JobFilter | None = None, sort: JobSort = JobSort.TROUBLE
) -> list[JobListRow]:
    return list(every_page.each_job(connection, EVERYTHING, AS_OF, wanted=wanted, sort=sort))


def test_a_failed_trigger_is_trigger_failed_whatever_its_run_says(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job()
    history.run(history.passed(job_id, before(20)), "succeeded")
    history.run(history.failed(job_id, before(10)), "running")
    found = job(connection, job_id)
    assert status(connection, job_id) is Status.TRIGGER_FAILED
    assert found.newest is not None
    assert (found.newest.message, found.newest.code, found.newest.run) == (
        "Server 7 (10.0.0.7, db-07) does not exist.",
        "server_not_found",
        None,
    )
    assert (found.failing_since, found.consecutive_failures) == (before(10), 1)
    assert found.last_success_at == before(20)


@pytest.mark.parametrize(
    "told", ["accepted", "running", "succeeded", "failed", "cancelled", "rejected"]
)
@pytest.mark.parametrize("job_type", ["action", "workflow"])
def test_a_dispatched_trigger_has_the_status_of_its_run(
    connection: Connection, platform: Platform, history: History, told: str, job_type: str
) -> None:
    job_id = platform.job(job_type)
    history.run(history.passed(job_id, before(10), job_type=job_type), told, table=job_type)
    assert status(connection, job_id) == told


def test_a_run_of_the_other_type_is_not_its_run(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.workflow_job()
    history.run(history.passed(job_id, before(1), job_type="workflow"), "failed", table="action")
    assert status(connection, job_id) is Status.DISPATCHED


def test_a_status_that_we_have_no_word_for_is_other(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job()
    history.run(history.passed(job_id, before(10)), "PAUSED")
    found = job(connection, job_id)
    assert status(connection, job_id) is Status.OTHER
    assert found.newest is not None
    assert found.newest.run is not None
    assert found.newest.run.status == "PAUSED"


def test_silence_is_dispatched_and_after_the_setting_no_answer(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job()
    record_id = history.passed(job_id, before(5))
    history.run(record_id, None)
    statuses = [job(connection, job_id, AsOf(NOON, seconds)).status for seconds in (300, 301, 3600)]
    assert statuses == [Status.NO_ANSWER, Status.DISPATCHED, Status.DISPATCHED]


def test_a_row_written_without_us_has_the_status_of_its_run_or_is_blank(
    connection: Connection, platform: Platform, history: History
) -> None:
    """R11."""
    joined, blank = platform.action_job(), platform.action_job()
    execution_id = "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
    history.run(history.without_us(joined, execution_id=execution_id, job_type=None), "succeeded")
    history.without_us(blank, trigger_message="")
    assert status(connection, joined) is Status.SUCCEEDED
    assert status(connection, blank) is Status.BLANK
    newest = job(connection, blank).newest
    assert newest is not None
    assert (newest.message, newest.code, newest.scheduled_at) == (None, None, None)


def test_a_job_without_a_record_has_never_run(connection: Connection, platform: Platform) -> None:
    job_id = platform.action_job()
    assert status(connection, job_id) is Status.NEVER_RUN
    assert job(connection, job_id).newest is None


def test_an_older_slot_that_arrives_late_changes_nothing(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job()
    history.run(history.passed(job_id, before(10)), "succeeded")
    history.failed(job_id, before(20), decided_at=before(1))
    assert status(connection, job_id) is Status.SUCCEEDED


def test_a_result_of_an_older_slot_that_arrives_late_changes_nothing(
    connection: Connection, platform: Platform, history: History
) -> None:
    """R4: neither behind a failed trigger nor behind a run that goes on."""
    failed, running = platform.action_job(), platform.action_job()
    older = {job_id: history.passed(job_id, before(20)) for job_id in (failed, running)}
    history.failed(failed, before(10))
    history.run(history.passed(running, before(10)), "running")
    for job_id, expected in ((failed, Status.TRIGGER_FAILED), (running, Status.RUNNING)):
        history.run(older[job_id], "failed")
        assert status(connection, job_id) is expected
        # The history tells it of the record that it is of.
        assert outcomes(connection, job_id)[job_id] == ["failed", str(expected)]


def test_of_one_slot_the_record_written_last_is_the_newest(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job()
    history.failed(job_id, before(10))
    history.run(history.passed(job_id, before(10)), "running")
    assert status(connection, job_id) is Status.RUNNING


def test_a_row_without_a_slot_is_the_newest_if_it_was_written_last(
    connection: Connection, platform: Platform, history: History
) -> None:
    """R11: the projection still shows the failure."""
    overtaken, overtaking = platform.action_job(), platform.action_job()
    history.failed(overtaken, before(10))
    history.without_us(overtaken)
    history.without_us(overtaking)
    history.failed(overtaking, before(10))
    assert status(connection, overtaken) is Status.BLANK
    assert status(connection, overtaking) is Status.TRIGGER_FAILED
    failed = listed_jobs(connection, JobFilter(status=Status.TRIGGER_FAILED))
    assert [row.id for row in failed] == [overtaking]


def test_a_canary_never_counts(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id, only_canaries = platform.action_job(), platform.action_job()
    history.run(history.passed(job_id, before(10)), "succeeded")
    history.failed(job_id, before(1), trigger_kind="canary")
    history.failed(only_canaries, before(1), trigger_kind="canary")
    assert status(connection, job_id) is Status.SUCCEEDED
    assert status(connection, only_canaries) is Status.NEVER_RUN
    assert [len(o) for o in outcomes(connection, job_id, only_canaries).values()] == [1]


def outcomes(connection: Connection, *job_ids: int) -> dict[int, list[str]]:
    found = jobs.last_outcomes(connection, EVERYTHING, AS_OF, job_ids)
    return {job_id: [str(each.status) for each in told] for job_id, told in found.items()}


def test_last_outcomes_end_with_the_newest_record(
    connection: Connection, platform: Platform, history: History
) -> None:
    many, mixed = platform.action_job(), platform.action_job()
    for n in range(12):
        history.run(history.passed(many, before(120 - n)), "failed" if n == 11 else "succeeded")
    history.passed(mixed, before(60))
    history.without_us(mixed)
    history.failed(mixed, before(90), decided_at=before(1))  # an older slot, late
    assert outcomes(connection, many, mixed) == {
        many: ["succeeded"] * 9 + ["failed"],
        mixed: ["trigger_failed", "no_answer", "blank"],
    }


def test_trouble_stands_first_then_the_newest_slot(
    connection: Connection, platform: Platform, history: History
) -> None:
    made: dict[str, int] = {}
    for name, minutes in (
        ("never", None), ("good", 1), ("better", 2), ("silent", 30), ("bad", 40), ("worse", 50),
    ):  # fmt: skip
        made[name] = platform.action_job(name=name)
        if minutes is None:
            continue
        if name == "worse":
            history.failed(made[name], before(minutes))
            continue
        record_id = history.passed(made[name], before(minutes))
        if name != "silent":
            history.run(record_id, "failed" if name == "bad" else "succeeded")
    names = [row.name for row in listed_jobs(connection)]
    assert names == ["worse", "bad", "silent", "good", "better", "never"]
    by_slot = [row.name for row in listed_jobs(connection, sort=JobSort.NEWEST_SLOT)]
    assert by_slot == ["good", "better", "silent", "bad", "worse", "never"]
    by_name = [row.name for row in listed_jobs(connection, sort=JobSort.NAME)]
    assert by_name == ["bad", "better", "good", "never", "silent", "worse"]


CASE = st.tuples(
    st.integers(0, 3),  # the job: 0 is gone
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from([None, 60.0, 30.0, 1.0]),  # the slot, minutes before noon
    st.sampled_from(["schedule", "manual", "canary"]),
    st.sampled_from(
        ["none", None, "accepted", "running", "succeeded", "failed", "cancelled", "rejected", "X"]
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=st.lists(CASE, max_size=12), most=st.sampled_from([2_000, 0]))
def test_every_record_and_every_job_is_in_exactly_one_status_filter(
    engine: Engine, cases: list[tuple[int, int | None, float | None, str, str | None]], most: int
) -> None:
    small = patch("job_trigger_worker.storage.read.job_selection.SMALL", most)
    recent = patch("job_trigger_worker.storage.read.job_pages.RECENT_WIDE", 4)
    with small, recent, rolled_back(engine) as connection:
        platform, history = Platform(connection), History(connection)
        job_ids = {0: 999, **{n: platform.action_job() for n in (1, 2, 3)}}
        records: set[int] = set()
        for job, told, minutes, kind, run in cases:
            slot = None if minutes is None else before(minutes)
            if told is None:
                record_id = history.insert(
                    job_id=job_ids[job], job_type="action", scheduled_at=slot, trigger_kind=kind,
                    execution_id=f"00000000-0000-0000-0000-{len(records):012}",
                )  # fmt: skip
            else:
                record_id = history.record(
                    job_ids[job], slot or before(2), status=told, trigger_kind=kind
                )
            records.add(record_id)
            if run != "none":
                history.run(record_id, run)
        found: Counter[int] = Counter()
        for each in Status:
            wanted = RecordFilter(status=each)
            listed = list(every_page.each_record(connection, EVERYTHING, AS_OF, wanted=wanted))
            assert {row.status for row in listed} <= {each}
            found.update(row.id for row in listed)
        assert found == Counter(records)
        of_jobs: Counter[int] = Counter()
        counts = jobs.count_jobs(connection, EVERYTHING, AS_OF)
        for each in Status:
            rows = listed_jobs(connection, JobFilter(status=each))
            assert {row.status for row in rows} <= {each}
            assert not most or counts.by_status[each] == Count(len(rows), is_exact=True)
            of_jobs.update(row.id for row in rows)
        assert of_jobs == Counter([job_ids[1], job_ids[2], job_ids[3]])
        assert counts.total == Count(3, is_exact=True)


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def test_a_platform_without_our_columns_lists_its_jobs_and_their_statuses(
    connection: Connection, history: History
) -> None:
    connection.execute(
        text(
            """
            create or replace view console_job as
            select n::bigint as job_id, 'job ' || n as name, 'action' as job_type,
                1::bigint as target_id, null::text as automation_name, 1::bigint as owner_id,
                'li' as owner_name, true as enabled, null::text as schedule, 'UTC' as timezone,
                1 as version, now() as updated_at, null::text as platform_url
            from generate_series(1, 3) n
            """
        )
    )
    history.failed(1, before(10))
    history.run(history.passed(2, before(5)), "failed")
    listed = [(row.id, str(row.status)) for row in listed_jobs(connection)]
    assert listed == [(1, "trigger_failed"), (2, "failed"), (3, "never_run")]
    failed = listed_jobs(connection, JobFilter(status=Status.TRIGGER_FAILED))
    assert [row.id for row in failed] == [1]
