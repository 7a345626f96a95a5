"""The names of the six topics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics under one prefix; `Topics.under("awp")` has those of README.md."""

    triggers: str
    dispatch_action: str
    dispatch_orch: str
    failures: str
    statuses: str
    dead_letters: str

    @classmethod
    def under(cls, prefix: str) -> Topics:
        """The six names that begin with `prefix` and a dot."""
        return cls(
            triggers=f"{prefix}.job.triggers.v1",
            dispatch_action=f"{prefix}.dispatch.action.v1",
            dispatch_orch=f"{prefix}.dispatch.orch.v1",
            failures=f"{prefix}.job.trigger-failures.v1",
            statuses=f"{prefix}.execution.status.v1",
            dead_letters=f"{prefix}.job.triggers.dlq.v1",
        )

    def consumed(self) -> tuple[str, ...]:
        """What the worker reads."""
        return (self.triggers, self.statuses)

    def outcomes(self) -> tuple[str, ...]:
        """Where the worker sends outcome events."""
        return (self.dispatch_action, self.dispatch_orch, self.failures)

    def all(self) -> tuple[str, ...]:
        """All six."""
        return (*self.consumed(), *self.outcomes(), self.dead_letters)
