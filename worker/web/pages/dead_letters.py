"""Dead letters, for admins: what could not be read or stored, and why."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from worker.storage import letters
from worker.storage.letters import Choice
from worker.web.access import Administering
from worker.web.asking import console
from worker.web.pages.showing import show
from worker.web.words import marked

router = APIRouter(include_in_schema=False)

SIZE = 100
_ALL = Choice(with_replayed=True)
_HINT = marked(
    "`trigger-worker dlq show ID` shows one whole, `trigger-worker dlq replay ID` sends it again."
)


@router.get("/dead-letters")
def list_newest(request: Request, _admin: Administering) -> Response:
    """List the newest dead letters; their bytes are not shown."""
    with console(request).pool.snapshot() as connection:
        found = letters.described(connection, _ALL, limit=SIZE)
        counted = letters.chosen(connection, _ALL)
    values = {
        "letters": found,
        "total": counted.fresh + counted.replayed,
        "fresh": counted.fresh,
        "hint": _HINT,
    }
    return show(request, "dead_letters.html", values)
