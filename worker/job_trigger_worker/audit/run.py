"""One audit from beginning to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Engine

from job_trigger_worker.audit.deep import DeepAudit, DeepResult, Progress
from job_trigger_worker.audit.equations import Line, equations, letters_line
from job_trigger_worker.audit.findings import NameSource, deep_lines
from job_trigger_worker.audit.unread import TopicUnread, ask, cannot_be_asked, gone, unread_lines
from job_trigger_worker.config import Settings
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import make_engine
from job_trigger_worker.storage.read import audit, deep_audit
from job_trigger_worker.storage.read.audit import LedgerRow, LostRange, OpenLetters
from job_trigger_worker.storage.write import acknowledgements, ledger, replay_notes
from job_trigger_worker.storage.write.acknowledgements import Acknowledgement, Kind, NeedsNoWord

MAX_WAIT_S = 300
"""How long a trigger may wait to be read, in seconds, unless somebody says otherwise."""

MOST_SHOWN = 20
"""How many acknowledgements are shown, the newest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person accepts, by name and with a reason; of letters, perhaps only some."""

    kind: Kind
    by: str
    reason: str
    letters: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    `unread` is None where the brokers were not asked, `deep` where the topics were not read.
    `acknowledgements` are the newest, newest first; `accepted` of them were made just now.
    `not_open` are dead letters that were named to be accepted and waited for nobody's word.
    """

    rows: tuple[LedgerRow, ...]
    lines: tuple[Line, ...]
    unread: tuple[TopicUnread, ...] | None
    deep: DeepResult | None
    offences: dict[str, Any]
    letters: OpenLetters
    acknowledgements: tuple[Acknowledgement, ...]
    accepted: int
    not_open: Mapping[int, NeedsNoWord]

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
    words: Sequence[Verdict] = (),
    progress: Progress,
) -> Audit:
    """Write down what a person accepts, if anything, then prove that the count closes.

    `is_offline` asks the tables alone; then nobody knows what waits on the topics. Changes nothing
    else. Raises `TriggerWorkerError` where it cannot be done, and for a letter that is none.
    """
    kafka = KafkaSettings.of(settings)
    engine = make_engine(settings)
    deep: DeepResult | None = None
    unread: tuple[TopicUnread, ...] | None = None
    if not is_offline:
        _check_access(kafka)
    accepted, not_open = _accept(engine, None if is_offline else kafka, words) if words else (0, {})
    with errors.translate_read_errors(), engine.connect() as fresh:
        connection = fresh.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            audit.raise_statement_timeout(connection)
            if is_deep:
                replay_notes.check_right(connection)
                deep_audit.prepare(connection)
        inspector = DeepAudit(connection, kafka, settings.consumer_group, progress)
        with connection.begin():
            rows = audit.ledger_rows(connection)
            letters = audit.open_letters(connection)
            if is_deep:
                inspector.note_outbox()
        if not is_offline:
            unread = ask(kafka, settings.consumer_group, rows)
            rows = _with(gone(unread, rows), rows)
        if is_deep:
            deep = inspector.run(rows, _deleting(words))
            accepted += deep.accepted
        with connection.begin():
            shown = acknowledgements.newest(connection, max(MOST_SHOWN, accepted))
    lines = (*equations(rows), letters_line(letters))
    if unread is not None:
        lines += unread_lines(unread, max_wait_s)
    offences: dict[str, Any] = {}
    if deep is not None:
        names = NameSource(kafka.topics, rows)
        lines += deep_lines(deep, names)
        offences = {
            each.kind: {"total": each.total, "first": [names.of(one) for one in each.first]}
            for each in deep.offences
        }
    return Audit(
        *(tuple(rows), lines, unread, deep, offences, letters, tuple(shown)),
        accepted=accepted,
        not_open=not_open,
    )


def _accept(
    engine: Engine, kafka: KafkaSettings | None, words: Sequence[Verdict]
) -> tuple[int, Mapping[int, NeedsNoWord]]:
    """Write down each word; what is lost with a topic that is gone is noted first.

    How many rows tell of it, and which of the letters that were named are not open.
    """
    named = [letter for word in words for letter in word.letters or ()]
    ids = _topic_ids(kafka) if kafka and any(word.kind is Kind.LOST for word in words) else {}
    with errors.translate_write_errors(), engine.begin() as connection:
        audit.raise_statement_timeout(connection)
        not_open = acknowledgements.not_open(connection, named) if named else {}
        _refuse_missing(not_open)
        for topic, topic_id in ids.items():
            ledger.lose_replaced(connection, topic, topic_id)
        accepted = sum(
            acknowledgements.acknowledge(
                connection,
                word.kind,
                by=word.by,
                reason=word.reason,
                triggers=audit.TRIGGERS,
                letters=word.letters,
            )
            for word in words
        )
    return accepted, not_open


def _refuse_missing(not_open: Mapping[int, NeedsNoWord]) -> None:
    missing = [str(each) for each, why in not_open.items() if why is NeedsNoWord.MISSING]
    if missing:
        raise FatalError(
            f"There is no dead letter {', '.join(missing)}. Nothing was acknowledged.",
            remedy="`trigger-worker dlq list --all` names them.",
        )


def _deleting(words: Sequence[Verdict]) -> list[tuple[str, str]]:
    return [(word.by, word.reason) for word in words if word.kind is Kind.DELETED]


def _topic_ids(kafka: KafkaSettings) -> dict[str, str | None]:
    with TopicIds(kafka) as topic_ids:
        found = {topic: topic_ids.describe(topic) for topic in kafka.topics.consumed()}
    return {topic: each.topic_id if each else None for topic, each in found.items()}


def _with(lost: Sequence[LostRange], rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    by_place = {(each.topic, each.topic_id, each.partition): each for each in lost}
    return [
        replace(row, lost=(*row.lost, by_place[place]))
        if (place := (row.topic or "", row.topic_id, row.partition)) in by_place
        else row
        for row in rows
    ]


def _check_access(kafka: KafkaSettings) -> None:
    try:
        connectivity.check(kafka)
    except Transient as away:
        raise cannot_be_asked(away) from away
