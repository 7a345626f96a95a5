"""What `FailureReader` reports while it keeps reading."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is not a `TriggerFailure`; it is passed."""

    topic: str
    partition: int
    offset: int
    reason: str
    value: bytes | None = field(repr=False)

    def __str__(self) -> str:
        where = f"Offset {self.offset} of {self.topic}/{self.partition}"
        return f"{where} is not a failure: {self.reason}."


@dataclass(frozen=True, slots=True)
class PositionLost:
    """The log no longer has the group's position; reading goes on where it begins."""

    topic: str
    partition: int
    position: int
    begins_at: int

    def __str__(self) -> str:
        where = f"{self.topic}/{self.partition}"
        if self.begins_at > self.position:
            last = self.begins_at - 1
            return f"Failures at {self.position} to {last} of {where} were deleted unread."
        return (
            f"{where} is no longer what this group had read up to {self.position}: it was made "
            f"again, or cut off. It is read from {self.begins_at} on."
        )


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing can be read at present; the reader keeps trying."""

    reason: str

    def __str__(self) -> str:
        return f"No failure can be read at present: {self.reason}"


Problem = Unreadable | PositionLost | Outage
