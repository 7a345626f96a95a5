"""Decisions on batches, made beside the loop, and whether one may still be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from datetime import datetime
from threading import Event as Flag
from typing import NamedTuple

from job_trigger_worker.clock import Clock
from job_trigger_worker.domain.delivery import Delivery
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.kafka.background import Background
from job_trigger_worker.kafka.handler import Decision, TopicHandler

_SLICE_S = 0.2
_FRESH_S = 2.0
"""A decision whose moment is longer ago is made anew, with a moment of its own: a trigger that has
become too late meanwhile must not be run. On a slow way to the database it is written all the same
if nothing in it has become too late: where making it took no longer than this and it then waited no
longer than this for the batch before it. Where deciding or writing takes longer by itself, the next
decision may take, or wait, twice as long as the last one did."""


class FinishedDecision(NamedTuple):
    """A decision: its moment, and the clock's seconds when making it began and ended."""

    decision: Decision
    moment: datetime
    began: float
    ended: float

    @property
    def took_s(self) -> float:
        """How long it took to be made."""
        return self.ended - self.began

    @property
    def is_slow(self) -> bool:
        """True when it was no longer fresh by the time it was there."""
        return self.took_s > _FRESH_S


class PendingDecision(NamedTuple):
    """A batch, and the decision on it as soon as there is one."""

    batch: list[Delivery]
    made: Future[FinishedDecision]


class DecisionPipeline:
    """Has batches decided in a thread of its own, one after another.

    `believe` raises for a moment that the clock cannot be believed at, and is called in that
    thread. `patience_s` is how long a decision may take before nobody polls for its sake.
    """

    def __init__(
        self,
        handler: TopicHandler,
        *,
        name: str,
        believe: Callable[[datetime, float], None],
        patience_s: float,
        clock: Clock,
        stopping: Flag,
    ) -> None:
        self._handler = handler
        self._believe = believe
        self._patience_s = patience_s
        self._clock = clock
        self._stopping = stopping
        self._aside: Background[FinishedDecision] = Background(name)
        self._fresh_s = self._wait_s = _FRESH_S

    def begin(self, batch: list[Delivery], claims: Mapping[int, Claim]) -> PendingDecision:
        """Have a decision begun; `claims` are those of this moment."""

        def decide() -> FinishedDecision:
            moment, began = self._clock.now(), self._clock.monotonic()
            self._believe(moment, began)
            decision = self._handler.decide(batch, claims)
            return FinishedDecision(decision, moment, began, self._clock.monotonic())

        return PendingDecision(batch, self._aside.start(decide))

    def wait(self, deciding: PendingDecision, tick: Callable[[], None]) -> FinishedDecision:
        """The decision, once it is there.

        Polls meanwhile, but not for ever: a database that never answers has to cost the membership,
        so that another worker gets the partitions, and the loop has to be seen standing still.
        Raises what the handler, or `tick`, raises.
        """
        began = self._clock.monotonic()
        while not wait([deciding.made], _SLICE_S).done:
            if self._stopping.is_set() or self._clock.monotonic() - began < self._patience_s:
                tick()
        return deciding.made.result()

    def is_old(self, made: FinishedDecision) -> bool:
        """True when a decision may not be written, because too much time has passed since.

        By either clock: one of them stands while a machine is suspended.
        """
        now, passed = self._clock.now(), self._clock.monotonic()
        age_s = max(passed - made.began, (now - made.moment).total_seconds())
        if age_s <= _FRESH_S:
            return False
        is_held_up = made.took_s > self._fresh_s or passed - made.ended > self._wait_s
        if is_held_up or age_s > self._fresh_s + self._wait_s:
            return True
        return made.decision.has_expired(now)

    def learn(self, made: FinishedDecision) -> None:
        """Derive from how long a decision took how old the next one may be."""
        self._fresh_s = 2 * made.took_s if made.is_slow else _FRESH_S

    def learn_wait(self, write_s: float) -> None:
        """Derive from the time that writing a batch took how long the next decision may wait.

        For brokers it waits no longer than usual: deciding anew costs little beside them.
        """
        self._wait_s = max(_FRESH_S, 2 * write_s)

    def close(self) -> None:
        """End with the decision that is being made; waits for that a little."""
        self._aside.close()
