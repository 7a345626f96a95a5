"""What `TriggerPublisher` and `FailureReader` raise, and what to do then."""

from __future__ import annotations


class JobTriggerError(Exception):
    """One sentence that names the object and its value; `remedy` says what a person can do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class BrokersAway(JobTriggerError):
    """No broker answers in time: try again later."""


class NotAuthorized(JobTriggerError):
    """The brokers refuse a password or a right: a person has to act."""


class TopicMissing(JobTriggerError):
    """The topic does not exist: a person has to create it or name another one."""
