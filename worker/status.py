"""A batch of status events in; runs moved forward, in one transaction with the position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from schemas import ExecutionStatus, explain
from worker.commit import Count, conclude
from worker.decode import MOST_BYTES, read_object
from worker.domain.delivery import Delivery
from worker.domain.record import Claim, DeadLetter, Handled, OutboxRow
from worker.domain.topics import Topics
from worker.errors import Refused
from worker.metrics import IntakeMetrics
from worker.storage import executions
from worker.storage.engine import Session
from worker.storage.executions import Progress
from worker.storage.isolation import check_fuse, not_a_row, write_isolated

_RANK = {"accepted": 1, "running": 2}
_END = 3


@dataclass(slots=True)
class _Decided:
    """A batch as decided: each run's progress with the deliveries that told of it, and poison."""

    claims: Mapping[int, Claim]
    count: Count
    runs: dict[tuple[str, str], Progress] = field(default_factory=dict)
    told: dict[tuple[str, str], list[Delivery]] = field(default_factory=dict)
    poison: list[tuple[Delivery, str]] = field(default_factory=list)

    def letter(self, delivery: Delivery, reason: str) -> DeadLetter:
        return DeadLetter(self.claims[delivery.partition].ledger_id, delivery, reason)


class StatusIntake:
    """Turns deliveries of the status topic into progress of runs (a `Handler` of the loop)."""

    def __init__(self, *, session: Session, topics: Topics, metrics: IntakeMetrics) -> None:
        self._session = session
        self._topics = topics
        self._metrics = metrics

    def handle(
        self,
        batch: Sequence[Delivery],
        claims: Mapping[int, Claim],
        acknowledged: Callable[[], Sequence[OutboxRow]],
    ) -> Handled:
        """See `Handler.handle`."""
        decided = _decide(batch, claims)
        published = acknowledged()
        try:
            rows = self._write(decided, published, is_isolating=False)
        except Refused:
            rows = self._isolate(decided, published)
        return Handled(rows, decided.count.positions)

    def _isolate(self, decided: _Decided, acknowledged: Sequence[OutboxRow]) -> list[OutboxRow]:
        try:
            return self._write(decided, acknowledged, is_isolating=True)
        except Refused as error:
            raise not_a_row(error) from error

    def _write(
        self, decided: _Decided, acknowledged: Sequence[OutboxRow], *, is_isolating: bool
    ) -> list[OutboxRow]:
        tallies = decided.count.tallies()
        poison = list(decided.poison)
        with self._session.transaction() as connection:
            for job_type in executions.TYPES:
                rows = [run for (of_type, _), run in decided.runs.items() if of_type == job_type]

                def write(some: Sequence[Progress], job_type: str = job_type) -> None:
                    executions.apply(connection, job_type, some)

                if rows and not is_isolating:
                    write(rows)
                elif rows:
                    refused = write_isolated(connection, rows, write)
                    check_fuse(refused, len(decided.runs))
                    for run, reason in refused:
                        told = decided.told[job_type, run.execution_id]
                        poison += [(delivery, reason) for delivery in told]
            letters = [decided.letter(delivery, reason) for delivery, reason in poison]
            for letter in letters:
                tallies[letter.ledger_id].dead_letters += 1
            for letter in letters[len(decided.poison) :]:
                tallies[letter.ledger_id].applied -= 1
            rows_out = conclude(
                connection,
                topics=self._topics,
                claims=decided.claims,
                tallies=tallies,
                leaving={},
                letters=letters,
                acknowledged=acknowledged,
            )
        self._metrics.count(tallies, ())
        return rows_out


def _decide(batch: Sequence[Delivery], claims: Mapping[int, Claim]) -> _Decided:
    decided = _Decided(claims, Count(claims))
    for delivery in batch:
        tally = decided.count.admit(delivery)
        if tally is None:
            continue
        status = _read(delivery.value)
        if isinstance(status, str):
            decided.poison.append((delivery, status))
            continue
        tally.applied += 1
        progress = _progress(status)
        run = (status.job_type, progress.execution_id)
        known = decided.runs.get(run)
        decided.runs[run] = progress if known is None else _further(known, progress)
        decided.told.setdefault(run, []).append(delivery)
    return decided


def _read(body: bytes | None) -> ExecutionStatus | str:
    """A status event, or why it is none."""
    if body is not None and len(body) > MOST_BYTES:
        return f"the body has {len(body)} bytes, the most is {MOST_BYTES}"
    try:
        return ExecutionStatus.model_validate_json(body or b"")
    except ValidationError:
        pass  # the slow path says why, or finds that only an unknown field is odd
    fields = read_object(body, ExecutionStatus.model_fields)
    if isinstance(fields, str):
        return fields
    try:
        return ExecutionStatus.model_validate(fields)
    except ValidationError as error:
        return explain(error)


def _progress(status: ExecutionStatus) -> Progress:
    rank = _RANK.get(status.status, _END)
    return Progress(
        str(status.execution_id),
        status.status,
        status.message,
        status.at if rank == _RANK["accepted"] else None,
        status.at if rank == _RANK["running"] else None,
        status.at if rank == _END else None,
    )


def _further(known: Progress, new: Progress) -> Progress:
    """Two reports of one run as one: the further one's words, the first one's times."""
    is_further = _RANK.get(new.status, _END) > _RANK.get(known.status, _END)
    words = new if is_further else known
    return replace(
        words,
        accepted_at=known.accepted_at or new.accepted_at,
        started_at=known.started_at or new.started_at,
        ended_at=known.ended_at or new.ended_at,
    )
