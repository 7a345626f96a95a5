"""From what a topic holds to the identities that the deep audit compares, in lines for COPY.

The way of a hundred million messages: what is usual is read without making an object of it, and
nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
from confluent_kafka import Message

from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import EventKind, Trigger, Uuid, event_id
from job_trigger_worker.kafka.message import delivery, has_headers
from job_trigger_worker.pipeline.decode import NEVER_EARLY, decode, usual_identity
from job_trigger_worker.pipeline.sources import Connect, read_sources
from job_trigger_worker.storage.read.deep_audit import event_line, trigger_line

_FAILURES = 2
"""Place of the failure topic among those of the outcomes."""

_UUID = rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_usual_ids = re.compile(rb'\{"event_id":"' + _UUID + rb'","execution_id":"' + _UUID + rb'",').match
"""How our own events begin."""


class TriggerIdentities:
    """Says what each message of the trigger topic has as its key, as the worker does.

    What was sent before `judged_from_ms` (milliseconds since 1970) is left out: its record may have
    been deleted.
    """

    def __init__(self, claims: Mapping[int, Claim], connect: Connect, judged_from_ms: int) -> None:
        self._claims = claims
        self._judged_from_ms = judged_from_ms
        self._connect = connect
        self._ledger_ids = {partition: claim.ledger_id for partition, claim in claims.items()}
        self._now = datetime.now(UTC)  # a slot of what cannot be used; no key depends on it

    def lines(self, batch: Sequence[Message]) -> list[str]:
        """A line for each message that is judged."""
        if self._judged_from_ms:
            batch = [each for each in batch if each.timestamp()[1] >= self._judged_from_ms]
        lines = []
        unusual = []
        ledger_ids = self._ledger_ids
        for message in batch:
            body = message.value()
            usual = None
            if body is not None and not has_headers(message):
                usual = usual_identity(body)
            if usual is None:
                unusual.append(message)
            else:
                job_id, key = usual
                lines.append(
                    trigger_line(ledger_ids[message.partition()], message.offset(), job_id, key)  # type: ignore[index, arg-type]
                )
        if unusual:
            lines += self._unusual(unusual)
        return lines

    def _unusual(self, batch: Sequence[Message]) -> list[str]:
        deliveries = list(map(delivery, batch))
        lines = []
        for each, source in zip(deliveries, read_sources(deliveries, self._connect), strict=True):
            claim = self._claims[each.partition]
            found = decode(each, claim, self._now, NEVER_EARLY, source)
            job_id, key = (
                (found.job_id, found.idempotency_key)
                if isinstance(found, Trigger)
                else (None, None)
            )
            lines.append(trigger_line(claim.ledger_id, each.offset, job_id, key))
        return lines


def event_lines(
    place: int, batch: Sequence[Message], unjudged: Sequence[tuple[int, int]]
) -> list[str]:
    """A line for each message of an outgoing topic (`place` as in `Topics.outcomes`).

    What was sent within one of these times (in milliseconds since 1970, the second one excluded)
    need not have its record any more.
    """
    kind = EventKind.FAILURE if place == _FAILURES else EventKind.DISPATCH
    lines = []
    for message in batch:
        value = message.value()
        usual = _usual_ids(value) if value is not None else None
        if usual is not None:
            own_id: Uuid | None = usual[1].decode()
            execution_id: Uuid | None = usual[2].decode()
        else:
            execution_id, own_id = outcome_ids(value)
        is_own = execution_id is not None and own_id == event_id(execution_id, kind)
        lines.append(
            event_line(
                place,
                message.partition(),  # type: ignore[arg-type]  # a message without an error
                message.offset(),  # type: ignore[arg-type]
                execution_id,
                None if is_own else own_id,
                is_own,
                bool(unjudged) and _is_within(message.timestamp()[1], unjudged),
            )
        )
    return lines


def _is_within(sent_ms: int, times: Sequence[tuple[int, int]]) -> bool:
    return any(since <= sent_ms < until for since, until in times)


def outcome_ids(value: bytes | None) -> tuple[Uuid | None, Uuid | None]:
    """Execution and event id of an outcome event; None where it names none."""
    try:
        body = orjson.loads(value)  # type: ignore[arg-type]  # None is refused like any nonsense
        execution_id = str(UUID(body["execution_id"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, None
    try:
        return execution_id, str(UUID(body["event_id"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return execution_id, None
