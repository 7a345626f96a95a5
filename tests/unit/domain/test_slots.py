"""Slots of cron expressions in their zones."""

from datetime import UTC, datetime, timedelta

import pytest

from job_trigger_worker.domain.slots import is_overdue, last_slot, next_slots

NOW = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC)


def utc(*moments: datetime) -> list[str]:
    return [f"{at.astimezone(UTC):%m-%d %H:%M:%S}" for at in moments]


def test_the_next_slots_are_in_the_jobs_zone() -> None:
    assert utc(*next_slots("*/10 * * * *", "UTC", NOW, 2)) == ["11-23 08:10:00", "11-23 08:20:00"]
    (slot,) = next_slots("0 2 * * *", "Asia/Shanghai", NOW)
    assert utc(slot) == ["11-23 18:00:00"]
    assert slot.hour == 2


def test_the_last_slot_may_be_now() -> None:
    sharp = NOW.replace(second=0)
    for at, expected in ((NOW, "11-23 08:00:00"), (sharp, "11-23 08:00:00")):
        slot = last_slot("*/10 * * * *", "UTC", at)
        assert slot is not None
        assert utc(slot) == [expected]


@pytest.mark.parametrize(
    ("schedule", "zone"),
    [
        (None, "UTC"),
        ("", None),
        ("every day", "UTC"),
        ("* * * * *", "No/Where"),
        ("* * * * *", "../../etc/passwd"),
        ("* * * * *", "\0"),
        ("0 0 30 2 *", "UTC"),
        ("*," * 500 + "* * * * *", "UTC"),
    ],
)
def test_what_cannot_be_read_has_no_slot(schedule: str | None, zone: str | None) -> None:
    assert next_slots(schedule, zone, NOW) == ()
    assert last_slot(schedule, zone, NOW) is None
    assert not is_overdue(
        schedule, zone, last_scheduled_at=NOW - timedelta(days=9), updated_at=None, now=NOW
    )


def test_overdue_is_a_slot_that_nobody_fired() -> None:
    def overdue(last_min: float | None, changed_min: float | None, at: datetime = NOW) -> bool:
        moments = [
            None if m is None else NOW - timedelta(minutes=m) for m in (last_min, changed_min)
        ]
        return is_overdue(
            "*/10 * * * *", "UTC", last_scheduled_at=moments[0], updated_at=moments[1], now=at
        )

    # 08:00:30: the slot of 08:00 may be on its way, that of 07:50 should have come.
    assert not overdue(10.5, 600)
    assert overdue(10.6, 600)
    assert overdue(None, 600)
    assert not overdue(None, 5)  # changed at 07:55, after that slot
    assert not overdue(None, None)
    assert overdue(10.5, 600, NOW + timedelta(seconds=31))
