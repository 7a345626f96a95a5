"""Lists of jobs, records and failures: filters, pages, sums and what an id names."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    IdMatch,
    JobFilter,
    JobSort,
    Kind,
    Page,
    RecordFilter,
    Scope,
    Status,
)
from job_trigger_worker.errors import UsageError
from job_trigger_worker.storage.read import executions, failure_feed, failures, jobs
from job_trigger_worker.storage.read.id_lookup import find
from tests.support import every_page
from tests.support.platform import Platform
from tests.support.records import AS_OF, History, before
from tests.support.statements import saying

GONE = "server_not_found:server=7"
OFF = "server_powered_off:server=8"
TRIGGER = "6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"
RUN = "0197f2b0-0000-7000-8000-000000000001"


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


def names(connection: Connection, **wanted: Any) -> list[str]:
    meant = JobFilter(**wanted)
    return [
        row.name
        for row in every_page.each_job(
            connection, EVERYTHING, AS_OF, wanted=meant, sort=JobSort.NAME
        )
    ]


def test_jobs_are_narrowed_by_each_filter(
    connection: Connection, platform: Platform, history: History
) -> None:
    group = platform.group()
    li = platform.user("li.wei", groups=[group])
    backup = platform.action_job([platform.target()], name="Log_backup", owner_id=li)
    drill = platform.workflow_job(name="log-drill", id=4711)
    platform.action_job(name="rotate", enabled=False)
    history.failed(backup, before(1), GONE)
    history.failed(drill, before(1), OFF, GONE, code="server_powered_off", message="db-08 is off.")
    assert names(connection) == ["log-drill", "Log_backup", "rotate"]
    assert names(connection, name_prefix="LOG") == ["log-drill", "Log_backup"]
    assert names(connection, name_prefix="log_") == ["Log_backup"]
    assert names(connection, name_prefix="%") == []
    assert names(connection, owner_id=li) == ["Log_backup"]
    assert names(connection, group_id=group) == ["Log_backup"]
    assert names(connection, job_type="workflow") == ["log-drill"]
    assert names(connection, is_enabled=False) == ["rotate"]
    assert names(connection, status=Status.TRIGGER_FAILED) == ["log-drill", "Log_backup"]
    assert names(connection, status=Status.NEVER_RUN) == ["rotate"]
    assert names(connection, code="server_powered_off") == ["log-drill"]
    assert names(connection, cause=GONE) == ["log-drill", "Log_backup"]
    assert names(connection, cause=GONE, status=Status.RUNNING) == []
    assert names(connection, text="BACK") == ["Log_backup"]
    assert names(connection, text="4711") == ["log-drill"]
    assert names(connection, text="db-08") == ["log-drill"]
    assert names(connection, server_id=1) == ["Log_backup"]


def test_a_repaired_job_leaves_its_cause(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job(name="a")
    history.failed(job_id, before(2), GONE)
    assert names(connection, cause=GONE) == ["a"]
    history.passed(job_id, before(1))
    assert names(connection, cause=GONE) == []


def records(connection: Connection, **wanted: Any) -> list[int]:
    meant = RecordFilter(**wanted)
    return [row.id for row in every_page.each_record(connection, EVERYTHING, AS_OF, wanted=meant)]


def test_records_are_narrowed_by_each_filter(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job(name="log-backup")
    first = history.passed(job_id, before(30), trigger_kind="manual", trigger_id=TRIGGER)
    blank = history.without_us(job_id)
    second = history.failed(job_id, before(20), GONE, OFF)
    other = history.failed(404, before(10), OFF, job_name="gone", job_type="workflow")
    assert records(connection) == [other, second, blank, first]
    assert records(connection, job_id=job_id) == [second, blank, first]
    assert records(connection, status=Status.TRIGGER_FAILED) == [other, second]
    assert records(connection, status=Status.BLANK) == [blank]
    assert records(connection, code="server_powered_off") == [other]
    assert records(connection, cause=OFF) == [other, second]
    assert records(connection, cause=OFF, job_id=404) == [other]
    assert records(connection, kind="manual") == [first]
    assert records(connection, trigger_id=UUID(TRIGGER)) == [first]
    assert records(connection, text="gone") == [other]
    assert records(connection, job=JobFilter(name_prefix="log")) == [second, blank, first]
    assert records(connection, job=JobFilter(job_type="workflow")) == [other]
    assert records(connection, since=before(20)) == [other, second]
    assert records(connection, until=before(20)) == [blank, first]
    assert records(connection, since=before(30), until=before(10)) == [second, blank, first]
    assert records(connection, since=before(5)) == []


def test_a_record_of_a_job_that_is_gone_is_whole(connection: Connection, history: History) -> None:
    earlier = history.passed(404, before(30))
    record_id = history.failed(404, before(20), GONE, execution_id=RUN)
    history.passed(405, before(20))
    later = history.without_us(404)
    detail = executions.get_record_of_execution(connection, EVERYTHING, AS_OF, UUID(RUN))
    assert detail == executions.get_record(connection, EVERYTHING, AS_OF, record_id)
    assert detail is not None
    assert (detail.previous_id, detail.next_id, detail.has_job) == (earlier, later, False)
    assert detail.record.job_name == "job 404"
    assert detail.record.lateness_s == 0
    assert [found["server_id"] for found in detail.findings] == ["7"]
    assert executions.get_record(connection, EVERYTHING, AS_OF, 10**12) is None


def test_an_id_names_everything_of_that_id(
    connection: Connection, platform: Platform, history: History
) -> None:
    job_id = platform.action_job(id=1)
    record_id = history.passed(job_id, before(1), execution_id=RUN, trigger_id=TRIGGER)
    assert record_id == 1
    assert find(connection, EVERYTHING, "1") == (
        IdMatch(Kind.JOB, 1, None),
        IdMatch(Kind.RECORD, 1, 1),
    )
    assert find(connection, EVERYTHING, RUN.upper()) == (IdMatch(Kind.EXECUTION, 1, 1),)
    assert find(connection, EVERYTHING, TRIGGER) == (IdMatch(Kind.TRIGGER, 1, 1),)
    for nothing in ("2", "0", "9" * 19, "x", "", "１", "1\x00", "-1", TRIGGER[:-1] + "0"):
        assert find(connection, EVERYTHING, nothing) == ()


def test_a_trigger_without_an_id_of_its_own_is_found_once_by_that_of_its_execution(
    connection: Connection, history: History
) -> None:
    record_id = history.passed(5, before(1), execution_id=TRIGGER)
    assert find(connection, EVERYTHING, TRIGGER) == (IdMatch(Kind.EXECUTION, 5, record_id),)
    followed = executions.records_of_triggers(connection, EVERYTHING, AS_OF, [TRIGGER, RUN])
    assert {key: row.id for key, row in followed.items()} == {TRIGGER: record_id}


def test_causes_say_how_many_jobs_and_triggers_each_broke(
    connection: Connection, platform: Platform, history: History
) -> None:
    one, two = platform.action_job(name="one"), platform.action_job(name="two")
    history.failed(one, before(50), GONE, message="old words")
    history.failed(one, before(40), GONE)
    history.failed(two, before(30), OFF, GONE, code="server_powered_off", message="db-08 is off.")
    history.passed(one, before(20))
    found = failures.by_cause(connection, EVERYTHING)
    assert [(c.cause, c.code, c.jobs, c.triggers, c.message) for c in found.rows] == [
        (GONE, "server_not_found", 2, 3, "Server 7 (10.0.0.7, db-07) does not exist."),
        (OFF, "server_powered_off", 1, 1, "db-08 is off."),
    ]
    assert (found.rows[0].first_at, found.rows[0].last_at) == (before(50), before(30))
    assert (found.total, found.window.read, found.window.is_complete) == (2, 3, True)
    later = failures.by_cause(connection, EVERYTHING, since=before(30))
    assert [(c.cause, c.triggers) for c in later.rows] == [(GONE, 1), (OFF, 1)]
    standing = failures.standing_causes(connection, EVERYTHING)
    assert [(c.cause, c.jobs) for c in standing.rows] == [(GONE, 1), (OFF, 1)]
    bounded = failures.by_cause(connection, EVERYTHING, most=2)
    assert bounded.window.since == before(40)
    assert (bounded.window.read, bounded.window.is_complete) == (2, False)
    broken = failures.jobs_of_cause(connection, EVERYTHING, GONE)
    assert [(j.job_name, j.triggers, j.is_broken) for j in broken.rows] == [
        ("job 2", 1, True),
        ("job 1", 2, False),
    ]


def test_failures_over_time_have_empty_steps_and_every_code(
    connection: Connection, history: History
) -> None:
    history.failed(1, before(60), GONE)
    history.failed(1, before(50.5), OFF)
    history.failed(2, before(31), OFF)
    history.failed(2, before(30), OFF)
    buckets, window = failures.by_time(
        connection, EVERYTHING, since=before(60), until=before(30), step_s=600
    )
    assert [(b.start, dict(b.by_code)) for b in buckets] == [
        (before(60), {"server_not_found": 1, "server_powered_off": 1}),
        (before(50), {}),
        (before(40), {"server_powered_off": 1}),
    ]
    assert window.is_complete
    codes, _ = failures.by_code(connection, EVERYTHING)
    assert [(c.code, c.jobs, c.triggers) for c in codes] == [
        ("server_powered_off", 2, 3),
        ("server_not_found", 1, 1),
    ]
    with pytest.raises(UsageError, match="too many"):
        failures.by_time(connection, EVERYTHING, since=before(60), until=before(0), step_s=1)


def test_a_feed_goes_on_where_it_stopped(connection: Connection, history: History) -> None:
    made = [history.failed(1, before(60 - n)) for n in range(5)]
    history.passed(1, before(1))
    connection.commit()
    begun = failure_feed.newest_failures(connection, EVERYTHING, AS_OF, limit=2)
    assert [row.id for row in begun.rows] == [made[4], made[3]]
    assert begun.position == made[4]
    first = failure_feed.failures_after(connection, EVERYTHING, AS_OF, 0, limit=3)
    assert ([row.id for row in first.rows], first.position) == (made[:3], made[2])
    rest = failure_feed.failures_after(connection, EVERYTHING, AS_OF, first.position, limit=3)
    assert ([row.id for row in rest.rows], rest.position) == (made[3:], made[4])
    assert failure_feed.failures_after(connection, EVERYTHING, AS_OF, made[4]).position == made[4]
    unseen = failure_feed.failures_after(connection, Scope((1,)), AS_OF, 0)
    assert (unseen.rows, unseen.position) == ((), made[4])


def test_a_feed_waits_for_a_smaller_id_that_is_not_committed_yet(
    connection: Connection, engine: Engine, history: History
) -> None:
    with engine.begin() as other:
        slow = History(other).failed(1, before(0))
        quick = history.failed(2, before(0))
        connection.commit()
        assert failure_feed.failures_after(connection, EVERYTHING, AS_OF, 0).rows == ()
        connection.rollback()
    found = failure_feed.failures_after(connection, EVERYTHING, AS_OF, 0)
    assert [row.id for row in found.rows] == [slow, quick]


def walked(read: Callable[[str | None], Page[Any]], between: Callable[[], None]) -> list[int]:
    """The ids of all pages, with something happening between them."""
    ids: list[int] = []
    after: str | None = None
    while True:
        page = read(after)
        ids += [row.id for row in page.rows]
        if page.next is None:
            return ids
        after = page.next
        between()


@pytest.mark.parametrize(
    "wanted",
    [
        RecordFilter(),
        RecordFilter(status=Status.TRIGGER_FAILED),
        RecordFilter(status=Status.NO_ANSWER),
        RecordFilter(cause=GONE),
        RecordFilter(job=JobFilter(name_prefix="job")),
    ],
)
def test_pages_of_records_are_complete_while_rows_are_written(
    connection: Connection, platform: Platform, history: History, wanted: RecordFilter
) -> None:
    made = [platform.action_job(name=f"job {n}") for n in range(3)]

    def write() -> None:
        for job_id in made:
            history.failed(job_id, before(10))
            history.passed(job_id, before(9))

    for _ in range(7):
        write()
    expected = records(connection, **{n: getattr(wanted, n) for n in wanted.__slots__})

    def read(after: str | None) -> Page[Any]:
        return executions.list_records(
            connection, EVERYTHING, AS_OF, wanted=wanted, after=after, size=4
        )

    assert len(expected) >= 21
    assert walked(read, write) == expected


@pytest.mark.parametrize("small", [2_000, 10])
@pytest.mark.parametrize("sort", JobSort)
def test_pages_of_jobs_are_complete_while_jobs_are_made(
    connection: Connection,
    platform: Platform,
    history: History,
    sort: JobSort,
    small: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", small)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_pages.RECENT", 9)
    made = []
    for n in range(24):
        made.append(platform.action_job(name=f"b {n % 5}"))
        if n % 4 == 0:
            history.failed(made[-1], before(n % 3))
        elif n % 4 == 1:
            history.run(history.passed(made[-1], before(n % 7)), "failed")
        elif n % 4 == 2:
            history.run(history.passed(made[-1], before(n % 7)), "running")

    def read(after: str | None) -> Page[Any]:
        return jobs.list_jobs(connection, EVERYTHING, AS_OF, sort=sort, after=after, size=5)

    def write() -> None:
        platform.action_job(name="a")

    found = walked(read, write)
    assert [job_id for job_id in found if job_id in made] == [
        job_id for job_id in dict.fromkeys(found) if job_id in made
    ]
    assert set(made) <= set(found)


@pytest.mark.parametrize("after", ["x", "", "WzFd", "é", "bnVsbA", "A" * 5000])
@pytest.mark.parametrize("sort", JobSort)
def test_a_cursor_from_elsewhere_is_refused(
    connection: Connection, after: str, sort: JobSort
) -> None:
    with pytest.raises(UsageError, match="cursor"):
        jobs.list_jobs(connection, EVERYTHING, AS_OF, sort=sort, after=after)
    with pytest.raises(UsageError, match="cursor"):
        executions.list_records(connection, EVERYTHING, AS_OF, after=after)


def test_a_page_of_any_size_is_read_with_as_many_statements(
    engine: Engine, connection: Connection, platform: Platform, history: History
) -> None:
    for n in range(300):
        job_id = platform.action_job(name=f"job {n}")
        (history.failed if n % 3 else history.passed)(job_id, before(n % 9))
    connection.commit()

    def statements(size: int) -> list[int]:
        reads: list[Callable[[Connection], object]] = [
            lambda c: jobs.list_jobs(c, EVERYTHING, AS_OF, size=size),
            lambda c: jobs.list_jobs(c, EVERYTHING, AS_OF, size=size, sort=JobSort.NAME),
            lambda c: jobs.count_jobs(c, EVERYTHING, AS_OF),
            lambda c: jobs.list_jobs(
                c, EVERYTHING, AS_OF, size=size, wanted=JobFilter(is_overdue=True)
            ),
            lambda c: jobs.last_outcomes(c, EVERYTHING, AS_OF, range(size)),
            lambda c: executions.list_records(c, EVERYTHING, AS_OF, size=size),
            lambda c: executions.list_records(
                c, EVERYTHING, AS_OF, size=size, wanted=RecordFilter(cause=GONE)
            ),
        ]
        counts = []
        for read in reads:
            said: list[str] = []
            with saying(engine, said.append), engine.connect() as reading:
                read(reading)
            counts.append(len(said))
        return counts

    assert statements(2) == statements(150) == [3, 3, 3, 5, 1, 1, 2]


def test_a_window_names_itself_and_the_next_page_goes_on_behind_it(
    connection: Connection, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = history.passed(1, before(60), trigger_kind="manual")
    for n in range(6):
        history.passed(1, before(50 - n))
    monkeypatch.setattr("job_trigger_worker.storage.read.record_scan.WIDE", 4)
    wanted = RecordFilter(kind="manual")
    first = executions.list_records(connection, EVERYTHING, AS_OF, wanted=wanted)
    assert first.window is not None
    assert (first.rows, first.window.read, first.window.since) == ((), 4, before(48))
    assert not first.window.is_complete
    second = executions.list_records(connection, EVERYTHING, AS_OF, wanted=wanted, after=first.next)
    assert [row.id for row in second.rows] == [oldest]
    assert second.next is None


def test_counts_of_many_jobs_say_where_they_end(
    connection: Connection, platform: Platform, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        job_id = platform.action_job()
        (history.failed if n < 2 else history.passed)(job_id, before(10 + n))
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 4)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_pages.RECENT", 4)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_counts.MOST_TOTAL", 5)
    counts = jobs.count_jobs(connection, EVERYTHING, AS_OF)
    assert (counts.total.value, counts.total.is_exact) == (5, False)
    assert counts.by_status[Status.TRIGGER_FAILED].value == 2
    assert counts.by_status[Status.TRIGGER_FAILED].is_exact
    assert (counts.by_status[Status.NO_ANSWER].value, counts.window is not None) == (4, True)
    assert counts.window is not None
    assert counts.window.since == before(15)


def test_of_a_cause_that_most_failures_have_nothing_is_left_out(
    connection: Connection, platform: Platform, history: History
) -> None:
    """Its index is not asked: that would read all of it to show one page."""
    broken, other = platform.action_job(), platform.action_job()
    history.failed(other, before(2_000), "server_not_found:server=8")
    connection.execute(
        text(
            """
            insert into awp_job_execution (job_id, trigger_status, trigger_code, causes,
                trigger_kind, scheduled_at, decided_at)
            select :job_id, 2, 'server_not_found', array[:cause], 'schedule', at, at
            from (select cast(:now as timestamptz) - n * interval '1 minute' as at
                  from generate_series(1200, 1, -1) n) as slots
            """
        ),
        {"job_id": broken, "cause": GONE, "now": before(0)},
    )
    history.failed(broken, before(0), GONE)
    found = list(
        every_page.each_record(connection, EVERYTHING, AS_OF, wanted=RecordFilter(cause=GONE))
    )
    assert (len(found), {row.job_id for row in found}) == (1_201, {broken})
    page = jobs.list_jobs(connection, EVERYTHING, AS_OF, wanted=JobFilter(cause=GONE))
    assert [row.id for row in page.rows] == [broken]
