"""Execution records: the list, and one whole (R7, R8). Whatever a record names may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request

from worker.domain.masking import Masker
from worker.domain.reading import RecordDetail, RecordFilter
from worker.domain.topics import Topics
from worker.storage.queries import executions
from worker.web import problems, rebuilt
from worker.web.access import Viewing
from worker.web.api import findings, models
from worker.web.api.models import executions as said
from worker.web.api.models.lists import window_if
from worker.web.api.models.values import id_text, plain
from worker.web.api.parameters import ONCE, ExecutionsAsked, Paging, following
from worker.web.asking import as_of, console, id_of, scope_of
from worker.web.rebuilt import Rebuilt
from worker.web.rendering import words_of

router = APIRouter(prefix="/api/v1/executions", tags=["executions"])

ExecutionId = Annotated[
    str,
    Path(description="A record's id, or an execution's uuid.", examples=["1284"]),
]
_UUID = 36


@router.get("", responses=models.problems(), dependencies=[ONCE])
def list_executions(
    request: Request, viewer: Viewing, asked: Annotated[ExecutionsAsked, Query()]
) -> said.ExecutionPage:
    """List execution records, the newest written first; those of jobs that are gone, too."""
    return page_of(request, viewer, asked.wanted(), asked)


@router.get("/{execution_id}", responses=models.problems(404))
def show_execution(
    request: Request, viewer: Viewing, execution_id: ExecutionId
) -> said.ExecutionDetail:
    """Show a record: findings, targets as resolved, its event built again, and its neighbours."""
    scope, at = scope_of(viewer), as_of(request)
    uuid = _uuid(execution_id)
    with console(request).pool.snapshot() as connection:
        detail = (
            executions.get_record(connection, scope, at, id_of(execution_id))
            if uuid is None
            else executions.get_record_of_execution(connection, scope, at, uuid)
        )
    if detail is None:
        raise problems.not_found()
    masker, words = console(request).masker, words_of(request)
    event = rebuilt.rebuild(detail, Topics.under(console(request).settings.topic_prefix))
    return said.ExecutionDetail(
        **said.fields(detail.record),
        owner_id=id_text(detail.owner_id),
        target_id=id_text(detail.target_id),
        findings=[findings.stored(each, words, masker) for each in detail.findings],
        findings_omitted=detail.findings_omitted,
        targets=[_target(each) for each in detail.targets],
        event=None if event is None else _event(event, masker),
        origin=_origin(detail),
        trace_id=detail.trace_id,
        previous_id=id_text(detail.previous_id),
        next_id=id_text(detail.next_id),
        has_job=detail.has_job,
    )


def page_of(
    request: Request, viewer: Viewing, wanted: RecordFilter, asked: Paging
) -> said.ExecutionPage:
    """A page of the records that are meant."""
    with console(request).pool.snapshot() as connection, following():
        page = executions.list_records(
            connection,
            scope_of(viewer),
            as_of(request),
            wanted=wanted,
            after=asked.after,
            size=asked.limit,
        )
    return said.ExecutionPage(
        items=[said.execution(row) for row in page.rows],
        next=page.next,
        window=window_if(page.window),
    )


def _uuid(written: str) -> UUID | None:
    if len(written) != _UUID:
        return None
    try:
        return UUID(written)
    except ValueError:
        return None


def _target(stored: Mapping[str, Any]) -> said.ResolvedTarget:
    names = said.ResolvedTarget.model_fields
    values = plain({name: stored.get(name) for name in names})
    return said.ResolvedTarget(
        **{name: None if value is None else str(value) for name, value in values.items()}
    )


def _event(event: Rebuilt, masker: Masker) -> said.RebuiltEvent:
    return said.RebuiltEvent(
        topic=event.topic,
        key=event.key,
        headers=dict(event.headers),
        body=plain(masker.value(dict(event.body))),
        missing=list(event.missing),
    )


def _origin(detail: RecordDetail) -> said.Origin:
    return said.Origin(topic=detail.topic, partition=detail.partition, offset=detail.offset)
