"""What is timed: the reads that pages make, as people narrow them, some pages deep."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import (
    EVERYTHING,
    AsOf,
    JobFilter,
    JobSort,
    Page,
    RecordFilter,
    Scope,
    Status,
)
from job_trigger_worker.storage.read import executions, failure_feed, failures, jobs, paging
from job_trigger_worker.storage.read.id_lookup import find
from job_trigger_worker.storage.read.job_list import overview
from tests.benchmarks.console_fill import (
    BROKE_31,
    BROKE_MANY,
    NARROW,
    OWNERS,
    TEAM,
    WIDE,
    Filled,
)

LIST_MS = 60
WINDOW_MS = 500
SCOPES: Mapping[str, Scope] = {
    "all": EVERYTHING,
    "wide": Scope((WIDE,)),
    "team": Scope((TEAM,)),
    "narrow": Scope((NARROW,)),
}
JOBS_SIZE, RECORDS_SIZE, OUTCOMES = 30, 40, 10
_DEEP = 2
_SEED = 4

Read = Callable[[Connection], int]
"""One call as a page makes it; how many rows it gave."""


@dataclass(frozen=True, slots=True)
class Case:
    """Reads that go by one name and have one target, for p95 in milliseconds."""

    name: str
    target_ms: int
    reads: Sequence[Read] = field(repr=False)


def cases(connection: Connection, filled: Filled) -> list[Case]:
    """Every case, with its cursors and ids found beforehand."""
    made = []
    for name, scope in SCOPES.items():
        catalogue = _Catalogue(connection, filled, scope)
        for what, target_ms, reads in catalogue.all():
            made.append(Case(f"{what}, {name}", target_ms, list(reads)))
    return made


class _Catalogue:
    """The cases of one scope."""

    def __init__(self, connection: Connection, filled: Filled, scope: Scope) -> None:
        self.connection = connection
        self.filled = filled
        self.scope = scope
        self.as_of = AsOf(filled.now)
        # In the narrow scope all jobs are named, and a window is small.
        self.has_windows = scope != SCOPES["narrow"]
        self.draw = random.Random(_SEED)  # noqa: S311 - no secret
        found = connection.execute(
            text(
                """
                select j.id from awp_automcation_job j
                where cast(:group as bigint) is null or exists (select from awp_user_group_member m
                    where m.user_id = j.owner_id and m.group_id = :group)
                order by hashint8(j.id) limit 300
                """
            ),
            {"group": scope.group_ids[0] if scope.group_ids else None},
        )
        self.job_ids = list(found.scalars())

    def all(self) -> Iterator[tuple[str, int, Sequence[Read]]]:
        """What, the target, and the reads."""
        yield from self._jobs()
        yield from self._one_job()
        yield from self._records()
        yield from self._failures()

    def _jobs(self) -> Iterator[tuple[str, int, Sequence[Read]]]:
        for sort in JobSort:
            yield f"jobs by {sort}", LIST_MS, list(self._pages(JobFilter(), sort))
        for what, target_ms, filters in JOB_FILTERS:
            if target_ms == WINDOW_MS and not self.has_windows:
                continue
            by_name = what in {"by prefix", "that failed", "by code"}
            sorts = (JobSort.TROUBLE, JobSort.NAME) if by_name else (JobSort.TROUBLE,)
            pages = [self._pages(wanted, sort) for wanted, sort in product(filters, sorts)]
            yield f"jobs {what}", target_ms, [read for each in pages for read in each]
            counted = [partial(self._count, wanted) for wanted in filters]
            yield f"counts of jobs {what}", target_ms, counted
        yield "counts of jobs", LIST_MS, [partial(self._count, JobFilter())]
        yield "what is broken", LIST_MS, [self._standing]
        yield "last outcomes", LIST_MS, [partial(self._outcomes, self._some(30)) for _ in range(5)]
        yield "home page, its reads", LIST_MS, [self._home]

    def _one_job(self) -> Iterator[tuple[str, int, Sequence[Read]]]:
        some = self._some(10)
        yield "a job, its reads", LIST_MS, [partial(self._job, each) for each in some]
        numbers = [str(each) for each in (*some[:3], self.filled.records // 3)]
        uuids = [str(self._execution(self.filled.records // n)) for n in (2, 3, 5)]
        yield "find", LIST_MS, [partial(self._find, each) for each in (*numbers, *uuids)]

    def _records(self) -> Iterator[tuple[str, int, Sequence[Read]]]:
        ids = [self.draw.randrange(1, self.filled.records) for _ in range(5)]
        yield "a record", LIST_MS, [partial(self._record, each) for each in ids]
        for what, target_ms, filters in self._record_filters():
            if target_ms == WINDOW_MS and not self.has_windows:
                continue
            pages = [read for wanted in filters for read in self._record_pages(wanted)]
            yield f"records {what}", target_ms, pages

    def _record_filters(self) -> Iterator[tuple[str, int, Sequence[RecordFilter]]]:
        now = self.filled.now
        hour: dict[str, Any] = {"since": now - timedelta(hours=1)}
        day: dict[str, Any] = {"since": now - timedelta(days=41), "until": now - timedelta(days=40)}
        quarter: dict[str, Any] = {"since": now - timedelta(days=90)}
        some = self._some(3)
        busy = 1 + 7919 % self.filled.jobs
        failed: dict[str, Any] = {"status": Status.TRIGGER_FAILED}
        codes = ("server_not_found", "expired", "job_not_found", "permission_denied")
        by_job = [job for _, _, filters in JOB_FILTERS[:5] for job in filters]
        yield "of all", LIST_MS, [RecordFilter()]
        for name, times in (("an hour", hour), ("an old day", day), ("a quarter", quarter)):
            yield f"of {name}", LIST_MS, [RecordFilter(**times)]
            yield f"of {name} that failed", LIST_MS, [RecordFilter(**times, **failed)]
            coded = [RecordFilter(**times, code=code) for code in codes]
            yield f"of {name} by code", LIST_MS, coded
            caused = [RecordFilter(**times, cause=cause) for cause in CAUSES]
            yield f"of {name} by cause", LIST_MS, caused
            of_jobs = [RecordFilter(**times, job=job) for job in by_job]
            yield f"of {name} by name, owner, type, group", LIST_MS, of_jobs
        yield "that failed", LIST_MS, [RecordFilter(**failed)]
        yield "by code", LIST_MS, [RecordFilter(code=code) for code in codes]
        yield "by cause", LIST_MS, [RecordFilter(cause=cause) for cause in CAUSES]
        for what, _, filters in JOB_FILTERS[:5]:
            yield f"of jobs {what}", LIST_MS, [RecordFilter(job=job) for job in filters]
            by_both = [RecordFilter(job=job, **failed) for job in filters]
            yield f"of jobs {what} that failed", LIST_MS, by_both
        yield "of a job", LIST_MS, [RecordFilter(job_id=each) for each in (busy, *some)]
        of_one = [RecordFilter(job_id=each, **failed) for each in (busy, *some)]
        yield "of a job that failed", LIST_MS, of_one
        trigger = self._trigger(self.filled.records // 2)
        yield "of a trigger", LIST_MS, [RecordFilter(trigger_id=trigger)]
        for kind in ("manual", "replay"):
            yield f"of kind {kind}", WINDOW_MS, [RecordFilter(kind=kind)]
        for status in Status:
            if status not in (Status.TRIGGER_FAILED, Status.NEVER_RUN):
                yield f"with status {status}", WINDOW_MS, [RecordFilter(status=status)]
        yield "with a text", WINDOW_MS, [RecordFilter(text=words) for words in TEXTS]

    def _failures(self) -> Iterator[tuple[str, int, Sequence[Read]]]:
        for span in (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)):
            hours = int(span / timedelta(hours=1))
            for what, read in (
                ("causes", self._causes),
                ("codes", self._codes),
                ("bars", self._bars),
            ):
                yield f"{what} of {hours} h", LIST_MS, [partial(read, span)]
            broken = [partial(self._broken, cause, span) for cause in CAUSES]
            yield f"jobs of a cause in {hours} h", LIST_MS, broken
        yield "newest failures", LIST_MS, [self._newest]
        positions = [self.filled.records - back for back in (10, 1_000, 100_000)]
        yield "failures after", LIST_MS, [partial(self._after, each) for each in positions]

    def _pages(self, wanted: JobFilter, sort: JobSort) -> Iterator[Read]:
        """The first pages of a list, then one in the middle and one at its end."""
        following: str | None = None
        for _ in range(_DEEP):
            yield partial(self._list_jobs, wanted, sort, following)
            page = self._job_page(self.connection, wanted, sort, following)
            following = page.next
            if following is None:
                return
        if page.window is not None or wanted != JobFilter() or sort is JobSort.NAME:
            for _ in range(_DEEP):
                page = self._job_page(self.connection, wanted, sort, following, size=300)
                if page.next is None:
                    break
                following = page.next
            yield partial(self._list_jobs, wanted, sort, following)
            return
        edge = max(1, self.filled.records - 1_999)
        part = 4 if sort is JobSort.ID else 3
        for job_id in (self.filled.jobs // 2, self.filled.jobs - 20):
            place: dict[str, int | str] = {
                "part": part,
                "rank": 0,
                "edge": edge,
                "slot": "",
                "key": "",
                "id": job_id,
            }
            yield partial(self._list_jobs, wanted, sort, paging.cursor(str(sort), place))

    def _record_pages(self, wanted: RecordFilter) -> Iterator[Read]:
        following: str | None = None
        for _ in range(_DEEP):
            yield partial(self._list_records, wanted, following)
            page = self._record_page(self.connection, wanted, following)
            following = page.next
            if following is None:
                return
        if wanted.since is None and wanted.until is None:
            for record_id in (self.filled.records // 2, self.filled.records // 20):
                place = paging.cursor("records", {"id": record_id})
                yield partial(self._list_records, wanted, place)

    def _job_page(
        self,
        connection: Connection,
        wanted: JobFilter,
        sort: JobSort,
        after: str | None,
        size: int = JOBS_SIZE,
    ) -> Page[Any]:
        return jobs.list_jobs(
            connection, self.scope, self.as_of, wanted=wanted, sort=sort, after=after, size=size
        )

    def _record_page(
        self, connection: Connection, wanted: RecordFilter, after: str | None
    ) -> Page[Any]:
        return executions.list_records(
            connection, self.scope, self.as_of, wanted=wanted, after=after, size=RECORDS_SIZE
        )

    def _list_jobs(
        self, wanted: JobFilter, sort: JobSort, after: str | None, connection: Connection
    ) -> int:
        return len(self._job_page(connection, wanted, sort, after).rows)

    def _list_records(self, wanted: RecordFilter, after: str | None, connection: Connection) -> int:
        return len(self._record_page(connection, wanted, after).rows)

    def _count(self, wanted: JobFilter, connection: Connection) -> int:
        return jobs.count_jobs(connection, self.scope, self.as_of, wanted=wanted).total.value

    def _standing(self, connection: Connection) -> int:
        return failures.standing_causes(connection, self.scope, limit=3).total

    def _outcomes(self, job_ids: Sequence[int], connection: Connection) -> int:
        found = jobs.last_outcomes(connection, self.scope, self.as_of, job_ids, count=OUTCOMES)
        return sum(map(len, found.values()))

    def _home(self, connection: Connection) -> int:
        read = overview(
            connection,
            self.scope,
            self.as_of,
            wanted=JobFilter(),
            sort=JobSort.TROUBLE,
            after=None,
            size=JOBS_SIZE,
            causes=3,
        )
        self._outcomes([job.id for job in read.page.rows], connection)
        return len(read.page.rows)

    def _job(self, job_id: int, connection: Connection) -> int:
        jobs.get_job(connection, self.scope, self.as_of, job_id)
        self._outcomes([job_id], connection)
        until = self.filled.now
        failures.by_time(
            connection,
            self.scope,
            since=until - timedelta(days=7),
            until=until,
            step_s=6 * 3600,
            job_id=job_id,
        )
        return self._list_records(RecordFilter(job_id=job_id), None, connection)

    def _record(self, record_id: int, connection: Connection) -> int:
        found = executions.get_record(connection, self.scope, self.as_of, record_id)
        return 0 if found is None else 1

    def _find(self, written: str, connection: Connection) -> int:
        return len(find(connection, self.scope, written))

    def _causes(self, span: timedelta, connection: Connection) -> int:
        since = self.filled.now - span
        return failures.by_cause(connection, self.scope, since=since, limit=15).total

    def _codes(self, span: timedelta, connection: Connection) -> int:
        found, _ = failures.by_code(connection, self.scope, since=self.filled.now - span)
        return len(found)

    def _bars(self, span: timedelta, connection: Connection) -> int:
        until, step_s = self.filled.now, int(span.total_seconds()) // 60
        found, _ = failures.by_time(
            connection, self.scope, since=until - span, until=until, step_s=step_s
        )
        return len(found)

    def _broken(self, cause: str, span: timedelta, connection: Connection) -> int:
        since = self.filled.now - span
        return len(failures.jobs_of_cause(connection, self.scope, cause, since=since, size=40).rows)

    def _newest(self, connection: Connection) -> int:
        return len(failure_feed.newest_failures(connection, self.scope, self.as_of, limit=15).rows)

    def _after(self, position: int, connection: Connection) -> int:
        return len(failure_feed.failures_after(connection, self.scope, self.as_of, position).rows)

    def _some(self, number: int) -> list[int]:
        return self.draw.sample(self.job_ids, min(number, len(self.job_ids)))

    def _execution(self, record_id: int) -> UUID:
        return self._value("execution_id", record_id)

    def _trigger(self, record_id: int) -> UUID:
        return self._value("trigger_id", record_id)

    def _value(self, column: str, record_id: int) -> UUID:
        found = self.connection.execute(
            text(
                f"""
                select {column} from awp_job_execution
                where id >= :id and {column} is not null order by id limit 1
                """
            ),
            {"id": record_id},
        )
        return UUID(str(found.scalar_one()))


CAUSES = (
    BROKE_MANY,
    BROKE_31,
    "account_not_found:server=8,account=deploy",
    "server_not_found:server=301",
    "expired:job=17",
)
TEXTS = ("rotate", "fra-77", "对账", "does not exist", "nothing like it")
_FAILED = Status.TRIGGER_FAILED
JOB_FILTERS: Sequence[tuple[str, int, Sequence[JobFilter]]] = (
    (
        "by prefix",
        LIST_MS,
        [JobFilter(name_prefix=name) for name in ("backup", "export-fra-7", "每日", "zzz")],
    ),
    ("of an owner", LIST_MS, [JobFilter(owner_id=owner) for owner in (1, 3, 777, OWNERS)]),
    ("of a type", LIST_MS, [JobFilter(job_type=each) for each in ("action", "workflow")]),
    ("of a group", LIST_MS, [JobFilter(group_id=group) for group in (WIDE, TEAM, 1_042)]),
    (
        "by two or three of these",
        LIST_MS,
        [
            JobFilter(name_prefix="backup", job_type="workflow"),
            JobFilter(owner_id=3, job_type="action"),
            JobFilter(group_id=TEAM, name_prefix="rotate", job_type="action"),
        ],
    ),
    (
        "that failed",
        LIST_MS,
        [
            JobFilter(status=_FAILED),
            JobFilter(status=_FAILED, job_type="workflow"),
            JobFilter(status=_FAILED, name_prefix="backup"),
            JobFilter(status=_FAILED, owner_id=3),
            JobFilter(status=_FAILED, group_id=TEAM),
        ],
    ),
    (
        "by code",
        LIST_MS,
        [
            JobFilter(code=code)
            for code in ("server_not_found", "expired", "permission_denied", "no_targets")
        ],
    ),
    ("by cause", LIST_MS, [JobFilter(cause=cause) for cause in CAUSES]),
    ("switched on or off", LIST_MS, [JobFilter(is_enabled=each) for each in (True, False)]),
    *(
        (f"with status {status}", WINDOW_MS, [JobFilter(status=status)])
        for status in Status
        if status is not _FAILED
    ),
    ("with a text", WINDOW_MS, [JobFilter(text=words) for words in (*TEXTS, "4711")]),
    ("of a server", WINDOW_MS, [JobFilter(server_id=server) for server in (7, 4_711)]),
)
"""Filters of the job list; the first five are of the history list, too."""
