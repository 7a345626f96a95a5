"""Moments and durations, as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from job_trigger_worker.console.shared.texts import Words, gettext_noop

_STEPS = (
    (86_400, gettext_noop("%(a)s d %(b)s h"), 3_600),
    (3_600, gettext_noop("%(a)s h %(b)s min"), 60),
    (60, gettext_noop("%(a)s min %(b)s s"), 1),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as a page shows it: short text, a title with everything, a value for programs."""

    text: str
    title: str
    iso: str


def moment(at: datetime, zone: ZoneInfo, now: datetime) -> Moment:
    """A moment in a zone: today without its date, this year without its year.

    The title has it in UTC and in the zone, whole.
    """
    local, today = at.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        text = f"{local:%H:%M:%S}"
    elif local.year == today.year:
        text = f"{local:%m-%d %H:%M}"
    else:
        text = f"{local:%Y-%m-%d %H:%M}"
    utc = at.astimezone(UTC)
    title = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    if zone.key != "UTC":
        title += f" · {local:%Y-%m-%d %H:%M:%S} {zone.key}"
    return Moment(text, title, f"{utc:%Y-%m-%dT%H:%M:%S.%fZ}")


def duration(value: timedelta | float, words: Words) -> str:
    """A length of time in its two largest units: `350 ms`, `42 s`, `3 min 5 s`, `2 d 4 h`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        return sign + words.gettext(gettext_noop("%(a)s ms")) % {"a": round(seconds * 1000)}
    whole = round(seconds)
    for size, form, part in _STEPS:
        if whole >= size:
            values = {"a": whole // size, "b": whole % size // part}
            return sign + words.gettext(form) % values
    return sign + words.gettext(gettext_noop("%(a)s s")) % {"a": whole}


def zone_of(*names: str | None) -> ZoneInfo:
    """The first of these names that is a time zone, else UTC."""
    for name in names:
        if name and len(name) <= 64:  # noqa: PLR2004
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return ZoneInfo("UTC")
