"""What changes something about a job: run, enable, disable, edit (R5, R6, R9)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import StringConstraints

from worker.domain import messages, slots
from worker.domain.access import Principal
from worker.domain.inventory import JobType
from worker.storage import changes
from worker.web.access import Administering, Operating, Viewing
from worker.web.api import change_models as said
from worker.web.api import models
from worker.web.asking import as_of, console, id_of
from worker.web.changing import checking, draft, edit, refusals
from worker.web.changing import run as running
from worker.web.changing.draft import Edits, Row
from worker.web.changing.edit import Opened, Wanted
from worker.web.changing.seeing import visible
from worker.web.changing.switch import switch
from worker.web.live_preflight import Live
from worker.web.problems import Refusal
from worker.web.rendering import words_of
from worker.web.words import Words, marked

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

JobId = Annotated[str, Path(description="The job's id.", examples=["17"])]
Version = Annotated[
    str | None,
    Header(alias="If-Match", max_length=200, description='The job\'s `ETag`, such as "3".'),
]
_ANY = "*"
_NO_NODE = marked("The job has no such node.")
_TAG = re.compile(r'"([0-9]{1,18})"')
_SLOTS = 5
_MOST_FINDINGS = 100


@router.post(
    "/{job_id}/run",
    status_code=HTTPStatus.ACCEPTED,
    responses=models.problems(404, 409, 429),
)
def run_job(
    request: Request,
    operator: Operating,
    job_id: JobId,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="A repeat with the same key is the same run. Without one, each is its own.",
        ),
    ] = None,
    confirm: Annotated[
        bool, Query(description="Send it though the job is switched off: its record says so.")
    ] = False,
) -> said.RunAsked:
    """Run a job now: send a manual trigger. Its preflight, record and event follow.

    That it was asked for is noted first, then it is sent. With 503 it is not known whether the
    brokers have it: ask again with the same key, and it runs once.
    """
    number = id_of(job_id)
    trigger_id = running.run(
        console(request),
        operator,
        as_of(request),
        number,
        key=idempotency_key or secrets.token_urlsafe(16),
        is_confirmed=confirm,
        traceparent=request.headers.get("traceparent"),
    )
    return said.RunAsked(
        trigger_id=trigger_id, job_id=str(number), follow=f"/api/v1/triggers/{trigger_id}"
    )


@router.post("/{job_id}/enable", responses=models.problems(404, 409, 412))
def enable_job(
    request: Request,
    response: Response,
    operator: Operating,
    job_id: JobId,
    if_match: Version = None,
) -> said.JobSwitched:
    """Switch a job on, whatever preflight says. `If-Match` is heeded, and not needed."""
    return _switched(request, response, operator, job_id, if_match, on=True)


@router.post("/{job_id}/disable", responses=models.problems(404, 409, 412))
def disable_job(
    request: Request,
    response: Response,
    operator: Operating,
    job_id: JobId,
    if_match: Version = None,
) -> said.JobSwitched:
    """Switch a job off: its triggers are recorded and not run."""
    return _switched(request, response, operator, job_id, if_match, on=False)


@router.patch("/{job_id}", responses=models.problems(400, 404, 409, 412, 413, 428))
def edit_job(
    request: Request,
    response: Response,
    admin: Administering,
    job_id: JobId,
    asked: said.JobEdit,
    if_match: Version = None,
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
    expected = _versions(if_match)
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
            raise refusals.would_fail(live.findings, words)
        saved = edit.save(made, admin, opened, changed)
        if saved is None:
            _, newer = edit.open_job(made, admin, at, number)
            raise _overtaken(newer or opened, asked)
        version, is_saved = saved, True
    response.headers["ETag"] = f'"{version}"'
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
        preflight=_preflight(live, words),
    )


@router.get("/{job_id}/changes", responses=models.problems(404))
def list_changes(
    request: Request,
    viewer: Viewing,
    job_id: JobId,
    after: Annotated[
        Annotated[str, StringConstraints(pattern="^[1-9][0-9]{0,17}$")] | None,
        Query(description="The `next` of the page before."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items on a page, at most.")] = 50,
) -> said.JobChangePage:
    """List who changed a job with the console or the API, when, and what became what."""
    number = id_of(job_id)
    with console(request).pool.snapshot() as connection:
        visible(connection, viewer, as_of(request), number)
        found = changes.of_object(
            connection,
            "job",
            str(number),
            limit=limit + 1,
            older_than=None if after is None else int(after),
        )
    masker = console(request).masker
    items = [
        said.JobChange(
            id=str(each.id),
            at=each.at,
            login=each.login,
            action=each.action,
            before=masker.value(each.before),
            after=masker.value(each.after),
        )
        for each in found[:limit]
    ]
    return said.JobChangePage(items=items, next=items[-1].id if len(found) > limit else None)


def _switched(
    request: Request,
    response: Response,
    operator: Principal,
    job_id: str,
    if_match: str | None,
    *,
    on: bool,
) -> said.JobSwitched:
    number = id_of(job_id)
    expected = None if if_match is None else _versions(if_match)
    found = switch(console(request), operator, as_of(request), number, on=on, expected=expected)
    response.headers["ETag"] = f'"{found.version}"'
    return said.JobSwitched(
        job_id=str(number), enabled=on, version=found.version, has_changed=found.has_changed
    )


def _versions(if_match: str) -> tuple[int, ...] | None:
    """The versions that an If-Match names; None for `*`. A weak tag never matches (RFC 9110)."""
    if if_match.strip() == _ANY:
        return None
    tags = (_TAG.fullmatch(each.strip()) for each in if_match.split(","))
    return tuple(int(tag[1]) for tag in tags if tag)


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


def _preflight(live: Live, words: Words) -> said.DraftPreflight:
    found = live.findings
    return said.DraftPreflight(
        result=live.result,
        findings=[
            {
                **messages.as_json(each, words.language),
                "remedy": messages.remedy(each.code, words.language),
            }
            for each in found[:_MOST_FINDINGS]
        ],
    )
