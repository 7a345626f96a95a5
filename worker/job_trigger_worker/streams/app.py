"""The Faust app: one agent on the failure topic, one table that lives in its changelog.

The table is written partition by partition from batches, which Faust's own `table[key] = …` cannot
(it knows the partition of the last event only), so changes go to the store and, with their
partition, to `send_changelog`. A batch is acknowledged when the changelog has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust

from job_trigger_worker.clock import Clock
from job_trigger_worker.errors import FatalError
from job_trigger_worker.logs import logger
from job_trigger_worker.streams.failures import Unreadable, read
from job_trigger_worker.streams.metrics import StreamsMetrics
from job_trigger_worker.streams.window_counts import CountResult, Counts, Key

log = logger(__name__)

_BATCH = 500
_BATCH_S = 0.25
_POLL = 1000
_BUFFERED = 4096
"""Events in memory. Where those of the only busy partition fill it, Faust sleeps for a second."""

_CHANGELOG_S = 60.0
_PRUNE_S = 10.0
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class StreamsConfig:
    """Names and times. `broker` is Faust's own: brokers and credentials."""

    broker: Mapping[str, Any]
    topic: str
    changelog: str
    group: str
    session_timeout_s: float
    rebalance_timeout_s: float
    metadata_interval_s: float
    data_folder: str


class FailureStreams:
    """Counts the failure topic. Built and run inside one event loop."""

    def __init__(self, config: StreamsConfig, metrics: StreamsMetrics, clock: Clock) -> None:
        self._topic = config.topic
        self._metrics = metrics
        self._clock = clock
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._app = _app(config)
        if not logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
            for name in ("faust", "mode"):  # what ends them is said by `run`, once
                logging.getLogger(name).setLevel(logging.CRITICAL)
        source = self._app.topic(
            config.topic, key_serializer="raw", value_serializer="raw", internal=False
        )
        self._table = self._app.Table(
            "failures",
            changelog_topic=self._app.topic(
                config.changelog, key_serializer="json", value_serializer="json", internal=False
            ),
            on_recover=self._recovered,
        )
        self._counts = Counts(self._table.data.data)
        self._app.agent(source, name="failures")(self._agent)
        self._app.timer(interval=_PRUNE_S)(self._prune)

    @property
    def is_ready(self) -> bool:
        """True while the counts are whole: read back from the changelog, and going on."""
        return bool(self._app.tables.actives_ready and not self._app.rebalancing)

    def windows(self) -> dict[str, Any]:
        """What `/windows` answers; only when ready."""
        return self._counts.windows(self._clock.now().timestamp(), self._partitions())

    async def run(self, stopping: asyncio.Event) -> None:
        """Count until `stopping` is set. Raises `FatalError` for anything else that ends it."""
        starting = asyncio.ensure_future(self._app.start())
        ends: list[asyncio.Future[Any]] = [
            self._failed,
            asyncio.ensure_future(stopping.wait()),
            asyncio.ensure_future(self._crash()),
        ]
        try:
            await asyncio.wait([starting, *ends], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in ends:
                if each.done():
                    each.result()
        except Exception as error:
            raise FatalError(
                f"The streams cannot go on: {type(error).__name__}: {error}.",
                remedy="Start them again; counts go on where the changelog ends.",
            ) from error
        finally:
            for each in (starting, *ends):
                each.cancel()
            await self._end()

    async def _crash(self) -> None:
        """Raise what ends any of Faust's services."""
        await self._app.wait_for_stopped(asyncio.Event())
        if self._app.crash_reason is not None:
            raise self._app.crash_reason

    async def _end(self) -> None:
        try:
            await asyncio.wait_for(self._app.stop(), _STOP_S)
        except TimeoutError:
            log.warning("stop_slowly", timeout_s=_STOP_S)

    async def _agent(self, stream: Any) -> None:
        try:
            async for events in stream.take_events(_BATCH, within=_BATCH_S):
                await self._count(events)
        except Exception as error:
            log.debug("agent_failed", exc_info=True)
            if not self._failed.done():
                self._failed.set_exception(error)

    async def _count(self, events: Sequence[Any]) -> None:
        now_s = self._clock.now().timestamp()
        changed: dict[Key, None] = {}
        unreadable: list[str] = []
        for event in events:
            message = event.message
            try:
                failure = read(message.value)
            except Unreadable as problem:
                unreadable.append(
                    f"partition={message.partition} offset={message.offset} {problem}"
                )
                continue
            fate, keys = self._counts.add(failure, message.partition, message.offset, now_s)
            self._metrics.events.labels(fate.value).inc()
            if fate in (CountResult.COUNTED, CountResult.CUT):
                self._metrics.lag.observe(max(0.0, now_s - failure.failed_s))
            changed.update(dict.fromkeys(keys))
        if unreadable:
            self._metrics.events.labels("unreadable").inc(len(unreadable))
            log.warning("unreadable_failures", count=len(unreadable), first=unreadable[0])
        data = self._table.data.data
        sent = [self._table.send_changelog(key[0], key, data[key]) for key in changed]
        if sent:
            await asyncio.wait_for(asyncio.gather(*sent), _CHANGELOG_S)
        self._observe()

    async def _recovered(self) -> None:
        await self._prune()
        log.info("changelog_recovered", buckets=len(self._table.data.data), jobs=self._counts.jobs)

    async def _prune(self) -> None:
        self._counts.prune(self._clock.now().timestamp())
        self._observe()

    def _observe(self) -> None:
        self._metrics.buckets.set(len(self._table.data.data))
        self._metrics.jobs.set(self._counts.jobs)
        self._metrics.partitions.set(len(self._partitions()))

    def _partitions(self) -> frozenset[int]:
        assigned = self._app.consumer.assignment()
        return frozenset(each.partition for each in assigned if each.topic == self._topic)


def _app(config: StreamsConfig) -> Any:
    return faust.App(
        config.group,
        **config.broker,
        datadir=config.data_folder,
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=int(config.metadata_interval_s * 1000),
        broker_client_id="job-trigger-worker",
        broker_commit_interval=1.0,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=config.session_timeout_s / 10,
        broker_rebalance_timeout=config.rebalance_timeout_s,
        broker_max_poll_records=_POLL,
        stream_buffer_maxsize=_BUFFERED,
        stream_wait_empty=False,
    )
