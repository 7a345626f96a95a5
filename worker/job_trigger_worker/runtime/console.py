"""The composition root of `trigger-worker console`."""

from __future__ import annotations

from job_trigger_worker.clock import SystemClock
from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared.state import Collaborators
from job_trigger_worker.console.shell.app import create_app
from job_trigger_worker.console.shell.probes import why_not_ready
from job_trigger_worker.console.shell.server import ConsoleServer
from job_trigger_worker.dead_letters.replay import Replayer
from job_trigger_worker.kafka.failure_topic_watcher import FailureTopicWatcher
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.trigger_publisher import LazyTriggerPublisher
from job_trigger_worker.runtime.listener import Listener
from job_trigger_worker.storage.db.pool import Pool


class ConsoleProcess:
    """The console of one process. `run` returns when `stop` was called.

    Raises `FatalError` for a database that refuses it, and `UsageError` for settings that cannot
    be; one that is away is waited for.
    """

    def __init__(self, settings: Settings) -> None:
        kafka = KafkaSettings.of(settings)
        self._pool = Pool(settings)
        self._pool.check()
        self._sender = LazyTriggerPublisher(kafka)
        self._tail = FailureTopicWatcher(kafka, settings)
        app = create_app(
            Collaborators(
                settings,
                self._pool,
                SystemClock(),
                self._sender,
                Replayer(settings, kafka),
                self._tail,
            )
        )
        self._server = ConsoleServer(app, settings, app.state.live.hub.end)
        self._listener = Listener(
            settings.console_metrics_listen,
            app.state.console.metrics.registry,
            setting="TRIGGER_WORKER_CONSOLE_METRICS_LISTEN",
            is_live=lambda: None,
            is_ready=lambda: why_not_ready(self._pool),
        )
        self.address = self._server.address

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            self._server.run()
        finally:
            self._listener.close()
            self._tail.end()
            self._sender.close()
            self._pool.close()

    def stop(self) -> None:
        """Have it end in order; a signal handler may call it."""
        self._server.stop()
