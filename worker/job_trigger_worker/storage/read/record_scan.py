"""Records, the newest written first, and how far a page goes through them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from job_trigger_worker.domain.read_models import Window
from job_trigger_worker.domain.trigger import MAX_ID

WINDOW = 8_000
"""Records that one page looks at, at most, for their jobs or for a cause of many."""

ASKED = 4_000
"""The same where each record's job is asked whether it is meant."""

WIDE = 50_000
"""Records that one page looks at, at most, for a status, a text or a kind."""

ASKED_WIDE = 20_000
"""The same where each record's job is asked, too."""


@dataclass(frozen=True, slots=True)
class RecordScanResult:
    """The window of a page: the records with ids from `floor` to `head`."""

    head: int
    floor: int
    read: int
    since: datetime | None
    is_complete: bool

    @property
    def told(self) -> Window:
        """What a page says of it."""
        return Window(self.read, self.since, self.is_complete)


@dataclass(frozen=True, slots=True)
class OrderedRecordScan:
    """Records `r` of `source` that fulfil `condition`, in the order of their ids.

    `base` is the part of the condition that an index serves. With `job_ids` it is a merge of so
    many streams. `is_bounded` when the condition asks more than that, `asks_jobs` when it asks
    each record's job; `is_wide` when few records may fulfil it and each is cheap to ask.
    """

    base: str
    condition: str
    values: dict[str, Any] = field(default_factory=dict)
    is_bounded: bool = False
    reads_runs: bool = False
    asks_jobs: bool = False
    is_wide: bool = False
    job_ids: tuple[int, ...] | None = None
    size: int = 50
    source: str = "awp_job_execution"

    def range(
        self, below: int | None, window: RecordScanResult | None
    ) -> tuple[str, dict[str, Any]]:
        """A condition on ids: below where the last page ended, and inside the window."""
        if window is None:
            return "r.id < :below", {"below": MAX_ID if below is None else below}
        values = {"head": window.head, "floor": window.floor}
        return "r.id between :floor and :head", values

    def window(
        self, connection: Connection, below: int | None, most: int | None = None
    ) -> RecordScanResult:
        """How far the next page looks, `most` records at most: one statement.

        A merge looks at as many of each stream, and ends where the first of them does.
        """
        most = most or (WIDE if self.is_wide else WINDOW)
        if self.asks_jobs:
            most = min(most, ASKED_WIDE if self.is_wide else ASKED)
        values: dict[str, Any] = {
            **self.values,
            "below": MAX_ID if below is None else below,
            "most": most,
        }
        if self.job_ids is None:
            looked = f"""
                select r.id, 0 as job_id from awp_job_execution r
                where {self.base} and r.id < :below order by r.id desc limit :most
            """
        else:
            looked = f"""
                select mine.id, named.job_id from unnest(cast(:job_ids as bigint[]))
                    as named (job_id)
                cross join lateral (
                    select r.id from awp_job_execution r
                    where r.job_id = named.job_id and {self.base} and r.id < :below
                    order by r.id desc limit :most) as mine
            """
            values["most"] = max(self.size + 1, most // max(1, len(self.job_ids)))
        row = connection.execute(
            text(
                f"""
                with looked as materialized ({looked}), ends as (
                    select job_id, min(id) as lowest, count(*) = :most as is_cut
                    from looked group by job_id
                ), window_ as (
                    select coalesce(max(lowest) filter (where is_cut), 0) as floor from ends
                )
                select coalesce(max(id), 0) as head, max(floor) as floor, count(id) as read,
                    (select decided_at from awp_job_execution where id = min(looked.id)) as since
                from window_ left join looked on looked.id >= window_.floor
                """
            ),
            values,
        ).one()
        return RecordScanResult(
            row.head, row.floor, row.read, row.since, is_complete=row.floor == 0
        )
