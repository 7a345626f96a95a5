"""Edit a job (R6): what is saved, what is wrong with it now, and what would come of an edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from job_trigger_worker.console.jobs.detail.now import told_alone, whole_job
from job_trigger_worker.console.jobs.edit import checking
from job_trigger_worker.console.jobs.edit import form as edit_form
from job_trigger_worker.console.jobs.edit import rows as edit_rows
from job_trigger_worker.console.jobs.edit import view as edit
from job_trigger_worker.console.jobs.edit.dead_targets import Why, dead_targets
from job_trigger_worker.console.jobs.edit.draft import Edits, Place, Row
from job_trigger_worker.console.jobs.edit.form import Form
from job_trigger_worker.console.jobs.edit.rows import Fault
from job_trigger_worker.console.jobs.edit.view import OpenedEdit, RequestedEdit
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of
from job_trigger_worker.console.shared.live_preflight import LivePreflightResult
from job_trigger_worker.console.shared.permissions import Administering
from job_trigger_worker.console.shared.presenters import name_of
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain import slots
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import JobListRow
from job_trigger_worker.storage.write import changes

router = APIRouter(include_in_schema=False)

_MOST_FOUND = 20


async def _sent(request: Request) -> Mapping[str, str]:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Sent = Annotated[Mapping[str, str], Depends(_sent)]


@dataclass(frozen=True, slots=True)
class _Edited:
    """An edit on its way: what was sent (None: nothing yet), and what it makes of the job."""

    opened: OpenedEdit
    form: Form | None
    wanted: RequestedEdit
    faults: dict[str, str]
    row_faults: dict[Place | Row, Fault]


@router.get("/jobs/{job_id}/edit")
def show_form(request: Request, admin: Administering, job_id: str) -> Response:
    """Show the job as it can be edited."""
    job, opened = edit.open_job(console(request), admin, as_of(request), id_of(job_id))
    if opened is None:
        return _read_only(request, job)
    wanted = edit.as_saved(opened.saved)
    return _show(request, admin, _Edited(opened, None, wanted, {}, {}))


@router.post("/jobs/{job_id}/edit")
def take_form(request: Request, admin: Administering, job_id: str, sent: Sent) -> Response:
    """Save an edit, or show what would come of it."""
    job, opened = edit.open_job(console(request), admin, as_of(request), id_of(job_id))
    if opened is None:
        return _read_only(request, job, HTTPStatus.CONFLICT)
    form = edit_form.read(sent)
    is_overtaken = form.version != opened.saved.version
    if form.mark != edit_form.mark(opened.saved.parameter):
        form = edit_form.rebased(form, opened.lists or ())
    edited = _edited(request, opened, form)
    if is_overtaken:
        return _show(request, admin, edited, status=HTTPStatus.CONFLICT, is_overtaken=True)
    action = sent.get("do", "save")
    if action in ("drop-gone", "drop-off"):
        edited = _without_dead(request, admin, edited, "gone" if action == "drop-gone" else "off")
    if edited.faults or edited.row_faults:
        return _show(request, admin, edited, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if action != "save":
        return _show(request, admin, edited)
    return _save(request, admin, edited, sent)


def _edited(request: Request, opened: OpenedEdit, form: Form) -> _Edited:
    words, now = words_of(request), as_of(request).now
    lists = opened.lists or ()
    edits = edit_form.edits(form, lists)
    wanted = RequestedEdit(form.name, form.schedule, form.timezone, edits)
    rows: dict[Place | Row, Fault] = {}
    for row, text in checking.misplaced(lists, edits, words).items():
        rows[row.place or row] = text, None
    for row in (*edits.changed.values(), *edits.added):
        found = checking.of_row(row, words)
        if any(found):
            rows[row.place or row] = found
    return _Edited(opened, form, wanted, checking.of_fields(opened.saved, wanted, now, words), rows)


def _without_dead(request: Request, admin: Principal, edited: _Edited, why: Why) -> _Edited:
    """The edit without the rows that are dead now."""
    lists, edits = edited.opened.lists or (), edited.wanted.edits
    live = _live(request, admin, edited.opened, _without_faulty(edits, edited.row_faults))
    out = dead_targets(lists, checking.remaining(lists, edits), live, why)
    fewer = Edits(
        {place: row for place, row in edits.changed.items() if place not in out},
        edits.removed | {each for each in out if isinstance(each, Place)},
        tuple(row for row in edits.added if row not in out),
    )
    form = edited.form
    if form is not None:
        kept = tuple(
            replace(each, is_removed=each.is_removed or each.at in fewer.removed)
            for each in form.rows
            if each.at is not None or each.row in fewer.added
        )
        form = replace(form, rows=kept)
    return replace(edited, form=form, wanted=replace(edited.wanted, edits=fewer))


def _save(request: Request, admin: Principal, edited: _Edited, sent: Mapping[str, str]) -> Response:
    opened = edited.opened
    live = _live(request, admin, opened, edited.wanted.edits)
    changed = edit.columns(opened, edited.wanted, live)
    back = f"/jobs/{opened.saved.job_id}"
    if not changed:
        return RedirectResponse(back, HTTPStatus.SEE_OTHER)
    if opened.saved.is_enabled and live.result == "failed" and sent.get("confirm") != "yes":
        return _ask(request, edited, live, sent)
    if edit.save(console(request), admin, opened, changed) is None:
        # Somebody was faster since it was opened: the same request again finds their version.
        _, newer = edit.open_job(console(request), admin, as_of(request), opened.saved.job_id)
        if newer is None or edited.form is None:
            return RedirectResponse(f"{back}/edit", HTTPStatus.SEE_OTHER)
        form = edit_form.rebased(edited.form, newer.lists or ())
        edited = _edited(request, newer, form)
        return _show(request, admin, edited, status=HTTPStatus.CONFLICT, is_overtaken=True)
    return RedirectResponse(back, HTTPStatus.SEE_OTHER)


def _live(
    request: Request, admin: Principal, opened: OpenedEdit, edits: Edits
) -> LivePreflightResult:
    made = console(request)
    return made.preflight.finish(edit.begin(made, admin, opened, edits))


def _ask(
    request: Request, edited: _Edited, live: LivePreflightResult, sent: Mapping[str, str]
) -> Response:
    """Ask once whether to save what could not start."""
    words = words_of(request)
    found = live.findings
    fields = {name: value for name, value in sent.items() if name not in ("form_token", "do")}
    address = f"/jobs/{edited.opened.saved.job_id}/edit"
    text = words.ngettext(
        "The job is switched on, and its next trigger would fail: %(num)s finding.",
        "The job is switched on, and its next trigger would fail: %(num)s findings.",
        len(found),
    )
    values = {
        "title": words.gettext(gettext_noop("Save it anyway?")),
        "text": text % {"num": len(found)},
        "action": words.gettext(gettext_noop("Save anyway")),
        "to": address,
        "back": address,
        "fields": {**fields, "do": "save", "confirm": "yes"},
        "found": [told_alone(each, words) for each in found[:_MOST_FOUND]],
        "again": words.gettext(gettext_noop("Keep editing")),
        "is_grave": False,
    }
    return console(request).pages.render(request, "confirm.html", values)


def _show(
    request: Request,
    admin: Principal,
    edited: _Edited,
    *,
    status: int = HTTPStatus.OK,
    is_overtaken: bool = False,
) -> Response:
    words, at = words_of(request), as_of(request)
    opened, wanted, form = edited.opened, edited.wanted, edited.form
    lists = opened.lists or ()
    good = _without_faulty(wanted.edits, edited.row_faults)
    live = _live(request, admin, opened, good)
    rows = edit_rows.typed_rows(lists, wanted.edits, form)
    blocks, more, hidden = edit_rows.blocks(
        lists, rows, wanted.edits, edited.row_faults, live, words
    )
    remaining = checking.remaining(lists, good)
    timezone = wanted.timezone or opened.saved.timezone
    values = {
        "job": opened.job,
        "name": name_of(opened.job.name, opened.job.id, words),
        "saved": opened.saved,
        "wanted": wanted,
        "faults": {"name": None, "schedule": None, "timezone": None} | edited.faults,
        "is_faulty": bool(edited.faults or edited.row_faults),
        "next_slots": slots.next_slots(wanted.schedule, timezone, at.now, slots.SHOWN),
        "has_rows": opened.lists is not None,
        "blocks": blocks,
        "more_nodes": more,
        "drop": edit_form.drop(hidden),
        "mark": edit_form.mark(opened.saved.parameter),
        "removed": len(wanted.edits.removed),
        "live": live,
        "whole": whole_job(live, words)[:_MOST_FOUND],
        "gone": len(dead_targets(lists, remaining, live, "gone")),
        "off": len(dead_targets(lists, remaining, live, "off")),
        "is_new": form is not None,
        "differences": _differences(edited, words) if is_overtaken else None,
        "change": _newest(request, opened.saved.job_id) if is_overtaken else None,
    }
    return console(request).pages.render(request, "job_edit.html", values, status=status)


def _without_faulty(edits: Edits, faults: Mapping[Place | Row, Fault]) -> Edits:
    return Edits(
        {place: row for place, row in edits.changed.items() if place not in faults},
        edits.removed,
        tuple(row for row in edits.added if row not in faults),
    )


def _differences(edited: _Edited, words: Words) -> list[tuple[str, str, str]]:
    """Where this edit and what somebody else has saved differ: field, yours, theirs."""
    wanted, saved = edited.wanted, edited.opened.saved
    fields = (
        (gettext_noop("Name"), wanted.name, saved.name),
        (gettext_noop("Schedule"), wanted.schedule, saved.schedule or ""),
        (gettext_noop("Time zone"), wanted.timezone, saved.timezone or ""),
    )
    found = [(words.gettext(each[0]), each[1], each[2]) for each in fields if each[1] != each[2]]
    before, after = edit.target_changes(edited.opened, wanted.edits)
    if before or after:
        found.append((words.gettext(gettext_noop("Targets")), ", ".join(after), ", ".join(before)))
    return found


def _newest(request: Request, job_id: int) -> changes.Change | None:
    """Who changed the job last, where it was with the console."""
    with console(request).pool.snapshot() as connection:
        found = changes.of_object(connection, "job", str(job_id), limit=1)
    return found[0] if found else None


def _read_only(request: Request, job: JobListRow, status: int = HTTPStatus.OK) -> Response:
    words = words_of(request)
    values = {"job": job, "name": name_of(job.name, job.id, words)}
    return console(request).pages.render(request, "job_read_only.html", values, status=status)
