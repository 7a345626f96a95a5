"""Which triggers are to blame when the database refuses a batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.inventory import UnreadableRow
from job_trigger_worker.domain.record import Claim, DeadLetter, Record
from job_trigger_worker.domain.trigger import Trigger
from job_trigger_worker.errors import Refused
from job_trigger_worker.logs import logger
from job_trigger_worker.pipeline.commit import MOST_LINES
from job_trigger_worker.pipeline.job_projection import Projector
from job_trigger_worker.pipeline.outcome import OutcomeBuilder
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.write import records
from job_trigger_worker.storage.write.bisection import (
    RefusalHistory,
    begin_isolating,
    check_share,
    unwritable,
    write_isolated,
)

log = logger(__name__)

Outcomes = Sequence[tuple[Delivery, Record | DeadLetter]]


@dataclass(frozen=True, slots=True)
class InsertedRecords:
    """What the database took of a batch, in the transaction of the batch.

    `ids` are those of new records, by idempotency key; `outcomes` have the substitutes in the place
    of what was refused, and `poison` says why, by idempotency key.
    """

    ids: dict[str, int]
    outcomes: Outcomes
    poison: dict[str, str]


def insert_isolated(
    connection: Connection,
    recorder: OutcomeBuilder,
    projector: Projector,
    outcomes: Outcomes,
    decided_at: datetime,
    history: RefusalHistory,
) -> InsertedRecords:
    """Write what the database takes; the rest becomes `event_invalid`, for the trigger's sake.

    Raises `Unwritable` when it is not the triggers: when the substitute of a record is refused,
    too, or the same refusal meets too many.
    """
    ids: dict[str, int] = {}
    poison: dict[str, str] = {}
    substitutes: dict[str, Record] = {}
    refused: list[tuple[Hashable, Refused]] = []
    begin_isolating(connection)

    def insert(rows: Sequence[Record]) -> None:
        new = records.insert(connection, records.columns(rows))
        ids.update(new)
        if new:
            triggers = (record.trigger for record in rows)
            history.note_written(t.job_id for t in triggers if t.idempotency_key in new)

    def substitute(record: Record, error: Refused) -> None:
        trigger = record.trigger
        refused.append((trigger.job_id, error))
        for make in (recorder.invalid, recorder.bare):
            kept = make(trigger, error.message, decided_at)
            try:
                with errors.translate_row_errors(), connection.begin_nested():
                    ids.update(records.insert(connection, records.columns([kept])))
            except Refused as again:
                last = again
            else:
                substitutes[trigger.idempotency_key] = kept
                poison[trigger.idempotency_key] = error.message
                history.note_refused(error, trigger.job_id)
                return
        history.suspect(last.refusal, {trigger.job_id})
        raise unwritable(last) from last

    write_isolated(connection, _records(outcomes), insert, substitute)
    check_share(history, refused, len(outcomes))
    kept = [(delivery, _substituted(outcome, substitutes)) for delivery, outcome in outcomes]
    projector.show_isolated(connection, _records(kept), ids)
    return InsertedRecords(ids, kept, poison)


def count_isolated(
    connection: Connection, repeats: Mapping[str, int], history: RefusalHistory
) -> dict[str, str]:
    """Count repeats on their records, but for the records that may not be changed.

    Returns why each of those may not, by idempotency key: a platform may have closed the history
    that an old trigger, sent again, belongs to. Raises `Unwritable` when that meets too many.
    """
    refused: list[tuple[Hashable, Refused]] = []

    def count(keys: Sequence[str]) -> None:
        records.count_repeats(connection, {key: repeats[key] for key in keys})
        history.note_written(keys)

    def refuse(key: str, error: Refused) -> None:
        refused.append((key, error))
        history.note_refused(error, key)

    write_isolated(connection, sorted(repeats), count, refuse)
    check_share(history, refused, len(repeats))
    return {str(key): error.message for key, error in refused}


def _records(outcomes: Outcomes) -> list[Record]:
    return [outcome for _, outcome in outcomes if isinstance(outcome, Record)]


def _substituted(
    outcome: Record | DeadLetter, substitutes: Mapping[str, Record]
) -> Record | DeadLetter:
    if isinstance(outcome, DeadLetter):
        return outcome
    return substitutes.get(outcome.trigger.idempotency_key, outcome)


def say_unreadable(
    triggers: Sequence[Trigger],
    unreadable: Mapping[int, UnreadableRow],
    claims: Mapping[int, Claim],
) -> None:
    """A line for each trigger whose job needs a row that cannot be read, `MOST_LINES` at most."""
    partitions = {claim.ledger_id: claim.partition for claim in claims.values()}
    concerned = [trigger for trigger in triggers if trigger.job_id in unreadable]
    for trigger in concerned[:MOST_LINES]:
        row = unreadable[trigger.job_id]
        log.warning(
            "row_unreadable",
            job_id=trigger.job_id,
            partition=partitions[trigger.origin.ledger_id],
            offset=trigger.origin.offset,
            view=row.view,
            sqlstate=row.sqlstate,
            row=", ".join(f"{name}={value}" for name, value in row.key),
            reason=row.words,
        )
    if more := len(concerned[MOST_LINES:]):
        log.warning("row_unreadable", more=more)
