"""From the outbox to the brokers: publish what is committed, then forget it (promises 2 and 3)."""

from __future__ import annotations

from collections import Counter as CountOf
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import orjson
from sqlalchemy import Connection

from job_trigger_worker.config import Language
from job_trigger_worker.domain import messages
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.record import Claim, OutboxRow, Tally
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import FatalError, Locked, Transient
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline.events import FailedDispatch, shorten, size
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger, outbox, records

log = logger(__name__)

_PAGE_ROWS = 64
_PAGE_BYTES = 4 * 1024 * 1024


class Publisher(Protocol):
    """Sends a set of events in order and waits for all; what it raises has the set forgotten."""

    def send(self, events: Sequence[Event], tick: Callable[[], None]) -> None:
        """Hand a set over; `tick` runs while the queue is full."""

    def wait(self, tick: Callable[[], None]) -> list[Event]:
        """Wait for the set, and return what is too large for the broker; `tick` may end it."""

    def abandon(self) -> None:
        """Forget the set: whether it arrives is not known."""


class _Reused(Exception):
    """A row to be deleted is another partition's: the database went back, and counts again."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Rows that were sent and are not known to have arrived, with the claims of that moment."""

    rows: Sequence[OutboxRow]
    claims: dict[int, Claim]
    on_acknowledged: Callable[[], None]


class Relay:
    """Publishes outbox rows and remembers what is acknowledged until it is deleted.

    One set of rows is under way at a time, between `send` and `finish`; the next batch is written
    meanwhile. Rows are deleted in the first batch's transaction that finds them `acknowledged`, or
    by `settle` when none comes; what they held is forgotten until then. Nobody waits for one that
    somebody has locked: it is remembered until it can be deleted, and not published again. A crash
    between publish and delete publishes again under the same `event_id`.
    """

    def __init__(
        self, session: Session, publisher: Publisher, topics: Topics, language: Language
    ) -> None:
        self._session = session
        self._publisher = publisher
        self._topics = topics
        self._language = language
        self.acknowledged: list[OutboxRow] = []
        self._locked: set[int] = set()
        self._under_way: _UnderWay | None = None
        self._is_waiting = False

    @property
    def is_under_way(self) -> bool:
        """True between `send` and the end of `finish`."""
        return self._under_way is not None

    def send(
        self,
        rows: Sequence[OutboxRow],
        claims: Iterable[Claim],
        tick: Callable[[], None],
        on_acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Send rows, in order, when nothing else is under way; `finish` waits for them."""
        if self._under_way is not None:
            raise RuntimeError("finish what is under way first")
        by_ledger = {claim.ledger_id: claim for claim in claims}
        self._publisher.send([event for row in rows for event in row.events], tick)
        self._under_way = _UnderWay(rows, by_ledger, on_acknowledged)

    def finish(self, tick: Callable[[], None]) -> None:
        """Wait for what is under way: when it returns, every event of it is acknowledged.

        When it raises, the rows are no longer under way here; the outbox has them, and whoever
        takes their partitions next publishes them. Inside of `tick` it does nothing.
        """
        if self._under_way is None or self._is_waiting:
            return
        rows, claims = self._under_way.rows, self._under_way.claims
        on_acknowledged = self._under_way.on_acknowledged
        self._is_waiting = True
        try:
            refused = self._publisher.wait(tick)
            while refused:
                rows, shorter = self._shorten(rows, refused, claims)
                self._publisher.send(shorter, tick)
                refused = self._publisher.wait(tick)
        except Locked as error:  # their partitions have to be taken again all the same
            raise Transient(error.message) from error
        finally:
            self._is_waiting = False
            self._under_way = None
        self.acknowledged.extend(replace(row, events=()) for row in rows)
        on_acknowledged()

    def abandon(self) -> bool:
        """Forget what is under way, without waiting; whether there was anything."""
        if self._under_way is None or self._is_waiting:
            return False
        self._publisher.abandon()
        self._under_way = None
        return True

    def catch_up(self, claims: Collection[Claim], tick: Callable[[], None]) -> CountOf[int]:
        """Publish and delete the oldest rows that the outbox holds for partitions just taken.

        A page of them, without what is known to be acknowledged, when nothing else is under way;
        returns how many of each, by ledger id.
        """
        known = [row.id for row in self.acknowledged]
        with self._session.transaction() as connection:
            ids = [claim.ledger_id for claim in claims]
            rows = outbox.page(connection, ids, rows=_PAGE_ROWS, most_bytes=_PAGE_BYTES, but=known)
        if rows:
            self.send(rows, claims, tick)
            self.finish(tick)
            self.settle(claims)
        return CountOf(row.ledger_id for row in rows)

    def settle(self, claims: Iterable[Claim]) -> None:
        """Delete what is acknowledged of these partitions, in a transaction of its own.

        Without rows that somebody has locked. Raises `Fenced` when one of the partitions has
        another owner.
        """
        by_ledger = {claim.ledger_id: claim for claim in claims}
        rows = [row for row in self.acknowledged if row.ledger_id in by_ledger]
        if not rows:
            return
        left: Mapping[int, str] = {}
        try:
            with self._session.transaction() as connection:
                left = self._delete(connection, rows, by_ledger)
        except _Reused:
            log.warning(
                "outbox_ids_reused",
                message=(
                    "the database has forgotten rows that were sent, and has given their ids "
                    "to others: nothing of theirs is deleted"
                ),
            )
        self.forget(rows, left)

    def _delete(
        self, connection: Connection, rows: Sequence[OutboxRow], claims: dict[int, Claim]
    ) -> Mapping[int, str]:
        published, left = outbox.delete(connection, rows)
        ids = {row.ledger_id for row in rows if row.id not in left}
        tallies = {each: Tally(claims[each].last_offset) for each in ids}
        for ledger_id, outcomes in published.items():
            if ledger_id not in tallies:
                raise _Reused
            tallies[ledger_id].published += outcomes
        if tallies:
            ledger.advance(connection, claims, tallies)
        return left

    def forget(
        self, rows: Iterable[OutboxRow], left: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """Stop remembering rows: they are deleted, or no longer ours to delete.

        But for those that are `left`, by id, with who has them locked.
        """
        gone = {row.id for row in rows} - left.keys()
        self.acknowledged = [row for row in self.acknowledged if row.id not in gone]
        self._locked -= gone
        new = sorted(left.keys() - self._locked)
        if new:
            self._locked.update(new)
            log.warning(
                "outbox_locked",
                rows=len(new),
                row=new[0],
                holder=left[new[0]],
                message="what they hold is sent; they are deleted once nobody has them locked",
            )

    def _shorten(
        self, rows: Sequence[OutboxRow], refused: Sequence[Event], claims: dict[int, Claim]
    ) -> tuple[list[OutboxRow], list[Event]]:
        """Write shorter events in place of those refused; the rows as they are now, and the events.

        A dispatch becomes a `parameter_invalid` failure, and its record says so too (design 3).
        """
        shorter = {id(event): shorten(event, self._topics, self._language) for event in refused}
        for event in refused:
            if size(shorter[id(event)].event) >= size(event):
                raise FatalError(
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
                "event_shortened", topic=change.event.topic, bytes=len(change.event.value or b"")
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
