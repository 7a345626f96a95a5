"""What the outbox holds of partitions just fenced, published before anything new of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from job_trigger_worker.domain.record import Claim
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger, outbox

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class CatchUpResult:
    """A partition whose outbox is empty; `rows` had been left in it."""

    claim: Claim
    rows: int


class OutboxCatchUp:
    """Publishes a page at a time, oldest rows first, so that work may go on between two.

    Nobody else writes to the outbox of a fenced partition, so what is counted when it is added is
    all that there is. Rows of partitions that no longer exist (`orphans`) are released behind it.
    """

    def __init__(self, session: Session, relay: Relay) -> None:
        self._session = session
        self._relay = relay
        self._left: dict[int, int] = {}
        self._published: Counter[int] = Counter()
        self._claims: dict[int, Claim] = {}
        self._orphans: set[int] = set()

    @property
    def partitions(self) -> set[int]:
        """Partitions that are being caught up, and will be ours."""
        return {
            claim.partition
            for ledger_id, claim in self._claims.items()
            if ledger_id not in self._orphans
        }

    @property
    def claims(self) -> Collection[Claim]:
        """What is being caught up, of partitions that are gone, too."""
        return self._claims.values()

    def add(self, claims: Iterable[Claim], *, are_orphans: bool = False) -> None:
        """Catch these up; fenced by transactions that are committed.

        What this process knows to be acknowledged is deleted first where nobody has it locked, and
        not published again.
        """
        added = {claim.ledger_id: claim for claim in claims}
        if not added:
            return
        self._relay.settle(added.values())
        with self._session.transaction() as connection:
            known = [row.id for row in self._relay.acknowledged]
            waiting = outbox.waiting(connection, added, but=known)
        self._claims |= added
        self._left |= {each: waiting[each][0] if each in waiting else 0 for each in added}
        if are_orphans:
            self._orphans |= added.keys()

    def step(self, tick: Callable[[], None]) -> list[CatchUpResult]:
        """Publish one page, where anything is left; returns the partitions that are through.

        Raises what the relay does.
        """
        behind = [claim for each, claim in self._claims.items() if self._left[each] > 0]
        if behind:
            self._relay.finish(tick)
            published = self._relay.catch_up(behind, tick)
            self._published += published
            for claim in behind:
                if published:
                    self._left[claim.ledger_id] -= published[claim.ledger_id]
                else:  # a page holds a row as long as there is any
                    self._left[claim.ledger_id] = 0
        if self._orphans:  # no batch deletes what of theirs was locked
            self._relay.settle(self._claims[each] for each in self._orphans)
        return self._through()

    def drop(self, partitions: Collection[int]) -> None:
        """Forget partitions that are no longer ours to take."""
        for ledger_id, claim in list(self._claims.items()):
            if claim.partition in partitions and ledger_id not in self._orphans:
                self._forget(ledger_id)

    def clear(self) -> None:
        """Forget everything: it is begun anew, from the fence on."""
        for ledger_id in list(self._claims):
            self._forget(ledger_id)

    def _through(self) -> list[CatchUpResult]:
        kept = self._orphans & {row.ledger_id for row in self._relay.acknowledged}
        done = [c for each, c in self._claims.items() if self._left[each] <= 0 and each not in kept]
        orphans = [claim for claim in done if claim.ledger_id in self._orphans]
        if orphans:
            with self._session.transaction() as connection:
                ledger.release(connection, orphans)
        found = [
            CatchUpResult(claim, self._published[claim.ledger_id])
            for claim in done
            if claim.ledger_id not in self._orphans
        ]
        for claim in done:
            self._forget(claim.ledger_id)
        return found

    def _forget(self, ledger_id: int) -> None:
        del self._claims[ledger_id], self._left[ledger_id]
        self._published.pop(ledger_id, None)
        self._orphans.discard(ledger_id)
