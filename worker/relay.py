"""From the outbox to the brokers: publish what is committed, then forget it (promises 2 and 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import orjson
from sqlalchemy import Connection

from worker.config import Language
from worker.domain import messages
from worker.domain.delivery import Event
from worker.domain.record import Claim, OutboxRow, Tally
from worker.domain.topics import Topics
from worker.errors import Stop
from worker.events import FailedDispatch, shorten, size
from worker.storage import ledger, outbox, records
from worker.storage.engine import Session

log = logging.getLogger(__name__)

_PAGE_ROWS = 8


class Publisher(Protocol):
    """Sends events in order, waits for all, and returns those too large for the broker."""

    def publish(self, events: Sequence[Event], tick: Callable[[], None]) -> list[Event]:
        """Send and wait; `tick` runs while waiting, and what it raises ends the wait."""


class Relay:
    """Publishes outbox rows and remembers what is acknowledged until it is deleted.

    Rows are deleted in the next batch's transaction (`acknowledged`), or by `settle` when none
    comes. A crash between publish and delete publishes again under the same `event_id`.
    """

    def __init__(
        self, session: Session, publisher: Publisher, topics: Topics, language: Language
    ) -> None:
        self._session = session
        self._publisher = publisher
        self._topics = topics
        self._language = language
        self.acknowledged: list[OutboxRow] = []

    def publish(
        self, rows: Sequence[OutboxRow], claims: Iterable[Claim], tick: Callable[[], None]
    ) -> None:
        """Publish rows, in order; at the return every event of them is acknowledged."""
        by_ledger = {claim.ledger_id: claim for claim in claims}
        events = [event for row in rows for event in row.events]
        refused = self._publisher.publish(events, tick)
        while refused:
            rows, shorter = self._shorten(rows, refused, by_ledger)
            refused = self._publisher.publish(shorter, tick)
        self.acknowledged.extend(rows)

    def catch_up(self, claim: Claim, tick: Callable[[], None]) -> int:
        """Publish what the outbox still holds for a partition just taken; returns how many rows.

        What this process knows to be acknowledged is deleted first, not published again.
        """
        self.settle([claim])
        count = 0
        while True:
            with self._session.transaction() as connection:
                rows = outbox.page(connection, claim.ledger_id, rows=_PAGE_ROWS)
            if not rows:
                return count
            self.publish(rows, [claim], tick)
            self.settle([claim])
            count += len(rows)
            tick()

    def settle(self, claims: Iterable[Claim]) -> None:
        """Delete what is acknowledged of these partitions, in a transaction of its own.

        Raises `Fenced` when one of them has another owner.
        """
        by_ledger = {claim.ledger_id: claim for claim in claims}
        rows = [row for row in self.acknowledged if row.ledger_id in by_ledger]
        if not rows:
            return
        with self._session.transaction() as connection:
            tallies = {row.ledger_id: Tally(by_ledger[row.ledger_id].last_offset) for row in rows}
            for ledger_id, outcomes in outbox.delete(connection, rows).items():
                tallies[ledger_id].published += outcomes
            ledger.advance(connection, by_ledger, tallies)
        self.forget(rows)

    def forget(self, rows: Sequence[OutboxRow]) -> None:
        """Stop remembering rows: they are deleted, or no longer ours to delete."""
        gone = {row.id for row in rows}
        self.acknowledged = [row for row in self.acknowledged if row.id not in gone]

    def _shorten(
        self, rows: Sequence[OutboxRow], refused: Sequence[Event], claims: dict[int, Claim]
    ) -> tuple[list[OutboxRow], list[Event]]:
        """Write shorter events in place of those refused; the rows as they are now, and the events.

        A dispatch becomes a `parameter_invalid` failure under the same `event_id`, and its record
        says so too (DESIGN section 4: outgoing sizes).
        """
        shorter = {id(event): shorten(event, self._topics, self._language) for event in refused}
        for event in refused:
            if size(shorter[id(event)].event) >= size(event):
                raise Stop(
                    f"{event.topic} refuses an event of {size(event)} bytes, and it cannot be made "
                    "smaller.",
                    remedy="Raise the topic's max.message.bytes; nothing is lost meanwhile.",
                )
        changed = []
        with self._session.transaction() as connection:
            for row in rows:
                events = tuple(
                    shorter[id(event)].event if id(event) in shorter else event
                    for event in row.events
                )
                changed.append(replace(row, events=events))
                if events != row.events:
                    outbox.replace(connection, changed[-1])
            for change in shorter.values():
                if change.failed is not None:
                    self._fail(connection, change.failed)
            tallies = {row.ledger_id: Tally(claims[row.ledger_id].last_offset) for row in rows}
            ledger.advance(connection, claims, tallies)
        for change in shorter.values():
            log.warning(
                "action=shortened topic=%s bytes=%d",
                change.event.topic,
                len(change.event.value or b""),
            )
        return changed, [change.event for change in shorter.values()]

    def _fail(self, connection: Connection, failed: FailedDispatch) -> None:
        rendered = messages.as_json(failed.finding, self._language)
        records.fail(
            connection,
            failed.execution_id,
            code=failed.finding.code,
            message=str(rendered["message"]),
            findings=orjson.dumps([rendered]).decode(),
            causes=[failed.finding.cause],
        )
