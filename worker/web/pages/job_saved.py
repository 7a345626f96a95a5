"""What a job was saved with, as far as it can be read without any inventory."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.domain.parameter import MAX_CHARACTERS, parse
from worker.domain.verdict import Target
from worker.errors import TriggerWorkerError
from worker.storage.saved import limit_statements, read_parameter, read_targets
from worker.web.pages.showing import short

if TYPE_CHECKING:
    from worker.web.app import Console

MOST_TARGETS = 60
_STATEMENT_MS = 800
_LONGEST_JSON = 5_000


@dataclass(frozen=True, slots=True)
class Saved:
    """Targets, at most sixty of `count`, and the parameter with what is secret hidden.

    `is_known` is False where neither could be read.
    """

    targets: tuple[Target, ...] = ()
    count: int = 0
    parameter: str | None = None
    is_known: bool = True


def read_saved(console: Console, job_id: int, job_type: str) -> Saved:
    """Read it: from the parameter, else from what the platform lists. Never raises for a view."""
    try:
        with console.pool.snapshot() as connection:
            limit_statements(connection, _STATEMENT_MS)
            parameter = read_parameter(connection, job_id)
    except TriggerWorkerError:
        return _listed(console, job_id)
    targets = parse(job_type, parameter).targets
    shown = None if parameter is None else _shown(console, parameter)
    return Saved(targets[:MOST_TARGETS], len(targets), shown)


def _listed(console: Console, job_id: int) -> Saved:
    try:
        with console.pool.snapshot() as connection:
            limit_statements(connection, _STATEMENT_MS)
            rows = read_targets(connection, job_id, most=MOST_TARGETS + 1)
    except TriggerWorkerError:
        return Saved(is_known=False)
    targets = tuple(
        Target(row.server_id, None, row.account or "", None, row.node_id)
        for row in rows
        if row.server_id is not None
    )
    return Saved(targets[:MOST_TARGETS], len(targets))


def _shown(console: Console, parameter: str) -> str:
    if len(parameter) > MAX_CHARACTERS:
        return ""
    hidden = console.masker.text(parameter)
    with suppress(ValueError, RecursionError):
        hidden = json.dumps(json.loads(hidden), ensure_ascii=False, indent=2)
    return short(hidden, _LONGEST_JSON)
