"""What the product sends to the database and to the broker for a few batches, kept to be repeated.

The statements are not written down a second time: the product's own intake handles real batches on
a copy of the platform, and what passes through the driver is noted. So *limit* is always the limit
of the product as it is.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Delivery, Event
from job_trigger_worker.domain.record import Claim, OutboxRow
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.db.prepared_statements import PreparedStatement
from job_trigger_worker.storage.write import ledger
from tests.benchmarks.triggers import Sent
from tests.support.intakes import make_intake
from tests.support.postgres import PostgresServer
from tests.support.statements import preparing

BATCHES = 5
PARTITIONS = 6
LATENESS_S = 3600
PREFIX = "template"


class Statement(NamedTuple):
    """A prepared statement as the server is sent it."""

    name: str
    preparation: str
    call: str
    values: dict[str, Any]


class Template(NamedTuple):
    """One batch: its reads, its writes in their order, and its events."""

    reads: list[Statement]
    writes: list[Statement]
    events: tuple[Event, ...]


def write(server: PostgresServer, triggers: Sequence[Sent], size: int) -> list[Template]:
    """Templates of batches of `size`, each of one partition, with topics under `PREFIX`."""
    name = f"{server.template}_limit"
    settings = Settings(database_url=SecretStr(server.create(name)), topic_prefix=PREFIX)
    engine = make_engine(settings)
    try:
        return _note(engine, settings, _batches(triggers, size))
    finally:
        engine.dispose()
        server.drop(name)


def save(templates: list[Template], path: Path) -> None:
    """Keep templates for the process that repeats them."""
    path.write_bytes(pickle.dumps([tuple(template) for template in templates]))


def load(path: Path) -> list[Template]:
    """What `save` has kept."""
    return [Template(*each) for each in pickle.loads(path.read_bytes())]  # noqa: S301 - our own


def _batches(triggers: Sequence[Sent], size: int) -> list[list[Delivery]]:
    """Batches as they come from a backlog: all of one partition, in its order."""
    by_partition: list[list[Sent]] = [[] for _ in range(PARTITIONS)]
    for key, body in triggers:
        by_partition[int(key) % PARTITIONS].append((key, body))
    return [
        [Delivery(place, o, k, b, (), 1) for o, (k, b) in enumerate(by_partition[place][:size])]
        for place in range(BATCHES + 1)
    ]


def _note(engine: Engine, settings: Settings, batches: list[list[Delivery]]) -> list[Template]:
    topics = Topics.under(settings.topic_prefix)
    session = Session(engine)
    intake = make_intake(session, topics, default_max_lateness_s=LATENESS_S)
    templates: list[Template] = []
    acknowledged: Sequence[OutboxRow] = ()
    try:
        claims = [_take(session, topics.triggers, place) for place in range(len(batches))]
        everywhere = dict(enumerate(claims))
        for batch in batches:
            reads: list[Statement] = []
            writes: list[Statement] = []

            def note(
                said: PreparedStatement,
                values: dict[str, Any],
                reads: list[Statement] = reads,
                writes: list[Statement] = writes,
            ) -> None:
                kept = reads if said.statement.lstrip().startswith("select") else writes
                kept.append(Statement(said.name, said.preparation, said.call, values))

            with preparing(note):
                rows = intake.write(intake.decide(batch, everywhere), everywhere, acknowledged).rows
            events = tuple(event for row in rows for event in row.events)
            templates.append(Template(reads, writes, events))
            acknowledged = rows
    finally:
        session.close()
    return templates[1:]  # the first had nothing to delete


def _take(session: Session, topic: str, partition: int) -> Claim:
    with session.transaction() as connection:
        return ledger.take(
            connection,
            topic=topic,
            topic_id="template",
            owner="template/1",
            log_starts={partition: 0},
        )[partition]
