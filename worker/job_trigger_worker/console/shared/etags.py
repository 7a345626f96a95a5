"""`ETag` and `If-Match` of a job: its version in quotes (RFC 9110)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Response

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description='The job\'s `ETag`, such as "3".'),
]
_ANY = "*"
_TAG = re.compile(r'"([0-9]{1,18})"')


def tag(response: Response, version: int) -> None:
    """Say which version an answer is of."""
    response.headers["ETag"] = f'"{version}"'


def named(if_match: str) -> tuple[int, ...] | None:
    """The versions that an If-Match names; None for `*`. A weak tag never matches (RFC 9110)."""
    if if_match.strip() == _ANY:
        return None
    tags = (_TAG.fullmatch(each.strip()) for each in if_match.split(","))
    return tuple(int(tag[1]) for tag in tags if tag)
