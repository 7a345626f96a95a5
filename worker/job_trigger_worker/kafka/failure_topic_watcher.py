"""Watches the failure topic for the live page: that something appeared, never what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from job_trigger_worker.config import Settings
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.kafka.errors import describe
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.shutdown import close_client
from job_trigger_worker.kafka.topic_ids import TopicDescription, TopicIds
from job_trigger_worker.logs import logger

log = logger(__name__)

_WAIT_S = 0.5
_REST_S = 0.2
"""One word for all that appears within it."""

_SLICE = 1_000
_LOOK_S = 2.0
_AWAY_S = 5.0


class FailureTopicWatcher:
    """Reads the end of the failure topic in a thread of its own, while somebody listens.

    It is no member of a group and commits nothing: every partition is read from its end. Partitions
    that are added, and a topic made again, are noticed at the metadata interval. While brokers are
    away it keeps trying, with one log line a change: whoever listens has the table. `begin` and
    `end` are called by one thread.
    """

    def __init__(self, kafka: KafkaSettings, settings: Settings) -> None:
        self._kafka = kafka
        self._topic = kafka.topics.failures
        self._group = settings.consumer_group
        self._look_s = settings.metadata_interval_ms / 1000
        self._listening: _Listening | None = None

    def begin(self, told: Callable[[], object]) -> None:
        """Call `told` whenever failures have appeared."""
        self.end()
        self._listening = _Listening(told)
        # Nobody waits for a thread that waits for brokers.
        thread = Thread(target=self._run, args=(self._listening,), name="tail", daemon=True)
        thread.start()

    def end(self) -> None:
        """Stop doing so; the thread ends by itself within seconds."""
        if self._listening is not None:
            self._listening.end()
            self._listening = None

    def _run(self, listening: _Listening) -> None:
        state = _State(self._topic)
        consumer = self._consumer(state)
        known: TopicDescription | None = None
        try:
            with TopicIds(self._kafka, deadline_s=_LOOK_S) as ids:
                while not listening.is_over.is_set():
                    found = self._describe(ids, state)
                    if found is not None and found != known:
                        consumer.assign(
                            [
                                TopicPartition(self._topic, p, OFFSET_END)
                                for p in range(found.partitions)
                            ]
                        )
                    known = found or known
                    wait_s = self._look_s if found else min(_AWAY_S, self._look_s)
                    _read(consumer, listening, wait_s, state)
        finally:
            close_client("consumer of the live page", consumer.close)

    def _describe(self, ids: TopicIds, state: _State) -> TopicDescription | None:
        try:
            found = ids.describe(self._topic)
        except (Transient, FatalError) as error:
            state.say(str(error))
            return None
        state.say("" if found else "There is no such topic.")
        return found

    def _consumer(self, state: _State) -> Consumer:
        return Consumer(
            {
                **self._kafka.confluent(),
                "group.id": self._group,  # it takes one; nothing is asked of the group
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # A topic made again is shorter than where we were.
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                # Only that something came matters, so hardly anything is held.
                "queued.min.messages": 100,
                "queued.max.messages.kbytes": 1024,
                "max.partition.fetch.bytes": 64 * 1024,
                "reconnect.backoff.max.ms": 2000,
                "error_cb": state.note,
                "log_level": 2,
            },
            logger=logging.getLogger(__name__),
        )


class _Listening:
    """A listener, until it `is_over`; it is not called any more once `end` has returned."""

    def __init__(self, told: Callable[[], object]) -> None:
        self.is_over = Event()
        self._told = told
        self._lock = Lock()

    def tell(self) -> None:
        with self._lock:
            if not self.is_over.is_set():
                self._told()

    def end(self) -> None:
        with self._lock:
            self.is_over.set()


class _State:
    """Whether the topic can be read; a log line when that changes."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._trouble: str | None = None

    def say(self, trouble: str) -> None:
        """Without trouble it is read."""
        if self._trouble is None or bool(trouble) != bool(self._trouble):
            if trouble:
                log.warning("failure_topic", topic=self._topic, state="away", reason=trouble)
            else:
                log.info("failure_topic", topic=self._topic, state="reading")
        self._trouble = trouble

    def note(self, error: KafkaError) -> None:
        """What librdkafka complains about meanwhile; most of it passes by itself."""
        log.debug("failure_topic", topic=self._topic, error=describe(error))


def _read(consumer: Consumer, listening: _Listening, longest_s: float, state: _State) -> None:
    """Tell of what appears, for so long or until it is over."""
    over = listening.is_over
    turns = max(1, round(longest_s / _WAIT_S))
    for _ in range(turns):
        if over.is_set():
            return
        try:
            found = consumer.consume(1, _WAIT_S)
            found += consumer.consume(_SLICE, 0) if found else []
        except KafkaException as error:
            state.say(str(error.args[0]))
            over.wait(_WAIT_S)
            continue
        for fault in [each.error() for each in found]:
            if fault is not None:
                state.note(fault)
        if any(each.error() is None for each in found):
            listening.tell()
            over.wait(_REST_S)
