"""A batch of status events in; runs moved forward, in one transaction with the position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

from pydantic import ValidationError
from sqlalchemy import Connection

from job_trigger_schemas import ExecutionStatus, explain
from job_trigger_worker.clock import Clock, SystemClock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import BatchResult, Claim, DeadLetter, OutboxRow
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import Locked, Refused
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import IntakeMetrics
from job_trigger_worker.pipeline.commit import BatchTally, FinishedBatch, finish_batch, say_isolated
from job_trigger_worker.pipeline.decode import MOST_BYTES, received_at
from job_trigger_worker.pipeline.event_body import STATUS, read_event
from job_trigger_worker.pipeline.untrusted_statuses import UntrustedStatuses
from job_trigger_worker.storage.db import errors
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import runs as executions
from job_trigger_worker.storage.write.bisection import (
    RefusalHistory,
    begin_isolating,
    check_share,
    unwritable,
    write_isolated,
)
from job_trigger_worker.storage.write.runs import Applied, Progress

log = logger(__name__)

_RANK = {"accepted": 1, "running": 2}
_END = 3
_SWEEP_EVERY_S = 3600.0
"""How often runs that nobody knows are looked through where no new one comes."""


@dataclass(slots=True)
class StatusDecision:
    """A batch as read (a `Decision` of the loop): each delivery's status, or why there is none."""

    outcomes: list[tuple[Delivery, ExecutionStatus | str]]
    rest: Sequence[Delivery] = ()

    def has_expired(self, _now: datetime) -> bool:
        """See `Decision.has_expired`: a status is never too late."""
        return False


@dataclass(slots=True)
class _Admitted:
    """What is new: the progress of runs, the deliveries that reported it, and poison."""

    claims: Mapping[int, Claim]
    count: BatchTally
    runs: dict[tuple[str, str], Progress] = field(default_factory=dict)
    told: dict[tuple[str, str], list[Delivery]] = field(default_factory=dict)
    poison: list[tuple[Delivery, str]] = field(default_factory=list)

    def letter(self, delivery: Delivery, reason: str) -> DeadLetter:
        return DeadLetter(self.claims[delivery.partition].ledger_id, delivery, reason)


class StatusIntake:
    """Turns deliveries of the status topic into progress of runs (a `TopicHandler` of the loop)."""

    def __init__(
        self,
        *,
        session: Session,
        topics: Topics,
        metrics: IntakeMetrics,
        clock: Clock | None = None,
        max_earliness_s: int = 300,
    ) -> None:
        self._session = session
        self._topics = topics
        self._metrics = metrics
        self._refusals = RefusalHistory()
        self._clock = clock or SystemClock()
        self._unbelieved = UntrustedStatuses(metrics, self._clock)
        self._swept_at = -_SWEEP_EVERY_S
        self._max_earliness = timedelta(seconds=max_earliness_s)

    def decide(self, batch: Sequence[Delivery], claims: Mapping[int, Claim]) -> StatusDecision:
        """Read every delivery.

        A status is believed whatever the service's clock says; a time in the future is replaced by
        the moment of reception.
        """
        now = self._clock.now()
        until = now + self._max_earliness
        outcomes: list[tuple[Delivery, ExecutionStatus | str]] = []
        unbelieved = 0
        for delivery in batch:
            status = _read(delivery.value)
            if not isinstance(status, str) and status.at > until:
                unbelieved += 1
                status = status.model_copy(update={"at": received_at(delivery, now)})
            outcomes.append((delivery, status))
        if unbelieved:
            log.warning(
                "times_ahead",
                statuses=unbelieved,
                message=(
                    "their times lie ahead of now and are not believed; the moment of "
                    "reception stands in"
                ),
            )
        return StatusDecision(outcomes)

    def write(
        self,
        decided: StatusDecision,
        claims: Mapping[int, Claim],
        acknowledged: Sequence[OutboxRow],
    ) -> BatchResult:
        """See `TopicHandler.write`."""
        admitted = _admit(decided, claims)
        try:
            concluded = self._write(admitted, acknowledged)
        except Refused:
            concluded = self._refusals.isolate(
                lambda history: self._write(admitted, acknowledged, isolating=history)
            )
        return BatchResult(concluded.rows, admitted.count.positions, concluded.left)

    def _write(
        self,
        admitted: _Admitted,
        acknowledged: Sequence[OutboxRow],
        isolating: RefusalHistory | None = None,
    ) -> FinishedBatch:
        tallies = admitted.count.tallies()
        poison = list(admitted.poison)
        applied: list[Applied] = []
        is_due = self._clock.monotonic() - self._swept_at >= _SWEEP_EVERY_S
        swept: int | None = 0
        with self._session.transaction() as connection:
            for job_type in executions.TYPES:
                rows = [run for (of_type, _), run in admitted.runs.items() if of_type == job_type]

                if rows and isolating is None:
                    with errors.translate_row_errors():
                        applied.append(executions.apply(connection, job_type, rows))
                elif rows and isolating is not None:
                    refused, parts = _apply_isolated(connection, job_type, rows, isolating)
                    applied += parts
                    for run, error in refused:
                        told = admitted.told[job_type, run.execution_id]
                        poison += [(delivery, error.message) for delivery in told]
            if is_due or any(each.unknown for each in applied):
                swept = self._sweep(connection)
                is_due = is_due and swept is not None
            letters = [admitted.letter(delivery, reason) for delivery, reason in poison]
            for letter in letters:
                tallies[letter.ledger_id].dead_letters += 1
            for letter in letters[len(admitted.poison) :]:
                tallies[letter.ledger_id].applied -= 1
            concluded = finish_batch(
                connection,
                topics=self._topics,
                claims=admitted.claims,
                tallies=tallies,
                leaving={},
                letters=letters,
                acknowledged=acknowledged,
            )
        self._metrics.count(tallies, ())
        if isolating is None and self._refusals.has_any:
            self._refusals.note_written(execution_id for _, execution_id in admitted.runs)
        say_isolated(letters)
        self._unbelieved.note(applied, swept or 0)
        if is_due:
            self._swept_at = self._clock.monotonic()
        return concluded

    def tend(self) -> None:
        """See `TopicHandler.tend`: nothing."""

    def _sweep(self, connection: Connection) -> int | None:
        """Forget runs that nobody knows; where the platform keeps them, no status waits."""
        try:
            with errors.translate_row_errors(), connection.begin_nested():
                return executions.sweep(connection)
        except (Refused, Locked) as error:
            self._unbelieved.note_not_swept(error.message)
            return 0


def _apply_isolated(
    connection: Connection, job_type: str, runs: Sequence[Progress], history: RefusalHistory
) -> tuple[list[tuple[Progress, Refused]], list[Applied]]:
    """Move runs forward except those that the database refuses; returns these and the findings.

    Raises `Unwritable` when it is not the statuses: when one is refused without its message, which
    is all that is free in it, and that of a run that nobody has heard of, too, so that it is not
    the one run whose row is as it is; or when the same refusal meets too many.
    """
    refused: list[tuple[Progress, Refused]] = []
    applied: list[Applied] = []
    begin_isolating(connection)

    def apply(some: Sequence[Progress]) -> None:
        applied.append(executions.apply(connection, job_type, some))
        history.note_written(run.execution_id for run in some)

    def refuse(run: Progress, error: Refused) -> None:
        bare = replace(run, message=None, more_ends=())
        for stand_in in (bare, replace(bare, execution_id=str(uuid4()))):
            try:
                with errors.translate_row_errors(), connection.begin_nested() as trial:
                    executions.apply(connection, job_type, [stand_in])
                    trial.rollback()
            except Refused as again:
                last = again
            else:
                break
        else:
            history.suspect(last.refusal, {run.execution_id})
            raise unwritable(last) from last
        history.note_refused(error, run.execution_id)
        refused.append((run, error))

    write_isolated(connection, runs, apply, refuse)
    check_share(history, [(run.execution_id, error) for run, error in refused], len(runs))
    return refused, applied


def _admit(decided: StatusDecision, claims: Mapping[int, Claim]) -> _Admitted:
    """Count a batch against the position that its partitions have by now."""
    admitted = _Admitted(claims, BatchTally(claims))
    for delivery, status in decided.outcomes:
        if not admitted.count.admit(delivery):
            continue
        if isinstance(status, str):
            admitted.poison.append((delivery, status))
            continue
        admitted.count.apply(delivery)
        progress = _progress(status)
        run = (status.job_type, progress.execution_id)
        known = admitted.runs.get(run)
        admitted.runs[run] = progress if known is None else _further(known, progress)
        admitted.told.setdefault(run, []).append(delivery)
    return admitted


def _read(body: bytes | None) -> ExecutionStatus | str:
    """A status event, or why it is none."""
    if body is not None and len(body) > MOST_BYTES:
        return f"the body has {len(body)} bytes, the most is {MOST_BYTES}"
    try:
        return ExecutionStatus.model_validate_json(body or b"")
    except ValidationError:
        pass  # the slow path says why, or finds that only an unknown field is odd
    content = read_event(body, STATUS)
    if isinstance(content, str):
        return content
    try:
        return ExecutionStatus.model_validate(content.fields)
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
    """Two reports of one run as one: the further one's words, the first one's times.

    Of two ends the first one's words stand, and the second is kept beside them.
    """
    is_further = _RANK.get(new.status, _END) > _RANK.get(known.status, _END)
    words = new if is_further else known
    return replace(
        words,
        accepted_at=known.accepted_at or new.accepted_at,
        started_at=known.started_at or new.started_at,
        ended_at=known.ended_at or new.ended_at,
        more_ends=known.more_ends
        if is_further or new.ended_at is None
        else (*known.more_ends, (new.status, new.message)),
    )
