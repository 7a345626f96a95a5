"""Schedules and time zones that cannot be read: the console cannot say when a job is due."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from job_trigger_worker.domain import slots
from job_trigger_worker.domain.messages import shown
from job_trigger_worker.domain.plural import pluralize
from job_trigger_worker.storage.platform.report import MOST_NAMED, Finding, PlatformProblem, named
from job_trigger_worker.storage.platform.values import Rows, key_of


def unreadable(connection: Connection, rows: Rows) -> Iterator[Finding]:
    """Each schedule, and each zone, that cannot be read, with some of the jobs that have it."""
    found = rows.select(
        connection,
        f"""cast(schedule as text) as schedule, cast(timezone as text) as timezone,
            count(*) as rows, (array_agg({key_of(rows.view)}))[1:{MOST_NAMED}] as ids""",
        """where schedule is not null
            group by cast(schedule as text), cast(timezone as text) order by 3 desc, 1, 2""",
    )
    schedules: dict[str, list[tuple[int, list[str]]]] = {}
    zones: dict[str, list[tuple[int, list[str]]]] = {}
    for row in found:
        schedule, timezone = row["schedule"], row["timezone"]
        if timezone is not None and not slots.is_zone(timezone):
            zones.setdefault(timezone, []).append((row["rows"], row["ids"]))
        if not slots.is_schedule(schedule):
            schedules.setdefault(schedule, []).append((row["rows"], row["ids"]))
    for fault, column, what, bad in (
        (PlatformProblem.UNREADABLE_SCHEDULE, "schedule", "a schedule", schedules),
        (PlatformProblem.UNKNOWN_ZONE, "timezone", "a time zone", zones),
    ):
        for value, parts in bad.items():
            count = sum(number for number, _ in parts)
            ids = tuple(each for _, some in parts for each in some)[:MOST_NAMED]
            yield Finding(
                fault,
                rows.view.name,
                f"{rows.view.name}.{column} is '{shown(value)}' in {pluralize(count, 'row')} "
                f"({named(ids, count)}); it cannot be read as {what}, so nobody is told when such "
                "a job is due.",
                column,
                count,
                ids,
            )
