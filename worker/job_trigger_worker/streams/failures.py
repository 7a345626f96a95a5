"""A failure event, reduced to what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from pydantic import ValidationError

from job_trigger_schemas import FailureFinding, TriggerFailure, explain
from job_trigger_worker.domain import messages

MOST_CAUSES = 20
"""Causes of one event that are counted, its first ones: one job may name a thousand servers."""

_LONGEST_NAME = 200
_LONGEST_MESSAGE = 300


class Unreadable(ValueError):
    """The bytes are no `TriggerFailure`; the words say why."""


class Cause(NamedTuple):
    """A root of the failure: its key, its code and a sentence that names it."""

    key: str
    code: str
    message: str


class CountedFailure(NamedTuple):
    """One failed trigger. `failed_s` is the event's `failed_at` in seconds since 1970."""

    job_id: str
    failed_s: float
    code: str
    causes: tuple[Cause, ...]


def read(value: bytes | None) -> CountedFailure:
    """The failure in a message's body; raises `Unreadable`."""
    if value is None:
        raise Unreadable("it has no body")
    try:
        event = TriggerFailure.model_validate_json(value)
    except ValidationError as error:
        raise Unreadable(explain(error)) from None
    return CountedFailure(
        job_id=str(event.job_id),
        failed_s=event.failed_at.timestamp(),
        code=event.code[:_LONGEST_NAME],
        causes=tuple(_causes(event)),
    )


def _causes(event: TriggerFailure) -> Iterator[Cause]:
    code, _, root = event.cause.partition(":")
    message = _message(event.findings, code, root) or event.message
    yield _cause(event.cause, event.code, message)
    others = [key for key in dict.fromkeys(event.causes[:MOST_CAUSES]) if key != event.cause]
    for key in others[: MOST_CAUSES - 1]:
        code, _, root = key.partition(":")
        yield _cause(key, code, _message(event.findings, code, root) or key)


def _cause(key: str, code: str, message: str) -> Cause:
    return Cause(key[:_LONGEST_NAME], code[:_LONGEST_NAME], message[:_LONGEST_MESSAGE])


def _message(findings: list[FailureFinding], code: str, root: str) -> str | None:
    """The sentence of that root (`server=9,account=deploy`), from the first finding about it.

    Findings and causes are no pairs: a server that is gone is two findings in a workflow with two
    nodes, and one cause.
    """
    named = {unquote(part.partition("=")[2]) for part in root.split(",")}
    for finding in findings:
        if finding.code == code and named <= _named(finding):
            return messages.of_cause(dict(finding))
    return None


def _named(finding: FailureFinding) -> set[str]:
    """What a finding names; a node is not the root of anything."""
    return {str(value) for name, value in finding if name != "node_id"}
