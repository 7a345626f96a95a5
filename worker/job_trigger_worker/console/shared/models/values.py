"""Values that travel: ids as strings of digits, times in UTC, JSON with its ids as strings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from job_trigger_schemas.fields import AS_TIME

_DEEPEST = 60


class Answer(BaseModel):
    """Part of an answer, made from what the read service returns, or from `Beside`.

    `Answer.model_validate(row)` takes attributes by the names of the fields, those of rows inside
    of rows too.
    """

    model_config = ConfigDict(from_attributes=True)


class Beside:
    """Several things read as one: an attribute is that of the first that has it."""

    def __init__(self, *things: object, **attributes: object) -> None:
        self.__dict__.update(attributes)
        self._things = things

    def __getattr__(self, name: str) -> Any:
        for thing in self._things:
            if hasattr(thing, name):
                return getattr(thing, name)
        raise AttributeError(name)


def _text(value: Any) -> Any:
    """Whole numbers and UUIDs as they travel."""
    is_id = isinstance(value, int | UUID) and not isinstance(value, bool)
    return str(value) if is_id else value


Id: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema({"type": "string", "pattern": "^-?[0-9]{1,19}$", "examples": ["17"]}),
]
Moment: TypeAlias = Annotated[
    datetime,
    AS_TIME,
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T08:00:00Z"]}),
]
Uuid: TypeAlias = Annotated[
    str,
    BeforeValidator(_text),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uuid",
            "examples": ["6f2b7d1c-55d4-5a0e-9d0b-3c1f0f7a9e21"],
        }
    ),
]


class TooDeep(ValueError):
    """A value is nested deeper than an answer can hold."""


def plain(value: Any, name: str = "", depth: int = 0) -> Any:
    """A stored JSON value that any reader can take: numbers under the names of ids as strings.

    Half a character becomes `?`, what is nested deeper than sixty levels `…`.
    """
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {_whole(str(key)): plain(each, str(key), depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, name, depth + 1) for each in value]
    if isinstance(value, str):
        return _whole(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and (name == "id" or name.endswith("_id")) else value


def whole(value: Any, depth: int = 0) -> Any:
    """A job's own parameter, with every number as it stands.

    Half a character becomes `?`. Raises `TooDeep` for more than sixty levels.
    """
    if depth > _DEEPEST:
        raise TooDeep
    if isinstance(value, dict):
        return {_whole(key): whole(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each, depth + 1) for each in value]
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
