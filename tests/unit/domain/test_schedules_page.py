"""docs/platform.md lists how schedules and zones are written, and what is not read."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from job_trigger_worker.domain.slots import is_schedule, is_zone, next_slots

PAGE = (Path(__file__).parents[3] / "docs" / "platform.md").read_text()
(CHAPTER,) = re.findall(r"^## Schedules and time zones\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
NOW = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC)  # a Monday

SLOTS = {
    "30 2 * * MON-FRI": ["11-24 02:30:00", "11-25 02:30:00", "11-26 02:30:00"],
    "0 30 2 * * *": ["11-24 02:30:00", "11-25 02:30:00", "11-26 02:30:00"],
    "0 0 L * *": ["11-30 00:00:00", "12-31 00:00:00", "01-31 00:00:00"],
    "0 0 LW * *": ["11-30 00:00:00", "12-31 00:00:00", "01-29 00:00:00"],
    "0 4 * * 5L": ["11-27 04:00:00", "12-25 04:00:00", "01-29 04:00:00"],
    "0 4 * * 1#2": ["12-14 04:00:00", "01-11 04:00:00", "02-08 04:00:00"],
    "0/5 * * * *": ["11-23 08:05:00", "11-23 08:10:00", "11-23 08:15:00"],
    "7/20 * * * *": ["11-23 08:07:00", "11-23 08:27:00", "11-23 08:47:00"],
    "0 2 ? * *": [],
    "0 2 15W * *": [],
    "0 0 2 * * * 2027": [],
    "@daily": [],
    "RRULE:FREQ=DAILY": [],
    "CRON_TZ=UTC 0 2 * * *": [],
    "0 2 * * * UTC": [],
}
"""The next three slots of each form after now, by hand; none of what is not read."""


def coded(words: str) -> list[str]:
    return re.findall(r"`([^`]+)`", words)


def test_schedules_are_read_as_the_page_says() -> None:
    said: dict[str, bool] = {}
    for line in CHAPTER.splitlines():
        if line.startswith("| `"):
            written, read_as = (cell.strip() for cell in line.strip("|").split("|"))
            said |= dict.fromkeys(coded(written), not read_as.startswith("not read"))
    assert said == {form: bool(slots) for form, slots in SLOTS.items()}
    assert {form: is_schedule(form) for form in said} == said
    found = {form: next_slots(form, "UTC", NOW, 3) for form in SLOTS}
    assert {
        form: [f"{at:%m-%d %H:%M:%S}" for at in slots] for form, slots in found.items()
    } == SLOTS


def test_sunday_is_0_or_7() -> None:
    (sunday,) = next_slots("0 3 * * 0", "UTC", NOW)
    assert (sunday, f"{sunday:%m-%d}") == (*next_slots("0 3 * * 7", "UTC", NOW), "11-29")


def test_zones_are_read_as_the_page_says() -> None:
    (zones,) = re.findall(r"^Zones are names .*?\n\n", CHAPTER, re.MULTILINE | re.DOTALL)
    good, _, others = zones.partition("spelling.")
    bad = others.partition("not read")[0]
    assert coded(good) == ["Asia/Shanghai", "UTC", "Etc/GMT-8", "US/Eastern"]
    assert [is_zone(zone) for zone in coded(good)] == [True] * 4
    assert coded(bad) == ["GMT+8", "+08:00", "CST", "asia/shanghai"]
    assert [is_zone(zone) for zone in coded(bad)] == [False] * 4


@pytest.mark.parametrize(
    ("schedule", "skipped", "repeated"),
    [
        ("30 2 * * *", ["03-29 01:00", "03-30 00:30"], ["10-25 00:30", "10-26 01:30"]),
        ("0 30 2 * * *", ["03-30 00:30", "03-31 00:30"], ["10-25 00:30", "10-25 01:30"]),
        ("*/30 2 * * *", ["03-30 00:00", "03-30 00:30"], ["10-25 00:00", "10-25 00:30"]),
    ],
)
def test_the_hour_that_a_clock_skips_or_repeats(
    schedule: str, skipped: list[str], repeated: list[str]
) -> None:
    """In Berlin, 02:00 to 03:00 on 29 March and 25 October 2026; expected in UTC."""
    for month, day, expected in ((3, 28, skipped), (10, 24, repeated)):
        noon = datetime(2026, month, day, 12, tzinfo=UTC)
        slots = next_slots(schedule, "Europe/Berlin", noon, 2)
        assert [f"{at.astimezone(UTC):%m-%d %H:%M}" for at in slots] == expected
