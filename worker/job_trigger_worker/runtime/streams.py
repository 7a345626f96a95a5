"""The process: the listener from the beginning, the topics when the brokers answer, then Faust."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from job_trigger_worker.clock import Clock
from job_trigger_worker.errors import FatalError, Transient
from job_trigger_worker.logs import logger
from job_trigger_worker.runtime.listener import Listener
from job_trigger_worker.streams.app import FailureStreams, StreamsConfig
from job_trigger_worker.streams.changelog import Changelog
from job_trigger_worker.streams.metrics import StreamsMetrics

log = logger(__name__)

T = TypeVar("T")

_RETRY_S = 1.0
_ACCESS_S = 3.0
_WINDOWS_S = 10.0


class StreamsProcess:
    """Serves until `stop`. `stop` may be called from a signal handler, also before `run`."""

    def __init__(
        self,
        config: StreamsConfig,
        changelog: Changelog,
        listen: str,
        clock: Clock,
        *,
        check_access: Callable[[float], None],
        check_rights: Callable[[], None],
    ) -> None:
        """Two questions that raise `FatalError`, one before the topics are looked at and one after.

        `check_access`, within so many seconds: do brokers let us in? `check_rights`: may we do what
        we have to?
        """
        self._config = config
        self._check_access = check_access
        self._check_rights = check_rights
        self._changelog = changelog
        self._listen = listen
        self._clock = clock
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._metrics = StreamsMetrics(registry)
        self._streams: FailureStreams | None = None
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Have it end in order."""
        self._is_stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self) -> None:
        """Count failures until told to stop; raises `FatalError` for what waiting cannot fix."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._is_stopping:
            return
        listener = Listener(
            self._listen,
            self._metrics.registry,
            setting="TRIGGER_WORKER_STREAMS_LISTEN",
            is_live=lambda: None,
            is_ready=self._why_not_ready,
            pages={"/windows": self._read_windows},
        )
        try:
            try:
                if not await self._prepare():
                    return
            finally:
                await asyncio.get_running_loop().run_in_executor(None, self._changelog.close)
            with tempfile.TemporaryDirectory(prefix="trigger-worker-streams-") as folder:
                config = replace(self._config, data_folder=folder)
                self._streams = FailureStreams(config, self._metrics, self._clock)
                await self._streams.run(self._stopping)
        finally:
            listener.close()

    async def _prepare(self) -> bool:
        """Wait for the brokers and make the changelog; False when told to stop meanwhile."""
        partitions = await self._patiently(self._partitions)
        if self._is_stopping:
            return False
        if not partitions:
            raise FatalError(
                f"The topic {self._config.topic} does not exist.",
                remedy="Make the topics with `trigger-worker topics create`.",
            )
        await self._patiently(lambda: self._changelog.ensure(partitions))
        await self._patiently(self._check_rights)
        return not self._is_stopping

    def _partitions(self) -> int | None:
        self._check_access(_ACCESS_S)
        return self._changelog.partitions(self._config.topic)

    async def _patiently(self, ask: Callable[[], T]) -> T | None:
        while not self._is_stopping:
            try:
                return await asyncio.get_running_loop().run_in_executor(None, ask)
            except Transient as problem:
                log.warning("wait_for_brokers", reason=problem, again_in_s=_RETRY_S)
            try:
                await asyncio.wait_for(self._stopping.wait(), _RETRY_S)
            except TimeoutError:
                continue
        return None

    def _read_windows(self) -> dict[str, Any]:
        """What the windows hold, read where they are changed: in the loop of the streams."""
        if self._loop is None:
            return {}
        return asyncio.run_coroutine_threadsafe(self._windows(), self._loop).result(_WINDOWS_S)

    async def _windows(self) -> dict[str, Any]:
        return self._streams.windows() if self._streams else {}

    def _why_not_ready(self) -> str | None:
        if self._streams is None:
            return "waits for the brokers"
        if not self._streams.is_ready:
            return "waits for its partitions, or reads the changelog"
        return None
