"""Edit a job: name, schedule, time zone, targets (R6)."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from worker.domain import slots
from worker.domain.inventory import JobType
from worker.web.access import Administering
from worker.web.api import findings, models, now, versions
from worker.web.api.jobs import JobId
from worker.web.api.models import changes as said
from worker.web.api.versions import IfMatch
from worker.web.asking import as_of, console, id_of
from worker.web.changing import checking, draft, edit, refusals
from worker.web.changing.draft import Edits, Row
from worker.web.changing.edit import Opened, Wanted
from worker.web.problems import Refusal
from worker.web.rendering import words_of
from worker.web.words import Words, marked

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

_NO_NODE = marked("The job has no such node.")
_SLOTS = 5
_MOST_FINDINGS = 100


@router.patch("/{job_id}", responses=models.problems(400, 404, 409, 412, 413, 428))
def edit_job(
    request: Request,
    response: Response,
    admin: Administering,
    job_id: JobId,
    asked: said.JobEdit,
    if_match: IfMatch = None,
) -> said.JobEdited:
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
    expected = versions.named(if_match)
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
            told = [findings.live(each, words) for each in live.findings[:_MOST_FINDINGS]]
            raise refusals.would_fail([each.model_dump() for each in told])
        saved = edit.save(made, admin, opened, changed)
        if saved is None:
            _, newer = edit.open_job(made, admin, at, number)
            raise _overtaken(newer or opened, asked)
        version, is_saved = saved, True
    versions.tag(response, version)
    return said.JobEdited(
        job_id=str(number),
        version=version,
        name=wanted.name,
        schedule=wanted.schedule or None,
        timezone=wanted.timezone or None,
        enabled=opened.saved.is_enabled,
        targets_added=added,
        targets_removed=removed,
        is_saved=is_saved,
        next_slots=list(slots.next_slots(wanted.schedule, wanted.timezone, at.now, _SLOTS)),
        preflight=now.preflight(live, at, words),
    )


def _overtaken(opened: Opened, asked: said.JobEdit) -> Refusal:
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


def _wanted(opened: Opened, asked: said.JobEdit, words: Words) -> Wanted:
    saved = opened.saved
    before = edit.as_saved(saved)
    return Wanted(
        before.name if asked.name is None else asked.name,
        before.schedule if asked.schedule is None else asked.schedule.strip(),
        before.timezone if asked.timezone is None else asked.timezone.strip(),
        Edits() if asked.targets is None else _edits(opened, asked.targets, words),
    )


def _edits(opened: Opened, targets: Sequence[said.EditedTarget], words: Words) -> Edits:
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
    return draft.matched(opened.lists, wanted)
