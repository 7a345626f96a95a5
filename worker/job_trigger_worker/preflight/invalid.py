"""`inventory_invalid`: a row of a view has a value that is not allowed (design 7).

Nothing is started then, and the finding names the object, the view and the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from job_trigger_worker.domain.cause import cause
from job_trigger_worker.domain.codes import FailureCode
from job_trigger_worker.domain.inventory import (
    ROWS,
    Grant,
    JobType,
    Unclear,
    UnclearColumns,
    unclear,
)
from job_trigger_worker.domain.truncation import truncate
from job_trigger_worker.domain.verdict import Finding

Objects = dict[str, str | int | None]
"""What a finding names, by stable names; ids are texts."""

_CODE = FailureCode.INVENTORY_INVALID
_LONGEST_VALUE = 120


def is_unclear(columns: UnclearColumns, column: str) -> bool:
    """True when this column of a row says something that is not allowed, or several things."""
    return any(fault.column in {column, ROWS} for fault in unclear(columns))


def objects_of(view: str, kind: str, fault: Unclear) -> Objects:
    """What is wrong with a row; `kind` is of what, as the sentences know it."""
    value = fault.value if fault.value is None else truncate(fault.value, _LONGEST_VALUE)
    return {"reason": kind, "view": view, "column": fault.column, "value": value}


def finding(
    view: str, kind: str, fault: Unclear, key: Mapping[str, int], objects: Objects
) -> Finding:
    """The finding of a row that is named by `key`, which is the root, and by `objects`."""
    return Finding(_CODE, objects | objects_of(view, kind, fault), cause(_CODE, view=view, **key))


def may_be(
    grant: Grant, job_type: str, target_id: int, owner_id: int, group_ids: Sequence[int]
) -> bool:
    """Whether an unclear grant may be one of this target to the owner or one of their groups."""
    principals: Sequence[int] = (owner_id, *group_ids)
    if grant.principal_kind in {"user", "group"}:
        principals = (owner_id,) if grant.principal_kind == "user" else group_ids
    return (
        grant.target_id == target_id
        and grant.principal_id in principals
        and (grant.job_type == job_type or grant.job_type not in set(JobType))
    )
