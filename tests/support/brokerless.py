"""The trigger topic's intake without a broker: deliveries in, and what stands in the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine, text

from job_trigger_worker.clock import Clock
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import BatchResult, Claim
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.pipeline.intake import Intake
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import ledger, outbox
from tests.support.intakes import make_intake

TOPICS = Topics.under("awp")
_EMPTY = text(
    "delete from awp_trigger_outbox; delete from awp_dead_letter; "
    "delete from awp_job_reprojection; delete from awp_job_execution; "
    "delete from awp_trigger_ledger; "
    "update awp_automcation_job set trigger_status = null, trigger_message = null, "
    "last_execution_id = null, last_scheduled_at = null, failing_since = null, "
    "consecutive_failures = 0"
)


@dataclass(frozen=True, slots=True)
class IntakeSession:
    """One worker's intake on its own session."""

    session: Session
    intake: Intake

    def take(self, partition: int, *, owner: str = "ours/1", topic_id: str = "id") -> Claim:
        """Become the owner of a partition."""
        with self.session.transaction() as connection:
            return ledger.take(
                connection,
                topic=TOPICS.triggers,
                topic_id=topic_id,
                owner=owner,
                log_starts={partition: 0},
            )[partition]

    def write(self, batch: Sequence[Delivery], claims: dict[int, Claim]) -> BatchResult:
        """Decide and commit a batch, all of it."""
        decided = self.intake.decide(batch, claims)
        assert not decided.rest, "the batch was cut"
        return self.intake.write(decided, claims, ())


class BrokerlessIntake:
    """A database, and takers that fill it; what a test looks at comes as dicts."""

    def __init__(self, database: str) -> None:
        self.engine: Engine = make_engine(Settings(database_url=SecretStr(database)))
        self._sessions: list[Session] = []

    def taker(
        self, make: Callable[[Engine], Session] = Session, *, clock: Clock | None = None
    ) -> IntakeSession:
        """Another worker, with a clock of its own."""
        session = make(self.engine)
        self._sessions.append(session)
        return IntakeSession(session, make_intake(session, TOPICS, clock=clock))

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Rows of a query."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def waiting(self, ledger_id: int) -> list[Event]:
        """Events in the outbox for a partition, in order."""
        with self.engine.begin() as connection:
            found = outbox.page(connection, [ledger_id], rows=10_000)
        return [event for row in found for event in row.events]

    def empty(self) -> None:
        """Forget every trigger; the platform stays."""
        with self.engine.begin() as connection:
            connection.execute(_EMPTY)

    def close(self) -> None:
        for session in self._sessions:
            session.close()
        self.engine.dispose()


@contextmanager
def feeding(database: str) -> Iterator[BrokerlessIntake]:
    """A feed, closed at the end."""
    feed = BrokerlessIntake(database)
    try:
        yield feed
    finally:
        feed.close()
