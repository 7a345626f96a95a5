"""The composition root of `trigger-worker console`."""

from __future__ import annotations

from worker.clock import SystemClock
from worker.config import Settings
from worker.dead_letters import Replayer
from worker.kafka.sender import Sender
from worker.kafka.settings import KafkaSettings
from worker.kafka.tail import Tail
from worker.storage.pool import Pool
from worker.web.app import create_app
from worker.web.server import ConsoleServer
from worker.web.state import Collaborators


class ConsoleProcess:
    """The console of one process. `run` returns when `stop` was called.

    Raises `Stop` for a database that refuses it, and `Misused` for settings that cannot be; one
    that is away is waited for.
    """

    def __init__(self, settings: Settings) -> None:
        kafka = KafkaSettings.of(settings)
        self._pool = Pool(settings)
        self._pool.check()
        self._sender = Sender(kafka)
        self._tail = Tail(kafka, settings)
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
        self._server = ConsoleServer(app, settings, app.state.console.hub.end)
        self.address = self._server.address

    def run(self) -> None:
        """Serve until told to stop."""
        try:
            self._server.run()
        finally:
            self._tail.end()
            self._sender.close()
            self._pool.close()

    def stop(self) -> None:
        """Have it end in order; a signal handler may call it."""
        self._server.stop()
