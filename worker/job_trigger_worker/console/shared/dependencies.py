"""What every route reads of its request: who may see what, and for which moment."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request

from job_trigger_worker.console.shared import problems
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import AsOf, Scope
from job_trigger_worker.domain.trigger import MAX_ID

_UUID_LENGTH = 36


def console(request: Request) -> Console:
    """What routes work with."""
    found: Console = request.app.state.console
    return found


def scope_of(viewer: Principal) -> Scope:
    """The jobs of their groups; everything for an admin (R10)."""
    return Scope(None if viewer.sees_all_jobs else viewer.group_ids)


def as_of(request: Request) -> AsOf:
    """Now, and what counts as silence now."""
    made = console(request)
    return AsOf(made.clock.now(), made.settings.no_answer_after_s)


def uuid_of(written: str) -> UUID | None:
    """A UUID out of an address or a field, in its usual form; None for anything else."""
    try:
        return UUID(written) if len(written) == _UUID_LENGTH else None
    except ValueError:
        return None


def id_of(written: str) -> int:
    """An id out of an address; what can be none is not there, like one that does not exist."""
    if written.isascii() and written.isdigit() and len(written) <= len(str(MAX_ID)):
        number = int(written)
        if 0 < number <= MAX_ID:
            return number
    raise problems.not_found()
