"""What is wrong with a field of a request, in words that are translated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from job_trigger_worker.console.shared.texts import Words, gettext_noop

_ID = gettext_noop("An id is a whole number, such as 17.")
_TIME = gettext_noop(
    "A time has a zone, as in 2026-11-23T08:00:00Z; in an address + is written %%2B."
)
_ONE_OF = gettext_noop("Choose one of: %(expected)s.")
_NUMBER = gettext_noop("This must be a whole number.")
_LONG = gettext_noop("This may have at most %(max_length)s characters.")
_SHORT = gettext_noop("This is empty, or too short.")
_INVISIBLE = gettext_noop("Use fewer characters, all of them visible.")
_TEXTS: Mapping[str, str] = {
    "missing": gettext_noop("This is missing."),
    "extra_forbidden": gettext_noop("There is no field of this name. Is it misspelled?"),
    "repeated": gettext_noop("Give this only once."),
    "cursor": gettext_noop(
        "This is not a `next` of this list with these filters: start without it."
    ),
    "too_many_steps": gettext_noop("This makes more than %(most)s steps: use longer ones."),
    "not_after": gettext_noop("This must be later than `since`."),
    "id_type": _ID,
    "id_range": _ID,
    "id_text": _ID,
    "time_type": _TIME,
    "time_zone": _TIME,
    "time_date_only": _TIME,
    "time_date": _TIME,
    "time_format": _TIME,
    "time_leap_second": _TIME,
    "time_range": gettext_noop("A time must lie in the years 2000 to 2200."),
    "text_nul": _INVISIBLE,
    "text_surrogate": _INVISIBLE,
    "enum": _ONE_OF,
    "literal_error": _ONE_OF,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing_size": _NUMBER,
    "bool_type": gettext_noop("This must be true or false."),
    "bool_parsing": gettext_noop("This must be true or false."),
    "uuid_type": gettext_noop("This id has 32 hexadecimal digits."),
    "uuid_parsing": gettext_noop("This id has 32 hexadecimal digits."),
    "string_type": gettext_noop("This must be text."),
    "string_too_long": _LONG,
    "string_too_short": _SHORT,
    "too_long": _LONG,
    "too_short": _SHORT,
    "string_pattern_mismatch": _INVISIBLE,
    "greater_than_equal": gettext_noop("This must be at least %(ge)s."),
    "less_than_equal": gettext_noop("This must be at most %(le)s."),
}


def fault(name: str, kind: str, **values: object) -> dict[str, Any]:
    """A fault of a field, of one of the kinds above."""
    return {"name": name, "message": _TEXTS[kind], "values": values}


def of_pydantic(error: Mapping[str, Any]) -> dict[str, Any]:
    """A fault from pydantic's; in its own words where we have none."""
    place = [str(part) for part in error["loc"][1:]]
    message = _TEXTS.get(error["type"])
    if message is None:
        return {"name": ".".join(place), "message": str(error["msg"])}
    return {"name": ".".join(place), "message": message, "values": dict(error.get("ctx") or {})}


def sentence_of(found: Mapping[str, Any], words: Words) -> dict[str, str]:
    """A fault in a language: `name` and `message`."""
    text = found["message"]
    translated = words.gettext(text)
    if "values" in found:
        translated %= found["values"]
    return {"name": found["name"], "message": translated}
