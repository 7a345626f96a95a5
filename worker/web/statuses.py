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

    `height` is the status's bar in the small picture of the last outcomes, of 12: trouble is tall.
    """

    shape: str
    tone: str
    label: str
    height: int = 12


LOOKS: Mapping[str, Look] = {
    "trigger_failed": Look("cross", "bad", marked("Trigger failed")),
    "failed": Look("cross-circle", "bad", marked("Failed")),
    "rejected": Look("bar", "bad", marked("Rejected")),
    "no_answer": Look("bang", "warn", marked("No answer")),
    "dispatched": Look("arrow", "busy", marked("Dispatched"), 7),
    "accepted": Look("ring", "busy", marked("Accepted"), 7),
    "running": Look("dot", "busy", marked("Running"), 7),
    "succeeded": Look("check", "good", marked("Succeeded"), 7),
    "cancelled": Look("slash", "still", marked("Cancelled"), 7),
    "blank": Look("dash", "still", marked("Blank"), 3),
    "never_run": Look("dots", "still", marked("Never run"), 3),
}
OVERDUE = Look("clock", "warn", marked("Overdue"))


def look(status: str) -> Look:
    """How a status looks; one that we do not know is shown as it is called."""
    return LOOKS.get(status) or Look("dash", "still", status, 3)
