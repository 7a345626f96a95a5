"""Ids on the command line: one type for all commands, held to the same rule as in an event."""

from __future__ import annotations

import click

from job_trigger_schemas.fields import MAX_ID, read_id
from job_trigger_worker.domain.messages import shown
from job_trigger_worker.errors import UsageError

_RANGE = f"Give a whole number from 1 to {MAX_ID}"


class Id(click.ParamType):
    """A number from 1 to 2^63-1, in ASCII digits.

    `what` is what a value is not, `found_by` where ids can be looked up. Raises `UsageError`.
    """

    name = "id"

    def __init__(self, what: str, *, found_by: str = "") -> None:
        self._what = what
        self._remedy = f"{_RANGE}; {found_by}." if found_by else f"{_RANGE}."

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The id as a number."""
        try:
            return read_id(value)
        except ValueError:
            problem = f"'{shown(value)}' is not a {self._what}."
            raise UsageError(problem, remedy=self._remedy) from None


JOB_ID = Id("job id")
LETTER_ID = Id("dead letter id", found_by="`trigger-worker dlq list --all` names them")
