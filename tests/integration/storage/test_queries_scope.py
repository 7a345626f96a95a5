"""What a viewer may not see is absent everywhere, also for one who guesses ids (R10)."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    JobFilter,
    JobSort,
    RecordFilter,
    Scope,
    Status,
)
from job_trigger_worker.storage.read import executions, failure_feed, failures, jobs
from job_trigger_worker.storage.read.id_lookup import find
from job_trigger_worker.storage.read.job_list import overview
from job_trigger_worker.storage.read.scope import groups_of, sees
from tests.support import every_page
from tests.support.platform import Platform
from tests.support.records import AS_OF, History, before

MINE, THEIRS, NOBODY = Scope((70,)), Scope((80,)), Scope(())
CAUSE = "server_not_found:server=7"
SECRET = "secret"  # noqa: S105 - a word to look for
_RUN, _TRIGGER = (f"{n}f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e2" for n in (6, 7))
RUNS = {"mine": f"{_RUN}1", SECRET: f"{_RUN}2"}
TRIGGERS = {"mine": f"{_TRIGGER}1", SECRET: f"{_TRIGGER}2"}

Read = Callable[[Connection, Scope], object]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """Job 1 of group 70 and job 2 of group 80, alike; and records of job 404, which is gone."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        platform, history = Platform(connection), History(connection)
        for job_id, (name, group) in enumerate((("mine", 70), (SECRET, 80)), 1):
            owner = platform.user(name, groups=[platform.group(name, id=group)])
            platform.action_job(name=name, owner_id=owner, id=job_id)
            history.run(history.passed(job_id, before(20), job_name=name), "succeeded")
            history.failed(
                job_id, before(10), CAUSE, f"account_not_found:account={name}", message=name,
                job_name=name, execution_id=RUNS[name], trigger_id=TRIGGERS[name],
            )  # fmt: skip
        history.failed(404, before(5), CAUSE, message=SECRET, job_name=SECRET)
        connection.commit()
        yield connection
    engine.dispose()


JOBS = {
    f"jobs {sort} {wanted}": (
        lambda c, s, sort=sort, wanted=wanted: list(
            every_page.each_job(c, s, AS_OF, wanted=wanted, sort=sort)
        )
    )
    for sort in JobSort
    for wanted in (
        JobFilter(),
        JobFilter(name_prefix=""),
        JobFilter(text="e"),
        JobFilter(status=Status.TRIGGER_FAILED),
        JobFilter(cause=CAUSE),
        JobFilter(code="server_not_found"),
        JobFilter(job_type="action"),
        JobFilter(is_enabled=True),
    )
}
RECORDS = {
    f"records {wanted}": (
        lambda c, s, wanted=wanted: list(every_page.each_record(c, s, AS_OF, wanted=wanted))
    )
    for wanted in (
        RecordFilter(),
        RecordFilter(status=Status.TRIGGER_FAILED),
        RecordFilter(status=Status.SUCCEEDED),
        RecordFilter(cause=CAUSE),
        RecordFilter(code="server_not_found"),
        RecordFilter(since=before(60)),
        RecordFilter(text="e"),
        RecordFilter(kind="schedule"),
        RecordFilter(job=JobFilter(job_type="action")),
    )
}
SUMS: dict[str, Read] = {
    "counts": lambda c, s: jobs.count_jobs(c, s, AS_OF),
    "outcomes": lambda c, s: jobs.last_outcomes(c, s, AS_OF, [1, 2, 404]),
    "by_cause": failures.by_cause,
    "standing": failures.standing_causes,
    "jobs_of_cause": lambda c, s: failures.jobs_of_cause(c, s, CAUSE),
    "by_code": failures.by_code,
    "by_time": lambda c, s: failures.by_time(c, s, since=before(60), until=before(0), step_s=600),
    "newest": lambda c, s: failure_feed.newest_failures(c, s, AS_OF).rows,
    "after": lambda c, s: failure_feed.failures_after(c, s, AS_OF, 0).rows,
    "keys": lambda c, s: executions.records_of_triggers(c, s, AS_OF, list(RUNS.values())),
}
GUESSES: dict[str, Read] = {
    "job": lambda c, s: jobs.get_job(c, s, AS_OF, 2),
    "job's records": lambda c, s: list(
        every_page.each_record(c, s, AS_OF, wanted=RecordFilter(job_id=2))
    ),
    "gone job's records": lambda c, s: list(
        every_page.each_record(c, s, AS_OF, wanted=RecordFilter(job_id=404))
    ),
    "trigger's records": lambda c, s: list(
        every_page.each_record(c, s, AS_OF, wanted=RecordFilter(trigger_id=UUID(TRIGGERS[SECRET])))
    ),
    "record": lambda c, s: executions.get_record(c, s, AS_OF, 4),
    "gone job's record": lambda c, s: executions.get_record(c, s, AS_OF, 5),
    "execution": lambda c, s: executions.get_record_of_execution(c, s, AS_OF, UUID(RUNS[SECRET])),
    "find a job": lambda c, s: find(c, s, "404"),
    "find a record": lambda c, s: find(c, s, "4"),
    "find an execution": lambda c, s: find(c, s, RUNS[SECRET]),
    "find a trigger": lambda c, s: find(c, s, TRIGGERS[SECRET]),
    "group's jobs": lambda c, s: list(
        every_page.each_job(c, s, AS_OF, wanted=JobFilter(group_id=80))
    ),
    "group's records": lambda c, s: list(
        every_page.each_record(c, s, AS_OF, wanted=RecordFilter(job=JobFilter(group_id=80)))
    ),
    "bars of a job": lambda c, s: any(
        bucket.by_code
        for bucket in failures.by_time(
            c, s, since=before(60), until=before(0), step_s=600, job_id=2
        )[0]
    ),
}
READS: dict[str, Read] = JOBS | RECORDS | SUMS


@pytest.mark.parametrize("few", [300, 0], ids=["by their ids", "asked one by one"])
@pytest.mark.parametrize("name", READS)
def test_a_viewer_gets_nothing_of_another_group(
    connection: Connection, name: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.read.scope.FEW", few)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", few)
    read = READS[name]
    seen: Any = read(connection, MINE)
    assert SECRET not in repr(seen)
    assert repr(read(connection, NOBODY)) != repr(seen)
    everything = repr(read(connection, EVERYTHING))
    assert everything != repr(seen)
    assert (SECRET in repr(read(connection, THEIRS))) is (SECRET in everything)


@pytest.mark.parametrize("name", GUESSES)
def test_guessing_an_id_shows_nothing(connection: Connection, name: str) -> None:
    read = GUESSES[name]
    assert read(connection, EVERYTHING)
    for scope in (MINE, NOBODY):
        assert not read(connection, scope)


def test_sums_are_of_what_may_be_seen(connection: Connection) -> None:
    found = failures.by_cause(connection, MINE)
    assert [(c.cause, c.jobs, c.triggers) for c in found.rows] == [
        ("account_not_found:account=mine", 1, 1),
        (CAUSE, 1, 1),
    ]
    assert failures.by_cause(connection, EVERYTHING).rows[0].jobs == 3
    assert failures.by_cause(connection, NOBODY).rows == ()
    assert jobs.count_jobs(connection, MINE, AS_OF).total.value == 1
    assert jobs.count_jobs(connection, NOBODY, AS_OF).total.value == 0


def test_a_viewer_of_both_groups_sees_each_row_once(connection: Connection) -> None:
    both = Scope((70, 80))
    assert [row.id for row in jobs.list_jobs(connection, both, AS_OF).rows] == [2, 1]
    listed = executions.list_records(connection, both, AS_OF).rows
    assert [row.id for row in listed] == [4, 3, 2, 1]


def test_what_is_seen_is_the_same_by_groups_that_were_read_before(connection: Connection) -> None:
    groups = groups_of(connection, [1, 2, 404])
    assert groups == {1: frozenset({70}), 2: frozenset({80})}
    everything = failure_feed.failures_after(connection, EVERYTHING, AS_OF, 0).rows
    for scope in (MINE, THEIRS, NOBODY, EVERYTHING, Scope((70, 80))):
        told = [r for r in everything if sees(scope, groups.get(r.job_id, frozenset()))]
        assert tuple(told) == failure_feed.failures_after(connection, scope, AS_OF, 0).rows


def test_failures_of_a_scope_too_large_to_be_named_are_found_among_all(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 0)
    monkeypatch.setattr("job_trigger_worker.storage.read.failures.SOME", 0)
    for wanted in (JobFilter(), JobFilter(status=Status.TRIGGER_FAILED), JobFilter(cause=CAUSE)):
        page = jobs.list_jobs(connection, MINE, AS_OF, wanted=wanted)
        assert [row.name for row in page.rows] == ["mine"]
        counts = jobs.count_jobs(connection, MINE, AS_OF, wanted=wanted)
        assert counts.by_status[Status.TRIGGER_FAILED].value == 1
    broken = failures.standing_causes(connection, MINE)
    assert (CAUSE, 1) in [(row.cause, row.jobs) for row in broken.rows]
    assert (broken.window.read, broken.window.is_complete) == (1, True)


@pytest.mark.parametrize("few", [1_000, 1, 0])
@pytest.mark.parametrize("scope", [EVERYTHING, MINE, Scope((70, 80)), NOBODY])
@pytest.mark.parametrize("wanted", [JobFilter(), JobFilter(cause=CAUSE), JobFilter(text="mine")])
def test_the_home_page_says_what_its_parts_say(
    connection: Connection,
    scope: Scope,
    wanted: JobFilter,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where it spares a look-up that they make."""
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", few)
    monkeypatch.setattr("job_trigger_worker.storage.read.failures.SOME", few)
    sort = JobSort.TROUBLE
    read = overview(
        connection, scope, AS_OF, wanted=wanted, sort=sort, after=None, size=1, causes=3
    )
    page = jobs.list_jobs(connection, scope, AS_OF, wanted=wanted, sort=sort, size=1)
    assert read.page == page
    assert read.counts == jobs.count_jobs(connection, scope, AS_OF, wanted=wanted)
    assert read.broken == failures.standing_causes(connection, scope, limit=3)


@pytest.mark.parametrize("sort", [JobSort.TROUBLE, JobSort.NAME, JobSort.ID])
@pytest.mark.parametrize("cause", [None, CAUSE])
def test_a_window_of_failures_goes_on_behind_those_of_others(
    connection: Connection, sort: JobSort, cause: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 0)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SEEN", 1)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.PASSED", 1)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.RARE", 0)
    wanted = JobFilter(status=Status.TRIGGER_FAILED, cause=cause)
    names, after, windows = [], None, []
    for _ in range(3):
        page = jobs.list_jobs(connection, MINE, AS_OF, wanted=wanted, sort=sort, after=after)
        names += [row.name for row in page.rows]
        windows.append(page.window)
        after = page.next
        if after is None:
            break
    assert (names, after) == (["mine"], None)
    assert windows[0] is not None
    assert (windows[0].read, windows[0].is_complete) == (1, False)


def test_a_group_is_a_filter_inside_the_scope(connection: Connection) -> None:
    for group, expected in ((70, ["mine"]), (80, [])):
        wanted = JobFilter(group_id=group)
        assert [
            row.name for row in jobs.list_jobs(connection, MINE, AS_OF, wanted=wanted).rows
        ] == (expected)
        assert jobs.count_jobs(connection, MINE, AS_OF, wanted=wanted).total.value == len(expected)
        of_jobs = RecordFilter(job=wanted)
        found = executions.list_records(connection, MINE, AS_OF, wanted=of_jobs).rows
        assert {row.job_id for row in found} == ({1} if expected else set())


@pytest.mark.parametrize(
    ("scope", "group_id", "expected"),
    [
        (MINE, None, ["mine"]),
        (MINE, 70, ["mine"]),
        (MINE, 80, []),
        (THEIRS, None, [SECRET]),
        (EVERYTHING, 70, ["mine"]),
    ],
)
def test_a_text_among_many_is_looked_for_behind_the_jobs_of_others(
    connection: Connection,
    scope: Scope,
    group_id: int | None,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bounded is how many jobs a page goes through, whosever they are."""
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SMALL", 0)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_selection.SIFTED", 1)
    monkeypatch.setattr("job_trigger_worker.storage.read.job_pages.RECENT_WIDE", 0)
    wanted = JobFilter(text="e", group_id=group_id)
    found: list[str | None] = []
    sizes: list[int | None] = []
    after: str | None = None
    while after is not None or not sizes:
        page = jobs.list_jobs(
            connection, scope, AS_OF, wanted=wanted, sort=JobSort.NEWEST_SLOT, after=after
        )
        found += [row.name for row in page.rows]
        sizes.append(page.window.read if page.window else None)
        after = page.next
    assert (found, sizes) == (expected, [1, 1, 0])
