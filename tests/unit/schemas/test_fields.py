from datetime import UTC, datetime, timedelta, timezone

import pytest

from job_trigger_schemas.fields import read_id, read_sent_id, read_time, write_time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", 1),
        (1, 1),
        ("007", 7),
        (7.0, 7),
        ("9223372036854775807", 9223372036854775807),
        (9223372036854775807, 9223372036854775807),
        (9007199254740991.0, 9007199254740991),
    ],
)
def test_an_id_may_be_digits_or_a_whole_number(value: object, expected: int) -> None:
    read = read_id(value)
    assert read == expected
    assert type(read) is int


@pytest.mark.parametrize(
    "value",
    [
        *("", " 7", "7 ", "+7", "-7", "7.0", "7e0", "1_0", "0x7", "٧", "²", "\ud800", "7\n", "7\0"),
        *("0", "00", "9223372036854775808", "9999999999999999999", "0" * 19 + "7", "7" * 5000),
        *(0, -1, 2**63, 10**400, 0.0, -0.0, 7.5, -7.0, 9007199254740992.0, 1e300),
        *(float("nan"), float("inf"), True, False, None, b"7", [7], {"id": 7}),
    ],
)
def test_nothing_else_is_an_id(value: object) -> None:
    with pytest.raises(ValueError, match="an id"):
        read_id(value)


@pytest.mark.parametrize("value", [7, 7.0, True, None, ["7"], "x", "0"])
def test_an_id_that_we_send_is_a_string_of_digits(value: object) -> None:
    assert read_sent_id("7") == 7
    with pytest.raises(ValueError, match="an id"):
        read_sent_id(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-20T08:00:00Z", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20t08:00:00z", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20 08:00:00+00:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20T08:00:00-00:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20T08:00:00+08:00", datetime(2026, 11, 20, 0, tzinfo=UTC)),
        ("2026-11-20T08:00:00-03:30", datetime(2026, 11, 20, 11, 30, tzinfo=UTC)),
        ("2026-11-20T08:00:00.5Z", datetime(2026, 11, 20, 8, 0, 0, 500000, tzinfo=UTC)),
        ("2026-11-20T08:00:00.1234569Z", datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-20T08:00:00.999999999Z", datetime(2026, 11, 20, 8, 0, 0, 999999, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("1999-12-31T23:00:00-01:00", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2200-12-31T23:59:59.999999Z", datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2201-01-01T00:30:00+01:00", datetime(2200, 12, 31, 23, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_utc(value: str, expected: datetime) -> None:
    read = read_time(value)
    assert read == expected
    assert read.tzinfo is UTC


def test_a_fraction_may_be_as_long_as_a_producer_likes() -> None:
    assert read_time(f"2026-11-20T08:00:00.{'1' * 5000}Z").microsecond == 111111


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-11-20T08:00:00", "no zone"),
        ("2026-11-20 08:00:00.123", "no zone"),
        ("2026-11-20", "is a date"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2026-02-30T08:00:00Z", "no such day"),
        ("2026-13-01T08:00:00Z", "no such day"),
        ("0000-01-01T00:00:00Z", "no such day"),
        ("0001-01-01T00:00:00+14:00", "2000 to 2200"),
        ("9999-12-31T23:59:59-14:00", "2000 to 2200"),
        ("1999-12-31T23:59:59Z", "2000 to 2200"),
        ("2000-01-01T00:30:00+01:00", "2000 to 2200"),
        ("2201-01-01T00:00:00Z", "2000 to 2200"),
        ("2026-11-20T24:00:00Z", "RFC 3339"),
        ("2026-11-20T08:00Z", "RFC 3339"),
        ("2026-11-20T08:00:00+0800", "RFC 3339"),
        ("2026-11-20T08:00:00+24:00", "RFC 3339"),
        ("2026-11-20T08:00:00+08:60", "RFC 3339"),
        ("2026-11-20T08:00:00+08:00:30", "RFC 3339"),
        ("2026-11-20x08:00:00Z", "RFC 3339"),
        ("20261120T080000Z", "RFC 3339"),
        ("2026-W47-5T08:00:00Z", "RFC 3339"),
        ("2026-11-20T08:00:00,5Z", "RFC 3339"),
        ("2026-11-20T08:00:00.Z", "RFC 3339"),
        ("2026-11-20T08:00:00Z\n", "RFC 3339"),
        (" 2026-11-20T08:00:00Z", "RFC 3339"),
        ("２026-11-20T08:00:00Z", "RFC 3339"),
        ("", "RFC 3339"),
        ("\ud800", "RFC 3339"),
        (1795161600, "never a number"),
        (1795161600.5, "never a number"),
        (True, "never a number"),
        (None, "never a number"),
        (["2026-11-20T08:00:00Z"], "never a number"),
        (b"2026-11-20T08:00:00Z", "never a number"),
    ],
)
def test_a_refused_time_says_what_to_send(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_time(value)


def test_python_code_may_hand_over_an_aware_datetime() -> None:
    zone = timezone(timedelta(hours=8))
    assert read_time(datetime(2026, 11, 20, 16, tzinfo=zone)) == datetime(
        2026, 11, 20, 8, tzinfo=UTC
    )
    with pytest.raises(ValueError, match="no zone"):
        read_time(datetime(2026, 11, 20, 16))  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="2000 to 2200"):
        read_time(datetime.min.replace(tzinfo=zone))


def test_a_time_is_written_in_utc_with_z() -> None:
    zone = timezone(timedelta(hours=8))
    assert write_time(datetime(2026, 11, 20, 16, tzinfo=zone)) == "2026-11-20T08:00:00Z"
    assert write_time(datetime(2026, 11, 20, 8, 0, 0, 5, UTC)) == "2026-11-20T08:00:00.000005Z"
