"""Which jobs a list or a count is about."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import EVERYTHING, AsOf, JobFilter, Scope, Status
from job_trigger_worker.errors import LimitExceeded
from job_trigger_worker.storage.db.arrays import bigints
from job_trigger_worker.storage.read import run_states
from job_trigger_worker.storage.read.job_overdue import overdue_jobs
from job_trigger_worker.storage.read.job_scan import (
    BY_FAILING,
    BY_ID,
    BY_SLOT,
    Order,
    OrderedJobScan,
)
from job_trigger_worker.storage.read.record_selection import COMMON, RARE
from job_trigger_worker.storage.read.scope import (
    SOME,
    few_jobs,
    narrows,
    where_indexed,
    where_scanned,
)

SMALL = SOME
"""Jobs that are sorted at once; of more, those with the newest records are."""

WINDOW = 5_000
"""Jobs that one page looks at, at most, for a text or a status that no index knows."""

CAUSED = 3_000
"""Jobs whose trigger failed that one page looks at, at most, for a code or cause of many."""

CAUSED_BY_NAME = 800
"""The same by name or id, where no index tells which jobs failed."""

SEEN = 2_000
"""The same limit for a scope or filter that leaves more than some jobs, but not all of them."""

SIFTED = 20_000
"""Jobs that one page goes through, at most, to find those of a group by what no index knows."""

PASSED = 5_000
"""The same for those whose trigger failed, by name or id: most jobs are asked one thing only."""

FAILED = "j.trigger_status = 2"
HAS_FAILED = "trigger_status = 2"
"""Conditions: on a projection, for the index; and on the newest record, for the truth."""


@dataclass(frozen=True, slots=True)
class JobSelection:
    """The jobs that are meant, but for their status: `stream` is all of them, by their ids.

    `is_small` when they can be sorted at once. Not `is_projected` where a platform has jobs of its
    own and nothing in place of our columns: they go by their ids. `failing` is those whose newest
    trigger failed, as their projections say; it `needs_filtering` where it goes through those of
    others, too. `all` is the stream for a status or text: of a group, too, a page goes through
    those of others, for it would otherwise have no bound. `ids` are their ids where they were
    looked up and found to be few.
    """

    wanted: JobFilter
    is_projected: bool
    is_small: bool
    stream: OrderedJobScan
    failing: OrderedJobScan
    needs_filtering: bool
    all: OrderedJobScan
    ids: tuple[int, ...] | None

    @classmethod
    def of(
        cls, connection: Connection, scope: Scope, as_of: AsOf, wanted: JobFilter
    ) -> JobSelection:
        """What is meant, after at most four statements.

        Raises `LimitExceeded` for those that are overdue among too many.
        """
        number = connection.execute(
            text(f"select count(*) from (select from awp_automcation_job limit {SMALL + 1}) as j")
        ).scalar_one()
        condition, values = where_scanned(scope, wanted)
        found, more = where_indexed(wanted)
        few = few_jobs(connection, scope, wanted, SMALL) if number > SMALL else None
        if few is not None:
            condition, values = "c.job_id = any(cast(:few as bigint[]))", {"few": bigints(few)}
        stream = OrderedJobScan(
            order=BY_ID,
            base=condition,
            values={**values, **more, **run_states.moment(as_of)},
            most=WINDOW,
            found=found,
            rest=None if found == "true" else "true",
        )
        is_small = 0 < number <= SMALL or few is not None
        needs_filtering = number > SMALL and few is None and narrows(scope, wanted)
        failing = replace(stream, order=BY_FAILING, base=f"{condition} and {FAILED}")
        if needs_filtering:
            # An index knows who failed, not whose that is: each of these is asked.
            found = condition if found == "true" else f"{condition} and {found}"
            failing = replace(failing, base=FAILED, found=found, most=SEEN)
        among = stream
        if needs_filtering and (scope.group_ids is not None or wanted.group_id is not None):
            served, _ = where_scanned(EVERYTHING, replace(wanted, group_id=None))
            whose, _ = where_scanned(scope, JobFilter(group_id=wanted.group_id))
            among = replace(
                stream, base=served, found=f"{whose} and {stream.found}", rest="true", most=SIFTED
            )
        named = None if few is None else tuple(few)
        meant = cls(wanted, number > 0, is_small, stream, failing, needs_filtering, among, named)
        return meant._overdue(connection) if wanted.is_overdue else meant

    def _overdue(self, connection: Connection) -> JobSelection:
        """Those of few jobs that are overdue."""
        if not self.is_small and self.is_projected:
            raise LimitExceeded(
                f"The overdue filter works for up to {SMALL:,} jobs.",
                remedy="Narrow the list first: by name, owner, group or type.",
            )
        ids = overdue_jobs(connection, self.stream)
        named = "c.job_id = any(cast(:overdue as bigint[]))"
        values = {**self.stream.values, "overdue": bigints(ids)}
        stream = replace(self.stream, base=named, values=values)
        failing = replace(stream, order=BY_FAILING, base=f"{named} and {FAILED}")
        return replace(
            self, is_small=True, stream=stream, failing=failing, needs_filtering=False, all=stream
        )

    @property
    def asks_failure(self) -> bool:
        """True when only jobs whose newest trigger failed are wanted."""
        return self.wanted.status is Status.TRIGGER_FAILED or (
            self.wanted.status is None and bool(self.wanted.code or self.wanted.cause)
        )

    @property
    def asks_text(self) -> bool:
        """True when a text or a target decides, which no index serves."""
        return self.stream.rest is not None

    @property
    def is_bounded(self) -> bool:
        """True when a page has to look at jobs that are not meant, and so says how far it did."""
        return self.asks_text or (self.wanted.status is not None and not self.asks_failure)

    def narrowed(
        self, order: Order | None = None, among: OrderedJobScan | None = None
    ) -> OrderedJobScan:
        """The stream, or another, with the status asked of each job, unless that is a failure's."""
        stream = among or self.stream
        if order is not None:
            stream = replace(stream, order=order)
        if self.wanted.status is None or self.asks_failure:
            return stream
        values = {
            **stream.values,
            "status": str(self.wanted.status),
            "of_failures": bool(self.wanted.code or self.wanted.cause),
        }
        return replace(stream, rest="status = :status and not :of_failures", values=values)

    def failed(self, connection: Connection, order: Order) -> tuple[OrderedJobScan, bool]:
        """The jobs whose newest trigger failed, by code and cause; and whether that is bounded."""
        rest, values, rare = HAS_FAILED, dict(self.stream.values), ""
        is_bounded = self.asks_text or not self.is_projected
        most = self.stream.most if is_bounded else CAUSED
        for name, condition in (
            ("code", "trigger_code = :code"),
            ("cause", "causes @> array[cast(:cause as text)]"),
        ):
            if not (value := getattr(self.wanted, name)):
                continue
            values[name] = value
            rest += f" and {condition}"
            few = _jobs_of_rare(connection, name, f"f.{condition}", value)
            if few is None:
                is_bounded = True
            else:
                rare += f" and c.job_id = any(cast(:{name}_jobs as bigint[]))"
                values[f"{name}_jobs"] = bigints(few)
        if order is BY_FAILING and not rare:
            stream, is_bounded = self.failing, is_bounded or self.needs_filtering
            most = SEEN if self.needs_filtering else most
        elif self.all is not self.stream and self.is_projected and not rare:
            found = f"c.shown_status = 2 and {self.all.found}"
            stream, is_bounded, most = (
                replace(self.all, order=order.asked, found=found),
                True,
                PASSED,
            )
        else:
            base = self.stream.base + (f" and {FAILED}" if self.is_projected else "") + rare
            stream = replace(self.stream, order=order, base=base)
            most = most if rare or not self.is_projected else CAUSED_BY_NAME
        return replace(stream, rest=rest, values=values, most=most), is_bounded

    @property
    def by_slot(self) -> Order:
        """The order of few jobs: by the newest slot, or by id where no projection tells it."""
        return BY_SLOT if self.is_projected else BY_ID

    @property
    def by_failing(self) -> Order:
        """The order of failures: by when they began, or by id where no projection tells it."""
        return BY_FAILING if self.is_projected else BY_ID


def _jobs_of_rare(
    connection: Connection, name: str, condition: str, value: str
) -> list[int] | None:
    """The jobs of the failures with a code or cause, when these are few; one statement."""
    ids = connection.execute(
        text(
            f"""
            select case when not {COMMON if name == "cause" else "false"} then (
                select case when count(*) <= {RARE}
                    then coalesce(array_agg(distinct found.job_id), '{{}}') end
                from (select f.job_id from awp_job_execution f
                      where f.trigger_status = 2 and {condition} limit {RARE + 1}) as found) end
            """
        ),
        {name: value},
    ).scalar_one()
    return None if ids is None else sorted(ids)
