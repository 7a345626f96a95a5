"""Edit a job: name, schedule, time zone, targets (R6)."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from job_trigger_worker.console.jobs.detail import json as now
from job_trigger_worker.console.jobs.edit import checking, draft
from job_trigger_worker.console.jobs.edit import view as edit
from job_trigger_worker.console.jobs.edit.draft import Edits, Row
from job_trigger_worker.console.jobs.edit.view import OpenedEdit, RequestedEdit
from job_trigger_worker.console.jobs.json import JobId
from job_trigger_worker.console.shared import etags, findings, models, refusals
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of
from job_trigger_worker.console.shared.etags import IfMatch
from job_trigger_worker.console.shared.models import changes as change_models
from job_trigger_worker.console.shared.permissions import Administering
from job_trigger_worker.console.shared.problems import Refusal
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain import slots
from job_trigger_worker.domain.inventory import JobType

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

_NO_NODE = gettext_noop("The job has no such node.")
_MOST_FINDINGS = 100


@router.patch("/{job_id}", responses=models.problems(400, 404, 409, 412, 413, 428))
def edit_job(
    request: Request,
    response: Response,
    admin: Administering,
    job_id: JobId,
    asked: change_models.JobEdit,
    if_match: IfMatch = None,
) -> change_models.JobEdited:
    """Change name, schedule, time zone or targets; all else in the parameter stays as it is.

    `If-Match` is needed: 412 has both versions when somebody else was faster. A job that is
    switched on and could not start as edited is saved with `confirm` only (409 has the findings);
    where preflight could not be done in time it is saved, and the answer says `unknown`.
    """
    number, at, words = id_of(job_id), as_of(request), words_of(request)
    if if_match is None:
        raise refusals.no_version()
    made = console(request)
    _, opened = edit.open_job(made, admin, at, number)
    if opened is None:
        raise refusals.read_only()
    expected = etags.named(if_match)
    if expected is not None and opened.saved.version not in expected:
        raise _overtaken(opened, asked)
    wanted = _wanted(opened, asked, words)
    faults = checking.of_fields(opened.saved, wanted, at.now, words)
    if faults:
        raise refusals.invalid(faults)
    live = made.preflight.finish(edit.begin(made, admin, opened, wanted.edits))
    changed = edit.columns(opened, wanted, live)
    removed, added = edit.target_changes(opened, wanted.edits)
    version, is_saved = opened.saved.version, False
    if changed and not asked.dry_run:
        if opened.saved.is_enabled and live.result == "failed" and not asked.confirm:
            told = [findings.answer_live(each, words) for each in live.findings[:_MOST_FINDINGS]]
            raise refusals.would_fail([each.model_dump() for each in told])
        saved = edit.save(made, admin, opened, changed)
        if saved is None:
            _, newer = edit.open_job(made, admin, at, number)
            raise _overtaken(newer or opened, asked)
        version, is_saved = saved, True
    etags.tag(response, version)
    return change_models.JobEdited(
        job_id=str(number),
        version=version,
        name=wanted.name,
        schedule=wanted.schedule or None,
        timezone=wanted.timezone or None,
        enabled=opened.saved.is_enabled,
        targets_added=added,
        targets_removed=removed,
        is_saved=is_saved,
        next_slots=list(slots.next_slots(wanted.schedule, wanted.timezone, at.now, slots.SHOWN)),
        preflight=now.preflight(live, at, words),
    )


def _overtaken(opened: OpenedEdit, asked: change_models.JobEdit) -> Refusal:
    """Both versions: what was sent, and the same fields as they are saved now."""
    saved = opened.saved
    nodes = {each.place: each.node_id for each in opened.lists or ()}
    now = {
        "name": saved.name,
        "schedule": saved.schedule,
        "timezone": saved.timezone,
        "targets": [
            {"node_id": nodes[each.place], "server_id": row.server, "account": row.account}
            for each in opened.lists or ()
            for row in each.rows
        ],
    }
    yours = asked.model_dump(mode="json", exclude_unset=True, include=set(now))
    return refusals.overtaken(yours, now, saved.version)


def _wanted(opened: OpenedEdit, asked: change_models.JobEdit, words: Words) -> RequestedEdit:
    saved = opened.saved
    before = edit.as_saved(saved)
    return RequestedEdit(
        before.name if asked.name is None else asked.name,
        before.schedule if asked.schedule is None else asked.schedule.strip(),
        before.timezone if asked.timezone is None else asked.timezone.strip(),
        Edits() if asked.targets is None else _edits(opened, asked.targets, words),
    )


def _edits(
    opened: OpenedEdit, targets: Sequence[change_models.EditedTarget], words: Words
) -> Edits:
    """What makes the saved targets these; raises a refusal that names each that cannot be."""
    if opened.lists is None:
        raise refusals.no_rows()
    is_workflow = opened.job.job_type == JobType.WORKFLOW
    places = {each.node_id: each.place for each in reversed(opened.lists) if each.can_grow}
    faults: dict[str, str] = {}
    wanted: list[tuple[int, str, str]] = []
    seen: set[tuple[int, str, str]] = set()
    for position, each in enumerate(targets):
        name = f"targets.{position}"
        place = places.get(each.node_id)
        if place is None or (each.node_id is None) is is_workflow:
            faults[f"{name}.node_id"] = words.gettext(_NO_NODE)
            continue
        key = (place, str(each.server_id), each.account)
        _, account = checking.of_row(Row(place, None, key[1], key[2]), words)
        if account is not None:
            faults[f"{name}.account"] = account
        if key in seen:
            faults[name] = words.gettext(checking.TWICE)
        seen.add(key)
        wanted.append(key)
    if faults:
        raise refusals.invalid(faults)
    return draft.diff(opened.lists, wanted)
