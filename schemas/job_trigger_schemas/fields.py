"""Field types that the events share: ids, times and text, strict where it protects the reader.

Every type gives the same answer for JSON text (`model_validate_json`) and for the Python values
that `json.loads` makes of it (`model_validate`). Refusals are `ValidationError`s of one sentence
that says what to send instead.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

MAX_ID = 2**63 - 1
"""Largest id, a PostgreSQL bigint; the smallest is 1."""

MAX_EXACT = 2**53
"""From here on a JSON number with a fraction or exponent may not be the number that was meant."""

ID_PATTERN = "^[0-9]{1,19}$"
_MOST_DIGITS = len(str(MAX_ID))

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION = r"(?:\.[0-9]+)?"
_ZONE = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIME_PATTERN = f"^{_DATE}[Tt ]{_CLOCK}{_FRACTION}{_ZONE}$"

_is_time = re.compile(TIME_PATTERN[1:-1]).fullmatch
_is_date = re.compile(_DATE).fullmatch
_lacks_zone = re.compile(f"{_DATE}[Tt ]{_CLOCK}{_FRACTION}").fullmatch
_is_leap_second = re.compile(f"{_DATE}[Tt ][0-9]{{2}}:[0-9]{{2}}:60{_FRACTION}{_ZONE}").fullmatch

FIRST_YEAR = 2000
LAST_YEAR = 2200
"""The years, in UTC, that times of events lie in."""


def read_id(value: Any) -> int:
    """An id as a number from 1 to 2^63-1.

    Takes a JSON integer, a string of 1 to 19 ASCII digits, or an integral float below 2^53 (what
    some producers make of an integer). Raises `PydanticCustomError` (a ValueError) for all else.
    """
    kind = type(value)
    if kind is str:
        if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            raise PydanticCustomError(
                "id_text", "an id is a string of 1 to 19 digits, without sign, point or space"
            )
        number = int(value)
    elif kind is int:
        number = value
    elif kind is float and value.is_integer() and abs(value) < MAX_EXACT:
        number = int(value)
    else:
        raise PydanticCustomError("id_type", "an id is a string of digits or a whole number")
    if not 1 <= number <= MAX_ID:
        raise PydanticCustomError("id_range", "an id lies between 1 and 9223372036854775807")
    return number


def read_sent_id(value: Any) -> int:
    """An id in an event that the worker sends: always a string of digits."""
    if type(value) is not str:
        raise PydanticCustomError("id_type", "an id travels as a string of digits")
    return read_id(value)


def read_time(value: Any) -> datetime:
    """A moment in UTC, from a strict RFC 3339 string of the years 2000 to 2200 (in UTC).

    A zone is required; `T`, `t` or a space separates; digits after the sixth of a fraction are cut
    off (microseconds). Python code may also hand over an aware datetime of that range. Raises
    `PydanticCustomError` (a ValueError) for all else, numbers included.
    """
    if type(value) is str and _is_time(value):
        try:
            moment = datetime.fromisoformat(value[:-1] + "Z" if value[-1] == "z" else value)
        except ValueError:
            raise PydanticCustomError("time_date", "there is no such day in the calendar") from None
    elif isinstance(value, datetime) and value.utcoffset() is not None:
        moment = value
    else:
        raise _not_a_time(value)
    # A time in year 1 with zone +14:00 has no UTC equivalent: convert only what is near the range.
    if moment.tzinfo is not UTC and FIRST_YEAR - 1 <= moment.year <= LAST_YEAR + 1:
        moment = moment.astimezone(UTC)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise PydanticCustomError("time_range", "a time lies within the years 2000 to 2200 (UTC)")
    return moment


def write_time(moment: datetime) -> str:
    """A moment as the worker sends it: RFC 3339 in UTC with `Z`, microseconds where it has any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _not_a_time(value: Any) -> PydanticCustomError:
    """Why a value is not a time, in the words that help its producer most."""
    if type(value) is not str and not isinstance(value, datetime):
        return PydanticCustomError(
            "time_type", "a time is an RFC 3339 string such as 2026-11-20T08:00:00Z, never a number"
        )
    if isinstance(value, datetime) or _lacks_zone(value):
        return PydanticCustomError(
            "time_zone", "the time has no zone: end it with Z or an offset such as +08:00"
        )
    if _is_date(value):
        return PydanticCustomError(
            "time_date_only", "this is a date: send a time with a zone, as 2026-11-20T08:00:00Z"
        )
    if _is_leap_second(value):
        return PydanticCustomError(
            "time_leap_second", "second 60 (a leap second) is not accepted: send second 59"
        )
    return PydanticCustomError(
        "time_format", "a time is an RFC 3339 string with a zone, such as 2026-11-20T08:00:00Z"
    )


def _storable(value: str) -> str:
    """The text itself, if PostgreSQL can hold it."""
    if "\0" in value:
        raise PydanticCustomError("text_nul", "text holds a NUL character: leave it out")
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError(
            "text_surrogate", "text holds half of a surrogate pair: send whole characters"
        ) from None
    return value


_ID_TEXT = {"type": "string", "pattern": ID_PATTERN}

Id = Annotated[
    int,
    PlainValidator(read_id),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [_ID_TEXT, {"type": "integer", "minimum": 1, "maximum": MAX_ID}]}),
]
"""An id in an event that others send: text or number on the way in, an int here, text in JSON."""

SentId = Annotated[
    int,
    PlainValidator(read_sent_id),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(_ID_TEXT),
]
"""An id in an event that the worker sends: text in JSON, an int here."""

TIME_SCHEMA = {"type": "string", "format": "date-time", "pattern": TIME_PATTERN}

AS_TIME = PlainSerializer(write_time, return_type=str, when_used="json")

Time = Annotated[datetime, PlainValidator(read_time), AS_TIME, WithJsonSchema(TIME_SCHEMA)]
"""A moment: an RFC 3339 string with a zone in JSON, an aware UTC datetime here."""

_STORABLE = Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})

Text = Annotated[str, AfterValidator(_storable), _STORABLE]
"""Text that PostgreSQL can hold: no NUL character, no half of a surrogate pair."""

ShortText = Annotated[str, Field(max_length=200), AfterValidator(_storable), _STORABLE]
"""The same, of at most 200 characters."""
