"""What every list says beside its rows."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from job_trigger_worker.console.shared.models.values import Answer, Moment

ROWS: Any = Field(validation_alias=AliasChoices("rows", "items"))
"""What pages of the read service call `rows`, and answers `items`."""


class Window(Answer):
    """How far a bounded search has looked, where no index serves a filter."""

    read: int = Field(description="Rows that were looked at.", examples=[10000])
    since: Moment | None = Field(description="The time of the oldest of them, where it has one.")
    is_complete: bool = Field(description="False: there is more behind it; `next` leads there.")


class Listed(Answer):
    """A page of a list.

    Pages with a `window` may hold fewer items than asked for, even none, and still have a `next`.
    """

    next: str | None = Field(
        description="Give it as `after` for the page that follows; null on the last page.",
        examples=["WyJyZWNvcmRzIix7ImlkIjo0MX1d"],
    )
    window: Window | None = Field(default=None, description="Set where the search was bounded.")
