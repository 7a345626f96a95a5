"""What can go wrong, and what the caller has to do about it.

An error's class is the answer to 'what now?': `Transient` is tried again, `Refused` concerns one
row and is isolated, `Fenced` gives the partition up, `FatalError` ends the process with exit 1.
Expected outcomes (failed, duplicate, dead-lettered) are values, not errors.
"""

from __future__ import annotations

from typing import NamedTuple


class TriggerWorkerError(Exception):
    """Base of everything raised on purpose: one sentence that names the object and its value.

    `remedy` says what a person can do; it is shown after the sentence.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class Transient(TriggerWorkerError):
    """The world is away for a moment: roll back, back off, try the same again."""


class Unknown(Transient):
    """A fact could not be read, so there is no verdict; never a finding (promise 6)."""


class ViewRaised(Unknown):
    """A view of the platform raised for the values of some row, which may concern few jobs.

    `view` is its name, `sqlstate` what the database raised, and `words` what it said; they may
    hold a value of that row, so they are for the log alone.
    """

    def __init__(self, view: str, sqlstate: str, words: str) -> None:
        super().__init__(f"The view {view} cannot be read ({sqlstate}): {words}.")
        self.view = view
        self.sqlstate = sqlstate
        self.words = words


class Locked(Transient):
    """A lock that somebody else holds was waited for in vain: no session ended, nothing is lost.

    `add` who it is, once that is known.
    """

    def add(self, words: str) -> None:
        """Say more: a sentence."""
        self.message = f"{self.message} {words}"


class JobsLocked(Locked):
    """Nobody may change the platform's jobs now: what they show (R3) has to come later."""


class JobsRefused(TriggerWorkerError):
    """The database lets nobody change any of the platform's jobs: what they show comes later."""


class ClockWrong(Unknown):
    """This machine's clock cannot be believed, so it is not known what is too late or too early."""


class ConnectionLost(Transient):
    """A database session ended; whether its last commit happened is not known.

    Every partition has to be taken again before anything else is written.
    """


class Fenced(TriggerWorkerError):
    """A ledger row has another epoch than ours: somebody else owns the partition now."""


class Refusal(NamedTuple):
    """What refused a write, as far as the database says: the same for every row that it refuses.

    `sqlstate` is None where the driver refused the value before the database saw it.
    """

    sqlstate: str | None
    constraint: str | None = None
    table: str | None = None
    column: str | None = None


class Refused(TriggerWorkerError):
    """The database refused the values of a write; whose fault that is, `storage.isolation` finds.

    `refusal` says what refused them.
    """

    def __init__(self, message: str, refusal: Refusal, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.refusal = refusal


class NotTaken(TriggerWorkerError):
    """The platform refuses a change of a job (`console_job_write`); nothing is saved.

    `said` is what it raised for people to read, None where what refused it spoke to nobody: a
    constraint, a cast. `sqlstate` and `message` are for the log.
    """

    def __init__(self, message: str, *, sqlstate: str, said: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.said = said


class Unwritable(Transient):
    """The database refuses every write: the triggers are not to blame, and a person has to act.

    Nothing is written or acknowledged meanwhile; the worker goes on as soon as it can.
    """


class FatalError(TriggerWorkerError):
    """Going on would be wrong: say so and exit 1, so that a supervisor or a person acts."""


class UsageError(TriggerWorkerError):
    """The command was called with something that cannot be; exit 2."""


class LimitExceeded(UsageError):
    """This is answered for fewer only; `remedy` says how to choose fewer."""


class BrokersAway(Transient):
    """No broker took what was sent, or said so: it may have arrived, so send the same again."""
