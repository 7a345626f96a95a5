"""A run without a person: exactly N triggers, all the way, and one object that says how it went."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event as Flag
from typing import Any

import psutil
from rich.console import Console

from job_trigger_worker.demo.outcome_topics import OutcomeTopics
from job_trigger_worker.demo.probes import Histogram, read_figures
from job_trigger_worker.demo.scheduler import DemoSender, send_exactly
from job_trigger_worker.demo.stack import Stack
from job_trigger_worker.demo.summary import summarise
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.storage.read.activity import failures_by_code
from job_trigger_worker.storage.read.audit import LedgerRow, LedgerSums, ledger_rows, ledger_sums

KEYS = (
    *("triggers", "records", "succeeded", "failed", "by_code", "duplicates", "dead_letters"),
    *("dispatched", "failures_published", "outbox_pending", "audit_closed", "seconds"),
    *("triggers_per_s", "latency_ms", "worker_rss_mb"),
)
"""Of the object, in this order."""

_POLL_S = 0.02
_SAY_EVERY_S = 2.0
_READ_WAIT_S = 0.1
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of N triggers did. `why` is empty when everything is as it should be."""

    figures: dict[str, Any]
    why: str

    @property
    def is_good(self) -> bool:
        """True when all N are settled and published and the audit closes."""
        return not self.why


class TriggersRun:
    """Publishes N triggers and follows them; counts are of this run alone.

    The N are distinct and readable (duplicates 0, dead_letters 0); one in 202 has a time without a
    zone, which leaves an `event_invalid` record beside its dead letter. `dispatched` and
    `failures_published` are distinct events read from the topics.
    """

    def __init__(self, stack: Stack, count: int, deadline_s: float, stopping: Flag) -> None:
        self._stack = stack
        self._count = count
        self._deadline = time.monotonic() + deadline_s
        self._stopping = stopping
        self._err = Console(stderr=True, highlight=False)
        self._said_at = 0.0
        self._outcomes = OutcomeTopics(stack.kafka, stack.partitions)
        self._sent = 0
        self._seconds = 0.0

    def run(self) -> Report:
        """Publish, wait, stop the worker, count. Says its progress on stderr."""
        base = self._sums()
        began = time.monotonic()
        self._publish()
        why = self._wait_until_settled(base)
        self._seconds = time.monotonic() - began
        rows = self._rows()
        why = self._read_topics(sum(row.records for row in rows)) or why
        live = self._live_figures()
        self._outcomes.close()
        self._stack.stop_processes()
        closes = summarise(self._stack.engine).closes
        if not closes:
            why = why or (
                "The audit does not close. Run `trigger-worker run` over the same data and look: "
                f"{self._stack.folder.env_command} && trigger-worker audit"
            )
        found = {**self._counted(), **live, "audit_closed": closes}
        return Report({key: found[key] for key in KEYS}, why)

    def _publish(self) -> None:
        sender = DemoSender(self._stack.kafka)
        try:
            send_exactly(sender, self._count, datetime.now(UTC), self._note_sent, self._stopping)
        finally:
            sender.close()

    def _note_sent(self, sent: int) -> None:
        self._sent = sent
        self._say(f"published {sent:,} of {self._count:,}", is_last=sent == self._count)

    def _wait_until_settled(self, base: LedgerSums) -> str:
        """Wait until each trigger is in a bin and its event is acknowledged; why not, otherwise."""
        while True:
            sums = self._sums()
            settled = sums.deliveries - base.deliveries
            self._outcomes.read(_POLL_S)
            is_done = settled >= self._sent and not sums.outbox and sums.published == sums.events
            self._say(
                f"settled {settled:,} of {self._count:,}, {sums.outbox:,} events to publish",
                is_last=is_done,
            )
            if is_done and self._sent == self._count:
                return ""
            if self._stopping.is_set():
                return f"Interrupted when {settled:,} of {self._count:,} were settled."
            if self._stack.worker.is_failing:
                return f"The worker cannot run. Its log ends:\n{self._stack.worker.last_words()}"
            if time.monotonic() > self._deadline:
                return (
                    f"Only {settled:,} of {self._count:,} triggers were settled in time, with "
                    f"{sums.outbox:,} events still to publish. Give it longer with --deadline."
                )

    def _read_topics(self, records: int) -> str:
        while self._outcomes.dispatched + self._outcomes.failures < records:
            self._outcomes.read(_READ_WAIT_S)
            if self._stopping.is_set() or time.monotonic() > self._deadline:
                found = self._outcomes.dispatched + self._outcomes.failures
                return f"The topics show {found:,} events for {records:,} records."
        return ""

    def _counted(self) -> dict[str, Any]:
        rows = self._rows()
        ids = [row.id for row in rows if row.id is not None]
        with self._stack.engine.connect() as connection:
            by_code = failures_by_code(connection, ids)
        records = sum(row.counted_records for row in rows)
        succeeded = sum(row.counted_dispatched for row in rows)
        return {
            "triggers": self._sent,
            "records": records,
            "succeeded": succeeded,
            "failed": records - succeeded,
            "by_code": by_code,
            "duplicates": sum(row.duplicates for row in rows),
            "dead_letters": sum(row.dead_letters for row in rows),
            "dispatched": self._outcomes.dispatched,
            "failures_published": self._outcomes.failures,
            "outbox_pending": sum(row.waiting for row in rows),
        }

    def _live_figures(self) -> dict[str, Any]:
        """What only the running worker knows."""
        worker = self._stack.worker
        figures = read_figures(worker.listen, self._stack.kafka.topics.triggers)
        latency = {
            name: None if figures is None else self._latency(figures.latency, share)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }
        try:
            rss_mb = round(psutil.Process(worker.pid).memory_info().rss / _MIB, 1)
        except psutil.NoSuchProcess:
            rss_mb = None
        return {
            "seconds": round(self._seconds, 3),
            "triggers_per_s": round(self._sent / self._seconds, 1),
            "latency_ms": latency,
            "worker_rss_mb": rss_mb,
        }

    def _latency(self, histogram: Histogram, share: float) -> float | None:
        """No trigger took longer than all of them, which a wide last bucket does not know."""
        found = histogram.quantile_ms(share)
        return None if found is None else round(min(found, self._seconds * 1000), 1)

    def _rows(self) -> list[LedgerRow]:
        """The ledger of this run's topic: the embedded broker made it with a new id."""
        topic = self._stack.kafka.topics.triggers
        with TopicIds(self._stack.kafka) as topic_ids:
            described = topic_ids.describe(topic)
        topic_id = described.topic_id if described else ""
        with self._stack.engine.connect() as connection:
            found = ledger_rows(connection)
        return [row for row in found if row.topic == topic and row.topic_id == topic_id]

    def _sums(self) -> LedgerSums:
        with self._stack.engine.connect() as connection:
            return ledger_sums(connection)

    def _say(self, words: str, *, is_last: bool) -> None:
        now = time.monotonic()
        if is_last or now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            self._err.print(words, markup=False, soft_wrap=True)
