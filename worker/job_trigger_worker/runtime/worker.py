"""The composition root: everything that a process needs, built in one place."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from uuid import uuid4

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from sqlalchemy import Engine

from job_trigger_worker.clock import Clock, SystemClock
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.backlog import Backlog
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka import connectivity
from job_trigger_worker.kafka.acquisition import PartitionAcquisition
from job_trigger_worker.kafka.broker_lookup import BrokerLookup
from job_trigger_worker.kafka.clock_watch import ClockWatch
from job_trigger_worker.kafka.consumer import TopicConsumer
from job_trigger_worker.kafka.consumer_config import call_deadline_s
from job_trigger_worker.kafka.fencing import PartitionFence
from job_trigger_worker.kafka.group_check import check_group
from job_trigger_worker.kafka.group_offsets import GroupOffsets
from job_trigger_worker.kafka.handler import TopicHandler
from job_trigger_worker.kafka.log_tails import LogTails
from job_trigger_worker.kafka.loop import Loop
from job_trigger_worker.kafka.ownership import PartitionOwnership
from job_trigger_worker.kafka.producer import EventProducer
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.kafka.unreadable import UnreadableBatches
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import IntakeMetrics, LoopMetrics, Metrics
from job_trigger_worker.pipeline.decision import Decider
from job_trigger_worker.pipeline.intake import Intake
from job_trigger_worker.pipeline.job_projection import Projector
from job_trigger_worker.pipeline.outcome import OutcomeBuilder
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.pipeline.status import StatusIntake
from job_trigger_worker.runtime.allocator import return_large_blocks
from job_trigger_worker.runtime.listener import Listener
from job_trigger_worker.storage.db.engine import Session, make_engine, watch_locks
from job_trigger_worker.storage.platform.check import check_some_rows, check_structure
from job_trigger_worker.storage.schema import layout

log = logger(__name__)

_GC_THRESHOLDS = (200_000, 20, 100)
"""A batch makes some ten thousand objects that no cycle holds; looking for cycles among them every
700 costs a tenth of its time."""

_ACCESS_S = 3.0
"""How long brokers may take to say whether they let us in; we ask again after each wait."""

_NEWS_S = 3.0
"""How long a topic may be unknown at the start: brokers hear of a new one one after the other."""

_RETRY_S = 1.0
"""How long until brokers or a database that were away are asked again."""

_VIEWS_MS = 5_000
"""How long a look at the first rows of a view may take before the worker starts without it."""


class Worker:
    """The trigger loop and the status loop of one process, each in a thread of its own.

    `run` returns when `stop` was called and everything is handed over; it raises what either loop
    could not fix, after the other has been stopped.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._kafka = KafkaSettings.of(settings)
        self._engine: Engine = make_engine(settings)
        self._locks = watch_locks(settings, self._engine)
        self._stopping = Flag()
        self._packed: set[str] = set()
        self._failures: list[BaseException] = []
        self._owner = (
            f"{settings.consumer_group}/{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        )
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._metrics = Metrics(registry)
        self._figures = {
            topic: LoopMetrics(self._metrics, topic, Backlog(topic, self._clock))
            for topic in self._kafka.topics.consumed()
        }

    def stop(self) -> None:
        """Have both loops give everything up and end."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until told to stop."""
        listener = Listener(
            self._settings.worker_listen,
            self._metrics.registry,
            setting="TRIGGER_WORKER_WORKER_LISTEN",
            is_live=self._why_not_live,
            is_ready=self._why_not_ready,
        )
        self._locks.start()
        try:
            self._wait_for_topics()
            self._wait_for_database()
            if self._stopping.is_set():
                return
            topics = self._kafka.topics
            threads = [
                Thread(target=self._serve, args=(name, build), name=name)
                for name, build in (
                    (topics.triggers, self._intake),
                    (topics.statuses, self._statuses),
                )
            ]
            gc.freeze()
            gc.set_threshold(*_GC_THRESHOLDS)
            return_large_blocks()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            listener.close()
            self._locks.close()
            self._engine.dispose()
        if self._failures:
            raise self._failures[0]

    def _serve(self, topic: str, build: Callable[[Session], TopicHandler]) -> None:
        session = Session(self._engine, self._locks)
        try:
            self._loop(topic, session, build(session)).run()
        except BaseException as failure:  # noqa: BLE001 - handed to `run`, which raises it
            self._failures.append(failure)
        finally:
            self._stopping.set()
            session.close()

    def _loop(self, topic: str, session: Session, handler: TopicHandler) -> Loop:
        settings = self._settings
        producer = EventProducer(self._kafka, self._clock)
        relay = Relay(session, producer, self._kafka.topics, settings.message_language)
        call_s = call_deadline_s(settings)
        interval_s = settings.metadata_interval_ms / 1000
        unreadable = UnreadableBatches(
            session,
            self._kafka,
            timeout_s=call_s,
            metrics=self._figures[topic],
            looks_ahead=topic in self._packed,
        )
        consumer = TopicConsumer(self._kafka, settings, topic)
        acquisition = PartitionAcquisition(
            consumer,
            session=session,
            relay=relay,
            inquiry=BrokerLookup(
                topic,
                TopicIds(self._kafka, call_s),
                GroupOffsets(self._kafka, settings.consumer_group, call_s),
                unreadable,
            ),
            unreadable=unreadable,
            fence=PartitionFence(session, self._owner, self._figures[topic]),
            clock=self._clock,
            interval_s=interval_s,
        )
        ownership = PartitionOwnership(
            consumer,
            acquisition,
            LogTails(session, consumer, self._clock, interval_s),
            session=session,
            relay=relay,
            clock=self._clock,
        )
        consumer.join(ownership.revoked, ownership.lost)
        return Loop(
            consumer=consumer,
            producer=producer,
            ownership=ownership,
            clock_watch=ClockWatch(
                session=session,
                take_append=producer.take_append,
                clock=self._clock,
                max_skew_s=settings.max_clock_skew_s,
                metrics=self._figures[topic],
            ),
            relay=relay,
            handler=handler,
            batch_triggers=settings.batch_triggers,
            patience_s=settings.max_poll_interval_ms / 2000,
            clock=self._clock,
            metrics=self._figures[topic],
            stopping=self._stopping,
        )

    def _intake(self, session: Session) -> TopicHandler:
        topics = self._kafka.topics
        recorder = OutcomeBuilder(topics, self._settings.message_language)
        decider = Decider(
            session=session,
            recorder=recorder,
            clock=self._clock,
            default_max_lateness_s=self._settings.default_max_lateness_s,
            max_earliness_s=self._settings.max_earliness_s,
        )
        metrics = IntakeMetrics(self._metrics, topics.triggers)
        return Intake(
            decider,
            session=session,
            recorder=recorder,
            projector=Projector(session, metrics, self._clock),
            metrics=metrics,
        )

    def _statuses(self, session: Session) -> TopicHandler:
        topics = self._kafka.topics
        return StatusIntake(
            session=session,
            topics=topics,
            metrics=IntakeMetrics(self._metrics, topics.statuses),
            clock=self._clock,
            max_earliness_s=self._settings.max_earliness_s,
        )

    def _wait_for_topics(self) -> None:
        """Wait until the brokers answer.

        Raises `FatalError` when they do not let us in, for a topic that is not there then, and for
        one that we read and that is compacted.
        """
        connectivity.check(self._kafka, _ACCESS_S)
        with TopicIds(self._kafka) as topic_ids:
            for topic in self._kafka.topics.all():
                self._wait_for_topic(topic, topic_ids)
            for topic in self._kafka.topics.consumed():
                if topic_ids.check_settings(topic):
                    self._packed.add(topic)

    def _wait_for_topic(self, topic: str, topic_ids: TopicIds) -> None:
        deadline = self._clock.monotonic() + _NEWS_S
        while not self._stopping.is_set():
            try:
                found = topic_ids.describe(topic)
            except Transient as problem:
                log.warning("wait_for_brokers", reason=problem, again_in_s=_RETRY_S)
                self._stopping.wait(_RETRY_S)
                connectivity.check(self._kafka, _ACCESS_S)
                deadline = self._clock.monotonic() + _NEWS_S
                continue
            if found is not None:
                return
            if self._clock.monotonic() > deadline:
                raise FatalError(
                    f"The topic {topic} does not exist.",
                    remedy="Make the topics with `trigger-worker topics create`.",
                )
            self._stopping.wait(0.2)

    def _wait_for_database(self) -> None:
        """Wait until the database answers.

        Raises `FatalError` when it refuses us, or is another one.

        Before the loops join their groups: a worker that cannot work, started again and again by
        its supervisor, would have the others' partitions move each time.
        """
        session = Session(self._engine, self._locks)
        try:
            while not self._stopping.is_set():
                try:
                    with session.transaction() as connection:
                        layout.check(connection)
                        check_structure(connection)
                    check_group(session, self._kafka, self._settings.consumer_group)
                except Transient as problem:
                    log.warning("wait_for_database", reason=problem, again_in_s=_RETRY_S)
                    self._stopping.wait(_RETRY_S)
                else:
                    self._say_what_views_say(session)
                    return
        finally:
            session.close()

    def _say_what_views_say(self, session: Session) -> None:
        """Log what is wrong with the first rows of the views; it costs the jobs that need them."""
        try:
            report = check_some_rows(session.snapshot, _VIEWS_MS)
        except Transient as problem:
            log.warning("platform_not_checked", reason=problem)
            return
        for finding in report.problems:
            log.warning(
                "platform_problem",
                fault=finding.fault,
                view=finding.view,
                column=finding.column,
                rows=finding.rows,
                reason=finding.message,
            )

    def _why_not_live(self) -> str | None:
        """A loop that does not turn for longer than the group waits should be started again."""
        oldest_s = self._clock.monotonic() - self._settings.max_poll_interval_ms / 1000
        for topic, figures in self._figures.items():
            if figures.turned_at is not None and figures.turned_s < oldest_s:
                return f"the loop of {topic} last turned at {figures.turned_at.isoformat()}"
        return None

    def _why_not_ready(self) -> str | None:
        reasons = (figures.why_not_ready() for figures in self._figures.values())
        return (
            self._locks.why_waiting()
            or next((each for each in reasons if each is not None), None)
            or self._why_not_live()
        )
