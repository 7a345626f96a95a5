"""Why a change is refused, in words (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.problems import Problem, Refusal
from job_trigger_worker.console.shared.texts import Words, gettext_noop


@dataclass(frozen=True)
class Extended(Problem):
    """A problem that says more than the usual members."""

    more: Mapping[str, Any] = field(default_factory=dict)

    def said(self, words: Words) -> dict[str, Any]:
        """The problem details, in the words of a language."""
        return {**Problem.said(self, words), **self.more}


def read_only() -> Refusal:
    """The platform has no view for edits, or does not have the job in it."""
    return Refusal(
        Problem(
            HTTPStatus.CONFLICT,
            "read-only",
            gettext_noop("This job can only be changed on the platform"),
            gettext_noop("The platform does not let the console change it. Nothing was changed."),
            gettext_noop("Change it there; the console shows it as soon as it is saved."),
        )
    )


def is_off() -> Refusal:
    """A run of a job that is switched off."""
    return Refusal(
        Problem(
            HTTPStatus.CONFLICT,
            "job-disabled",
            gettext_noop("This job is switched off"),
            gettext_noop(
                "A run would not start: it would be recorded as failed. Nothing was sent."
            ),
            gettext_noop(
                "Enable the job first, or ask again with confirm=true for the record alone."
            ),
        )
    )


def no_version() -> Refusal:
    """An edit that does not say which version it is of."""
    return Refusal(
        Problem(
            HTTPStatus.PRECONDITION_REQUIRED,
            "version-needed",
            gettext_noop("The edit does not say which version it changes"),
            gettext_noop("Without If-Match it could undo somebody else's change."),
            gettext_noop("Read the job, and send its ETag as If-Match."),
        )
    )


def overtaken(yours: Mapping[str, Any], theirs: Mapping[str, Any], version: int) -> Refusal:
    """Somebody else has changed the job since it was read: both versions."""
    return Refusal(
        Extended(
            HTTPStatus.PRECONDITION_FAILED,
            "overtaken",
            gettext_noop("Somebody else has changed this job in the meantime"),
            gettext_noop("It is at version %(version)s now. Your edit was not saved."),
            gettext_noop(
                "Compare `yours` and `theirs`, and send yours again with the new version."
            ),
            {"version": version},
            more={"yours": dict(yours), "theirs": dict(theirs), "version": version},
        )
    )


def busy() -> Refusal:
    """A job that others change all the time."""
    return Refusal(
        Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "busy",
            gettext_noop("Other people are changing this job right now"),
            gettext_noop("They saved first each time. Your edit was not saved."),
            gettext_noop("Try again in a few seconds."),
            retry_after_s=1,
        )
    )


def would_fail(findings: Sequence[Mapping[str, Any]]) -> Refusal:
    """An edit of a job that is switched on, and could not start as edited."""
    return Refusal(
        Extended(
            HTTPStatus.CONFLICT,
            "preflight-failed",
            gettext_noop("The job could not start with these changes"),
            gettext_noop("It is switched on, and preflight fails. Nothing was saved."),
            gettext_noop("Correct it, or send it again with `confirm` true to save it anyway."),
            more={"findings": list(findings)},
        )
    )


def invalid(faults: Mapping[str, str]) -> Refusal:
    """Fields that cannot be saved, each with why, in words already."""
    return problems.invalid(
        *({"name": name, "message": message} for name, message in faults.items())
    )


def no_rows() -> Refusal:
    """A parameter that cannot be taken apart into targets."""
    return Refusal(
        Problem(
            HTTPStatus.CONFLICT,
            "targets-unreadable",
            gettext_noop("These targets can only be changed on the platform"),
            gettext_noop("The parameter is not in the form that jobs of this type have."),
            gettext_noop(
                "Correct the parameter there. Name, schedule and time zone can be changed here."
            ),
        )
    )
