"""How each status looks: a shape and a colour, so that nobody depends on one of them alone.

The statuses are those of SCREENS: the combined status of a job or of a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from job_trigger_worker.console.shared.texts import gettext_noop


@dataclass(frozen=True, slots=True)
class Badge:
    """`shape` is a symbol of `shapes.html`, `tone` a colour of the stylesheet.

    The small picture of the last outcomes has one form a tone, of its own height: trouble is tall.
    """

    shape: str
    tone: str
    label: str


LOOKS: Mapping[str, Badge] = {
    "trigger_failed": Badge("cross", "bad", gettext_noop("Trigger failed")),
    "failed": Badge("cross-circle", "bad", gettext_noop("Failed")),
    "rejected": Badge("bar", "bad", gettext_noop("Rejected")),
    "no_answer": Badge("bang", "warn", gettext_noop("No answer")),
    "dispatched": Badge("arrow", "busy", gettext_noop("Dispatched")),
    "accepted": Badge("ring", "busy", gettext_noop("Accepted")),
    "running": Badge("dot", "busy", gettext_noop("Running")),
    "succeeded": Badge("check", "good", gettext_noop("Succeeded")),
    "cancelled": Badge("slash", "still", gettext_noop("Cancelled")),
    "other": Badge("ask", "still", gettext_noop("Other")),
    "blank": Badge("dash", "still", gettext_noop("Blank")),
    "never_run": Badge("dots", "still", gettext_noop("Never run")),
}
OVERDUE = Badge("clock", "warn", gettext_noop("Overdue"))


def badge(status: str) -> Badge:
    """How a status looks; one that we do not know is shown as it is called."""
    return LOOKS.get(status) or Badge("dash", "still", status)
