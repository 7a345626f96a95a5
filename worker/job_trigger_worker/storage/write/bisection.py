"""Finding the rows that the database refuses, and who is to blame (promise 5).

A refusal concerns a row only if the record that stands for it goes in; and if the same refusal
meets the triggers of five jobs in a row, it is the database's. Then the worker waits, and nobody's
trigger is blamed: a person corrects the table, and the triggers that waited are recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, text

from job_trigger_worker.errors import Refusal, Refused, Unwritable
from job_trigger_worker.storage.db import errors

Row = TypeVar("Row")
Written = TypeVar("Written")

_IN_A_ROW = 5
_SHARE = 0.05
_LEAST = 10
_IMMEDIATE = text("set constraints all immediate")
_RECORDS = "The worker writes a record for each trigger, whatever others there are"
_REMEDIES = {
    "23502": "Give the column a default, or let it be null: the worker writes only its own.",
    "23503": f"Drop the foreign key. {_RECORDS}, also of a job that is gone.",
    "23505": f"Drop the constraint, or the unique index. {_RECORDS}.",
    "23P01": f"Drop the exclusion constraint. {_RECORDS}.",
    "23514": "Create the partition that is missing, or correct or drop the check constraint.",
    "2200H": "Raise the sequence's maximum, and make its column a bigint where it is narrower.",
    "42501": "Grant what deploy/sql/roles.sql grants, or add a policy of row level security that "
    "lets the worker's role write.",
}
_OTHER_REMEDY = (
    "Compare the table with `trigger-worker migrate current`, and look at what the platform has "
    "added to it: constraints, domains, triggers."
)


@dataclass(slots=True)
class RefusalHistory:
    """What was refused before, in the order of writing: one a loop, kept from batch to batch.

    `owners` are what rows are about, such as jobs: five rows of one job are that job's affair.
    """

    refusal: Refusal | None = None
    owners: set[Hashable] = field(default_factory=set)
    suspected: dict[Refusal, set[Hashable]] = field(default_factory=dict)
    """What was found to be the database's fault, until a row of one of these owners goes in."""

    @property
    def has_any(self) -> bool:
        """True while something is remembered that a row written would change."""
        return self.refusal is not None or bool(self.suspected)

    def isolate(self, write: Callable[[RefusalHistory], Written]) -> Written:
        """Write a batch in parts, with a history that takes this one's place once it is committed.

        Raises `Unwritable` where the database is at fault; what is suspected of it stays known.
        """
        suspected = {refusal: set(owners) for refusal, owners in self.suspected.items()}
        history = RefusalHistory(self.refusal, set(self.owners), suspected)
        try:
            written = write(history)
        except Refused as error:
            raise unwritable(error) from error
        except Unwritable:
            self.suspected = history.suspected
            raise
        self.refusal, self.owners = history.refusal, history.owners
        self.suspected = history.suspected
        return written

    def note_written(self, owners: Iterable[Hashable]) -> None:
        """Rows of these owners were written: what refused the rows before does not refuse all."""
        self.refusal = None
        self.owners.clear()
        if self.suspected:
            written = set(owners)
            self.suspected = {r: who for r, who in self.suspected.items() if not who & written}

    def note_refused(self, error: Refused, owner: Hashable) -> None:
        """A row was refused. Raises `Unwritable` when that is the database's fault.

        What the driver refuses, it refuses for the value's sake: that is never the database's.
        """
        if error.refusal.sqlstate is None:
            return
        if error.refusal != self.refusal:
            self.refusal = error.refusal
            self.owners.clear()
        self.owners.add(owner)
        if error.refusal in self.suspected or len(self.owners) >= _IN_A_ROW:
            self.suspect(error.refusal, self.owners)
            raise unwritable(error)

    def suspect(self, refusal: Refusal, owners: Iterable[Hashable]) -> None:
        """Take this refusal for the database's fault until a row of one of these owners goes in."""
        self.suspected.setdefault(refusal, set()).update(owners)


def check_share(
    history: RefusalHistory, refused: Sequence[tuple[Hashable, Refused]], total: int
) -> None:
    """Raise `Unwritable` when one refusal meets so many of a batch's rows that it is not the rows.

    More than 5% of `total`, and rows of more than ten owners.
    """
    by_refusal: dict[Refusal, list[tuple[Hashable, Refused]]] = {}
    for owner, error in refused:
        if error.refusal.sqlstate is not None:
            by_refusal.setdefault(error.refusal, []).append((owner, error))
    for refusal, met in by_refusal.items():
        owners = {owner for owner, _ in met}
        if len(owners) > _LEAST and len(met) > total * _SHARE:
            history.suspect(refusal, owners)
            raise unwritable(met[0][1])


def begin_isolating(connection: Connection) -> None:
    """Have every constraint of the transaction checked by the statement that violates it.

    A deferred one would speak at the commit, when nobody knows any more which row it means.
    """
    connection.execute(_IMMEDIATE)


def write_isolated(
    connection: Connection,
    rows: Sequence[Row],
    write: Callable[[Sequence[Row]], None],
    refuse: Callable[[Row, Refused], None],
) -> None:
    """Call `write` with all rows but those that the database refuses, and `refuse` with each.

    In the order of the rows. Halves them around each refusal, with a savepoint a step: n refusals
    among m rows cost about n * log2(m) calls more. What `write` keeps beside the database it keeps
    when it returns.
    """
    if not rows:
        return
    try:
        with errors.translate_row_errors(), connection.begin_nested():
            write(rows)
    except Refused as error:
        if len(rows) == 1:
            refuse(rows[0], error)
            return
    else:
        return
    middle = len(rows) // 2
    write_isolated(connection, rows[:middle], write, refuse)
    write_isolated(connection, rows[middle:], write, refuse)


def unwritable(error: Refused) -> Unwritable:
    """What to raise for a refusal that is not a row's: it names what refuses, and what to do."""
    refusal = error.refusal
    places = {
        "constraint": refusal.constraint,
        "table": refusal.table,
        "column": refusal.column,
    }
    named = ", ".join(f"{kind} {name}" for kind, name in places.items() if name)
    message = error.message.rstrip(".") + (f" [{named}]." if named else ".")
    return Unwritable(
        f"It is not the triggers: {message} Nothing is acknowledged meanwhile.",
        remedy=_REMEDIES.get(refusal.sqlstate or "", _OTHER_REMEDY),
    )
