"""What the console needs of brokers, as whoever puts it together hands it in.

The console itself knows no broker (an import contract keeps it so).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection

from job_trigger_schemas import JobTrigger
from job_trigger_worker.dead_letters.replay_rules import Replayed
from job_trigger_worker.domain.signatures import Note
from job_trigger_worker.storage.read.dead_letters import DeadLetterFilter, Selection


class TriggerSender(Protocol):
    """Sends triggers to the trigger topic; threads may share one."""

    def send(
        self,
        triggers: Sequence[JobTrigger],
        *,
        traceparent: str | None = None,
        note: Note | None = None,
    ) -> None:
        """Return when the brokers have them all, within some seconds; each refers to the `note`.

        Raises `BrokersAway` when they do not: then none, some or all of them arrived, and sending
        the same ones again repeats harmlessly.
        """


class LetterReplayer(Protocol):
    """Sends dead letters again, to the topics that they came from; threads may share one."""

    def replay(
        self,
        choice: DeadLetterFilter,
        found: Selection,
        *,
        edited: bytes | None,
        note: Callable[[Connection, Mapping[int, str | None]], None],
    ) -> Replayed:
        """Send a choice's letters, as counted in `found`, and mark those that the brokers have.

        `note` is called in the transaction that marks them, with why each was not sent, or None.
        Raises `BrokersAway` when no broker answers within some seconds: then nothing was sent.
        """


class FailureTail(Protocol):
    """Tells when failures have appeared on the failure topic; never what they are.

    Whoever listens looks into the table then, and now and then anyway: while brokers are away
    nothing is told, and nothing is raised.
    """

    def begin(self, told: Callable[[], object]) -> None:
        """Call `told` from now on, from a thread of its own, some times a second at most."""

    def end(self) -> None:
        """Do so no more, from now on; does not wait for anything."""
