"""One audit from beginning to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.audit.deep import Deep, DeepAudit, Progress
from worker.audit.equations import Line, equations
from worker.audit.findings import Names, deep_lines
from worker.audit.unread import TopicUnread, ask, cannot_be_asked, unread_lines
from worker.config import Settings
from worker.errors import Transient
from worker.kafka import access
from worker.kafka.settings import KafkaSettings
from worker.storage import audit, errors, evidence
from worker.storage.audit import LedgerRow, LostRange
from worker.storage.engine import make_engine

MAX_WAIT_S = 300
"""How long a trigger may wait to be read, in seconds, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    `unread` is None where the brokers were not asked, `deep` where the topics were not read.
    """

    acknowledged: tuple[LostRange, ...]
    rows: tuple[LedgerRow, ...]
    lines: tuple[Line, ...]
    unread: tuple[TopicUnread, ...] | None
    deep: Deep | None
    offences: dict[str, Any]

    @property
    def closes(self) -> bool:
        """True when every line holds."""
        return all(line.holds for line in self.lines)


def run(
    settings: Settings,
    *,
    is_deep: bool = False,
    is_offline: bool = False,
    max_wait_s: float = MAX_WAIT_S,
    does_acknowledge: bool = False,
    progress: Progress,
) -> Audit:
    """Acknowledge what was lost if asked to, then prove that the count closes.

    `is_offline` asks the tables alone; then nobody knows what waits on the topics. Changes nothing
    else. Raises `TriggerWorkerError` where it cannot be done.
    """
    kafka = KafkaSettings.of(settings)
    engine = make_engine(settings)
    acknowledged: list[LostRange] = []
    deep: Deep | None = None
    unread: tuple[TopicUnread, ...] | None = None
    if not is_offline:
        _check_access(kafka)
    if does_acknowledge:
        with errors.writing(), engine.begin() as connection:
            acknowledged = audit.acknowledge_lost(connection)
    with errors.reading(), engine.connect() as fresh:
        connection = fresh.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            audit.be_patient(connection)
            if is_deep:
                evidence.prepare(connection)
        inspector = DeepAudit(connection, kafka, settings.group, progress)
        with connection.begin():
            rows = audit.ledger_rows(connection)
            if is_deep:
                inspector.note_outbox()
        if not is_offline:
            unread = ask(kafka, settings.group, rows)
        if is_deep:
            deep = inspector.run(rows)
    lines = equations(rows)
    if unread is not None:
        lines += unread_lines(unread, max_wait_s)
    offences: dict[str, Any] = {}
    if deep is not None:
        names = Names(kafka.topics, rows)
        lines += deep_lines(deep, names)
        offences = {
            each.kind: {"total": each.total, "first": [names.of(one) for one in each.first]}
            for each in deep.offences
        }
    return Audit(tuple(acknowledged), tuple(rows), lines, unread, deep, offences)


def _check_access(kafka: KafkaSettings) -> None:
    try:
        access.check(kafka)
    except Transient as away:
        raise cannot_be_asked(away) from away
