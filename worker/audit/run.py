"""One audit from beginning to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.audit.deep import Deep, DeepAudit, Progress
from worker.audit.equations import Line, equations
from worker.audit.findings import Names, deep_lines
from worker.config import Settings
from worker.kafka import access
from worker.kafka.settings import KafkaSettings
from worker.storage import audit, errors, evidence
from worker.storage.audit import LedgerRow, LostRange
from worker.storage.engine import make_engine


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `deep` is None where only the tables were asked."""

    acknowledged: tuple[LostRange, ...]
    rows: tuple[LedgerRow, ...]
    lines: tuple[Line, ...]
    deep: Deep | None
    offences: dict[str, Any]

    @property
    def closes(self) -> bool:
        """True when every line holds."""
        return all(line.holds for line in self.lines)


def run(settings: Settings, *, is_deep: bool, does_acknowledge: bool, progress: Progress) -> Audit:
    """Acknowledge what was lost if asked to, then prove that the count closes.

    Changes nothing else. Raises `TriggerWorkerError` where it cannot be done.
    """
    kafka = KafkaSettings.of(settings)
    engine = make_engine(settings)
    acknowledged: list[LostRange] = []
    deep: Deep | None = None
    if is_deep:
        access.check(kafka)
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
        if is_deep:
            deep = inspector.run(rows)
    lines = equations(rows)
    offences: dict[str, Any] = {}
    if deep is not None:
        names = Names(kafka.topics, rows)
        lines += deep_lines(deep, names)
        offences = {
            each.kind: {"total": each.total, "first": [names.of(one) for one in each.first]}
            for each in deep.offences
        }
    return Audit(tuple(acknowledged), tuple(rows), lines, deep, offences)
