"""What a job was saved with, as far as it can be read without any inventory."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field

from job_trigger_worker.console.shared.presenters import shorten
from job_trigger_worker.console.shared.state import Console
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.parameter import MAX_CHARACTERS, Problem, parse
from job_trigger_worker.domain.platform_views import TYPES
from job_trigger_worker.domain.verdict import Target
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.storage.read.job_parameter import (
    limit_statements,
    read_parameter,
    read_targets,
)

MOST_TARGETS = 60
_STATEMENT_SHARE = 4 / 9
"""Each of two reads gets this part of the time that a page waits for the inventory."""
_LONGEST_JSON = 5_000


@dataclass(frozen=True, slots=True)
class Saved:
    """Targets, at most as many of `count` as asked for, and the parameter.

    `parameter` has what is secret hidden and is cut for a page; `raw` is as saved, and shown to
    nobody. `is_read` is False where the parameter could not be read, `is_known` where neither it
    nor the targets could. `is_clear` is False where what was read is no parameter of a job of this
    type, or where nothing was: then there may be more targets than these.
    """

    targets: tuple[Target, ...] = ()
    count: int = 0
    parameter: str | None = None
    raw: str | None = field(default=None, repr=False)
    is_read: bool = True
    is_known: bool = True
    is_clear: bool = True


def read_saved(console: Console, job_id: int, job_type: str, *, most: int = MOST_TARGETS) -> Saved:
    """Read it: from the parameter, else from what the platform lists. Never raises for a view."""
    try:
        with console.pool.snapshot() as connection:
            limit_statements(connection, _statement_ms(console))
            parameter = read_parameter(connection, job_id)
    except TriggerWorkerError:
        return _listed(console, job_id, most)
    targets, problems = parse(job_type, parameter)
    shown = None if parameter is None else _shown(console, parameter)
    is_clear = job_type in TYPES and not any(map(_is_of_shape, problems))
    return Saved(targets[:most], len(targets), shown, parameter, is_clear=is_clear)


def _statement_ms(console: Console) -> int:
    return int(console.inventory_limit_s * 1000 * _STATEMENT_SHARE)


def _is_of_shape(problem: Problem) -> bool:
    """Whether a problem leaves open which targets there are; there are none where nothing is."""
    is_absent = problem.objects["reason"] == "absent"
    return problem.code is FailureCode.PARAMETER_INVALID and not is_absent


def _listed(console: Console, job_id: int, most: int) -> Saved:
    try:
        with console.pool.snapshot() as connection:
            limit_statements(connection, _statement_ms(console))
            rows = read_targets(connection, job_id, most=most + 1)
    except TriggerWorkerError:
        return Saved(is_read=False, is_known=False)
    targets = tuple(
        Target(row.server_id, None, row.account or "", None, row.node_id)
        for row in rows
        if row.server_id is not None
    )
    return Saved(targets[:most], len(targets), is_read=False, is_clear=bool(targets))


def _shown(console: Console, parameter: str) -> str:
    if len(parameter) > MAX_CHARACTERS:
        return ""
    hidden = console.masker.text(parameter)
    with suppress(ValueError, RecursionError):
        hidden = json.dumps(json.loads(hidden), ensure_ascii=False, indent=2)
    return shorten(hidden, _LONGEST_JSON)
