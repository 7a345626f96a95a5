"""When a job is due by its cron expression and time zone, and when it is overdue. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

GRACE = timedelta(seconds=60)
"""How long after a slot its trigger may be on the way before the job counts as overdue."""

SHOWN = 5
"""How many of the next slots are shown of one job."""

_LONGEST = 200
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_MOST_KEPT = 4096


def next_slots(
    schedule: str | None, timezone: str | None, after: datetime, count: int = 1
) -> tuple[datetime, ...]:
    """The next `count` slots after a moment, in the job's zone.

    None where there is no schedule, or none that can be read; a schedule may also have no slot, as
    that of the 30th of February.
    """
    return _next(schedule or "", timezone or "UTC", after.replace(microsecond=0), count)


def is_zone(timezone: str) -> bool:
    """True for the name of a time zone."""
    return bool(timezone) and _slots("* * * * *", timezone, _SOME_DAY) is not None


def is_schedule(schedule: str) -> bool:
    """True for a cron expression that can be read."""
    return _slots(schedule, "UTC", _SOME_DAY) is not None


def last_slot(schedule: str | None, timezone: str | None, before: datetime) -> datetime | None:
    """The newest slot that is at or before a moment; a slot within that moment's minute, later."""
    # Nearly all slots are whole minutes: what is kept for one serves each of its seconds.
    return _last(schedule or "", timezone or "UTC", before.replace(second=0, microsecond=0))


def is_overdue(
    schedule: str | None,
    timezone: str | None,
    *,
    last_scheduled_at: datetime | None,
    updated_at: datetime | None,
    now: datetime,
) -> bool:
    """True when a slot has passed and no trigger came.

    Slots from before the job's last change are not missed: its schedule may have been another one.
    """
    known = [at for at in (last_scheduled_at, updated_at) if at is not None]
    if not known:
        return False
    due = last_slot(schedule, timezone, now - GRACE)
    return due is not None and due > max(known)


# A list asks for the same few schedules again and again.
@lru_cache(maxsize=_MOST_KEPT)
def _next(schedule: str, timezone: str, after: datetime, count: int) -> tuple[datetime, ...]:
    slots = _slots(schedule, timezone, after)
    return tuple(islice(slots, count)) if slots else ()


@lru_cache(maxsize=_MOST_KEPT)
def _last(schedule: str, timezone: str, second: datetime) -> datetime | None:
    # Going back begins before the moment; one second more, and a slot right then is found, too.
    slots = _slots(schedule, timezone, second + timedelta(seconds=1), is_back=True)
    return next(slots, None) if slots else None


def _slots(
    schedule: str, timezone: str, start: datetime, *, is_back: bool = False
) -> CronSim | None:
    if not schedule or len(schedule) > _LONGEST or len(timezone) > _LONGEST:
        return None
    try:
        return CronSim(schedule, start.astimezone(ZoneInfo(timezone)), reverse=is_back)
    except (CronSimError, ZoneInfoNotFoundError, ValueError, OSError):
        return None
