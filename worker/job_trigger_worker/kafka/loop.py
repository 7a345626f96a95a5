"""The loop: consume, decide, one transaction, publish, copy the offsets, again (design 6).

One class serves the trigger topic and the status topic; what a message becomes is its handler's.
While a batch is written, the next one is decided, and with a backlog the events of the one before
are on their way. Its own events leave when those are acknowledged, so a partition's events keep
their order, and never more than two batches are committed and not published.
There is one way back from anything transient: let go of every partition in memory, wait, and take
again what is still assigned. Taking fences whoever wrote before, publishes what the outbox holds
and seeks behind the ledger's position, so nothing in hand has to be remembered. It goes a step in
each turn, so that one batch of those that are ours is between two.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Event as Flag

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.errors import (
    ConnectionLost,
    Fenced,
    Locked,
    Refused,
    Transient,
    TriggerWorkerError,
    Unknown,
    Unwritable,
)
from job_trigger_worker.kafka.backlog_watch import BacklogWatch
from job_trigger_worker.kafka.clock_watch import ClockWatch
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.decisions import DecisionPipeline, FinishedDecision, PendingDecision
from job_trigger_worker.kafka.handler import TopicHandler
from job_trigger_worker.kafka.ownership import PartitionOwnership
from job_trigger_worker.kafka.producer import EventProducer, Interrupted
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import LoopMetrics
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.write.bisection import unwritable

log = logger(__name__)

_IDLE_WAIT_S = 0.2
_TAKING_WAIT_S = 0.02
"""Whoever waits for messages while partitions are being taken looks soon for what brokers say."""

_POLL_EVERY_S = 1.0
"""A rebalance waits this long for events on their way, so that it does not repeat them."""

_COPY_EVERY_S = 1.0
"""The group hears this often how far we are: to a broker a copy costs as much as a small batch."""

_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_QUIET_S = 60.0
"""Without a failure for so long, the next one is the first again, also where no batch came."""

_LAST_WAIT_S = 2.0
_STEPS = 16
"""A failure halves the size of batches, a success lets it grow by one part in so many: on a bad way
to the database a full batch may take longer than any statement may, for ever."""

BATCH_BYTES = 4 * 1024 * 1024
"""About how many bytes of messages a batch may hold; its handler bounds what goes out."""


class Loop:
    """Serves one topic until `stopping` is set. Owns its consumer, producer and session.

    `patience_s` is how long a decision may take before the loop no longer polls for its sake.
    `run` returns after a clean hand-over. It raises what waiting cannot fix; then nothing
    is handed over, and the outbox and the ledger carry everything.
    """

    def __init__(
        self,
        *,
        consumer: TopicConsumer,
        producer: EventProducer,
        ownership: PartitionOwnership,
        clock_watch: ClockWatch,
        relay: Relay,
        handler: TopicHandler,
        batch_triggers: int,
        patience_s: float,
        clock: Clock,
        metrics: LoopMetrics,
        stopping: Flag,
    ) -> None:
        self._consumer = consumer
        self._producer = producer
        self._ownership = ownership
        self._clock_watch = clock_watch
        self._relay = relay
        self._handler = handler
        self._most = self._size = batch_triggers
        self._clock = clock
        self._metrics = metrics
        self._stopping = stopping
        self._decisions = DecisionPipeline(
            handler,
            name=f"decide {consumer.topic}",
            believe=clock_watch.believe,
            patience_s=patience_s,
            clock=clock,
            stopping=stopping,
        )
        self._ahead: PendingDecision | None = None
        self._next: list[Delivery] = []
        self._failures = 0
        self._failed_at = clock.monotonic()
        self._in_hand: list[Delivery] = []
        self._held: str | None = None
        self._polled_at = self._copied_at = clock.monotonic()
        self._watch = BacklogWatch(consumer, ownership, metrics.backlog, clock)
        self._moved: set[int] = set()
        self._is_paused = False

    def run(self) -> None:
        """Turn until told to stop, then give everything up in order."""
        try:
            while not self._stopping.is_set():
                self._turn()
            self._ownership.release_all()
        finally:
            self._decisions.close()
            self._ownership.close()  # before the consumer: its thread asks with that
            self._consumer.close()
            self._producer.close()

    def _turn(self) -> None:
        try:
            self._ownership.retake(self._at_fault())
            self._clock_watch.check(is_taking=self._ownership.is_about_to_ask)
            self._take()
            if self._is_paused:
                self._consumer.flow.resume(self._ownership.claims)
                self._is_paused = False
            wait_s = _TAKING_WAIT_S if self._ownership.is_under_way else _IDLE_WAIT_S
            deciding, self._ahead = self._ahead or self._begin(wait_s), None
            if deciding is not None:
                self._handle(deciding)
            elif self._relay.is_under_way:
                self._relay.finish(self._ticking())
            else:
                self._relay.settle(self._ownership.claims.values())
            self._moved |= set(self._ownership.pass_gaps(self._fetched))
            self._copy_offsets()
            self._handler.tend()
            self._watch.look(self._fetched)
            if self._clock.monotonic() - self._failed_at > _QUIET_S:
                self._failures = 0
            held = (self._held if self._next else None) or self._ownership.why_not
            self._metrics.waits(self._ownership.lacks_metadata or held is not None, held)
            self._metrics.partitions.set(len(self._ownership.claims))
            self._metrics.turned(self._clock.now(), self._clock.monotonic())
        except (Transient, Fenced) as problem:
            self._recover(problem)
        except Refused as error:  # of something that no message brought
            self._recover(unwritable(error))

    def _take(self) -> None:
        """Go a step on the way to what is not ours yet, and let flow what is by now."""
        taken = self._ownership.take(self._ticking())
        if not taken:
            return
        waiting = self._fetched()
        if any(delivery.partition in taken for delivery in waiting):
            self._ahead = None
            self._next = [d for d in waiting if d.partition not in taken]
        self._ownership.start(taken)

    def _at_fault(self) -> set[int]:
        """Partitions that stand before what cannot be read, with nothing of them left in hand."""
        if not self._consumer.flow.halted:
            return set()
        in_hand = {delivery.partition for delivery in self._fetched()}
        return self._consumer.flow.halted & self._ownership.claims.keys() - in_hand

    def _fetched(self) -> list[Delivery]:
        """What was fetched and is not being written yet, in order."""
        return [*(self._ahead.batch if self._ahead else ()), *self._next]

    def _begin(self, wait_s: float, *, takes_more: bool = True) -> PendingDecision | None:
        """Have a decision begun on what is there; without `takes_more`, on what is in hand.

        Waits for messages only when there are none and no events are waited for. Polls, so a
        rebalance may happen.
        """
        most, most_bytes = self._room()
        if takes_more and most:
            self._polled_at = self._clock.monotonic()
            is_idle = not self._next and not self._relay.is_under_way
            self._next += self._consumer.fetch(most, most_bytes, wait_s if is_idle else 0)
        else:
            self._keep_membership()
        batch = [delivery for delivery in self._next if self._ownership.covers(delivery)]
        self._next = batch[self._size :]
        if not batch:
            return None
        return self._decisions.begin(batch[: self._size], dict(self._ownership.claims))

    def _handle(self, deciding: PendingDecision) -> None:
        """Write and send a batch, and have the next one decided meanwhile."""
        self._in_hand = deciding.batch
        made = self._decisions.wait(deciding, self._ticking())
        batch, decided = deciding.batch, made.decision
        # It was held up, or the batch before it took long to write.
        if self._decisions.is_old(made):
            self._begin_anew(batch, made)
            return
        has_backlog = bool(decided.rest) or len(batch) >= self._size
        self._next = [*decided.rest, *self._next]
        self._ahead = self._begin(0, takes_more=not decided.rest)
        if not has_backlog:  # what is on its way is not to linger
            self._relay.finish(self._ticking())
        began = self._clock.monotonic()
        claims = self._ownership.claims
        if self._decisions.is_old(made) or not {d.partition for d in batch} <= claims.keys():
            # The brokers kept us waiting, or took a partition away.
            self._begin_anew(batch, made)
            return
        self._decisions.learn(made)
        deleted = [row for row in self._relay.acknowledged if self._ownership.owns(row)]
        handled = self._handler.write(decided, claims, deleted)
        self._in_hand, self._held, self._failures = [], None, 0
        self._size = min(self._size + self._most // _STEPS + 1, self._most)
        self._ownership.move(handled.positions)
        self._relay.forget(deleted, handled.left)
        batch = batch[: len(batch) - len(decided.rest)]
        committed = self._clock.monotonic()
        self._metrics.observe_batch(len(batch), committed - began)
        self._decisions.learn_wait(committed - began)
        self._relay.finish(self._ticking())
        if handled.rows:

            def observe() -> None:
                duration_s = self._clock.monotonic() - committed
                self._metrics.observe_events(batch, self._clock.now(), duration_s)

            self._relay.send(handled.rows, claims.values(), self._ticking(), observe)
        self._moved |= handled.positions.keys()

    def _copy_offsets(self) -> None:
        """Copy the position of every partition that has moved, unless that was done just now.

        One that the group did not accept, as in the midst of a rebalance, is copied again.
        """
        now = self._clock.monotonic()
        self._moved |= self._consumer.offsets.behind
        if not self._moved or now - self._copied_at < _COPY_EVERY_S:
            return
        claims = self._ownership.claims
        self._consumer.offsets.copy([claims[p] for p in self._moved & claims.keys()])
        self._moved.clear()
        self._copied_at = now

    def _begin_anew(self, batch: list[Delivery], made: FinishedDecision) -> None:
        """Have a batch, and what came after it, decided again in the next turn.

        Raises what the decision ahead has raised: that a reader lost its session is not forgotten.
        """
        log.info(
            "decide_anew",
            topic=self._consumer.topic,
            batch=len(batch),
            took_s=round(made.took_s, 1),
        )
        self._decisions.learn(made)
        if made.is_slow and made.decision.has_expired(self._clock.now()):
            # Or, of many, one is always late by then. On a way with long round trips a smaller
            # batch takes as long, so none is made smaller for that alone.
            self._size = max(self._size // 2, 1)
        if self._ahead is not None:
            self._decisions.wait(self._ahead, self._ticking())
        following = self._fetched()
        seen = {(delivery.partition, delivery.offset) for delivery in batch}
        self._ahead, self._in_hand = None, []
        self._next = [*batch, *(d for d in following if (d.partition, d.offset) not in seen)]

    def _ticking(self) -> Callable[[], None]:
        """What to do while waiting: poll, and stop waiting when that is no use."""
        before = self._ownership.changes
        began = self._clock.monotonic()

        def tick() -> None:
            self._keep_membership()
            if self._ownership.changes != before:
                raise Interrupted("The assignment changed meanwhile.")
            if self._stopping.is_set() and self._clock.monotonic() - began > _LAST_WAIT_S:
                raise Interrupted("Told to stop meanwhile; the ledger and the outbox have it all.")

        return tick

    def _keep_membership(self) -> None:
        """Poll when the last poll is a while ago; what comes belongs to the next batch.

        Paused only when that is full: after a pause the next messages take up to a second, and on
        a bad way to the database nothing would be decided while a batch is written.
        """
        if self._clock.monotonic() - self._polled_at < _POLL_EVERY_S:
            return
        most, _ = self._room()
        if not most:
            self._pause()
        self._next += self._consumer.keep_membership(max(most, 1))
        self._polled_at = self._clock.monotonic()
        self._metrics.turned(self._clock.now(), self._clock.monotonic())

    def _room(self) -> tuple[int, int]:
        """How many messages the next batch still wants, and how many bytes; nothing once full."""
        most = self._size - len(self._next)
        most_bytes = BATCH_BYTES - sum(len(each.value or b"") for each in self._next)
        return (most, most_bytes) if most > 0 < most_bytes else (0, 0)

    def _pause(self) -> None:
        self._consumer.flow.pause(self._consumer.assigned)
        self._is_paused = True

    def _recover(self, problem: TriggerWorkerError) -> None:
        """Wait, polling, before the next try, and let go of everything in memory before that.

        What concerns neither a session nor a fence is tried again as it stands: the partitions stay
        ours, because taking them again would help nobody.
        """
        self._failures += 1
        self._failed_at = self._clock.monotonic()
        self._size = max(self._size // 2, 1)
        is_held = isinstance(problem, Unknown | Unwritable | Locked)
        self._held = str(problem) if is_held else None
        self._metrics.waits(True, self._held)
        self._metrics.retries.inc()
        longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        pause_s = random.uniform(longest / 2, longest)  # noqa: S311  # jitter, no secret
        topic, tried, rounded_s = self._consumer.topic, self._failures, round(pause_s, 1)
        if isinstance(problem, Unwritable):
            log.error(
                "wait_for_a_person", topic=topic, attempt=tried, pause_s=rounded_s, reason=problem
            )
        else:
            log.warning(
                "wait",
                topic=topic,
                attempt=tried,
                pause_s=rounded_s,
                batch=self._size,
                reason=problem,
            )
        self._metrics.backlog.explain(str(problem))
        try:
            self._relay.finish(self._ticking())
            waiting = self._put_back() if is_held else []
            if not isinstance(problem, ConnectionLost):
                self._watch.look_at_outbox()
        except (Transient, Fenced) as another:
            log.warning("wait", topic=self._consumer.topic, reason=another)
            is_held = False
        if not is_held:
            waiting = []
            self._ownership.suspend()
        self._in_hand = []
        self._pause()
        deadline = self._clock.monotonic() + pause_s
        while self._clock.monotonic() < deadline and not self._stopping.is_set():
            try:
                arrived = self._consumer.keep_membership()
            except Transient as another:
                log.warning("wait", topic=self._consumer.topic, reason=another)
            else:
                waiting += arrived if is_held else ()
            self._watch.look_while_paused()
            self._metrics.turned(self._clock.now(), self._clock.monotonic())
            self._stopping.wait(0.05)
        self._ahead = None
        self._next = waiting

    def _put_back(self) -> list[Delivery]:
        """What is in hand, and what comes after it, in order: the decisions on it are forgotten.

        Raises what the decision ahead has raised, unless that is only what holds us up already.
        """
        if self._ahead is not None:
            try:
                self._decisions.wait(self._ahead, self._ticking())
            except (Unknown, Locked):
                log.debug("wait", topic=self._consumer.topic, ahead="unknown")
        following = self._fetched()
        seen = {(delivery.partition, delivery.offset) for delivery in self._in_hand}
        return [
            *self._in_hand,
            *(d for d in following if (d.partition, d.offset) not in seen),
        ]
