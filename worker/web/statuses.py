"""How each status looks: a shape and a colour, so that neither alone has to be told apart.

The statuses are those of SCREENS: the combined status of a job or of a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.web.words import marked


@dataclass(frozen=True, slots=True)
class Look:
    """`shape` is a symbol of `shapes.html`, `tone` a colour of the stylesheet.

    The small picture of the last outcomes has one form a tone, of its own height: trouble is tall.
    """

    shape: str
    tone: str
    label: str


LOOKS: Mapping[str, Look] = {
    "trigger_failed": Look("cross", "bad", marked("Trigger failed")),
    "failed": Look("cross-circle", "bad", marked("Failed")),
    "rejected": Look("bar", "bad", marked("Rejected")),
    "no_answer": Look("bang", "warn", marked("No answer")),
    "dispatched": Look("arrow", "busy", marked("Dispatched")),
    "accepted": Look("ring", "busy", marked("Accepted")),
    "running": Look("dot", "busy", marked("Running")),
    "succeeded": Look("check", "good", marked("Succeeded")),
    "cancelled": Look("slash", "still", marked("Cancelled")),
    "other": Look("ask", "still", marked("Other")),
    "blank": Look("dash", "still", marked("Blank")),
    "never_run": Look("dots", "still", marked("Never run")),
}
OVERDUE = Look("clock", "warn", marked("Overdue"))


def look(status: str) -> Look:
    """How a status looks; one that we do not know is shown as it is called."""
    return LOOKS.get(status) or Look("dash", "still", status)
