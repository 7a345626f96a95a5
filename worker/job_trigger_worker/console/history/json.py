"""Execution records: the list, and one whole (R7, R8). Whatever a record names may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from job_trigger_worker.console.history import event_preview
from job_trigger_worker.console.history.event_preview import EventPreview
from job_trigger_worker.console.history.view import page_of
from job_trigger_worker.console.shared import findings, models, problems
from job_trigger_worker.console.shared.dependencies import as_of, console, id_of, scope_of, uuid_of
from job_trigger_worker.console.shared.list_params import ExecutionsAsked, reject_repeated
from job_trigger_worker.console.shared.models import executions as execution_models
from job_trigger_worker.console.shared.models.values import Beside, plain
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.console.shared.rendering import words_of
from job_trigger_worker.domain.masking import Masker
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.read import executions

router = APIRouter(prefix="/api/v1/executions", tags=["executions"])

ExecutionId = Annotated[
    str,
    Path(description="A record's id, or an execution's uuid.", examples=["1284"]),
]


@router.get("", responses=models.problems(), dependencies=[reject_repeated])
def list_executions(
    request: Request, viewer: Viewing, asked: Annotated[ExecutionsAsked, Query()]
) -> execution_models.ExecutionPage:
    """List execution records, the newest written first; those of jobs that are gone, too."""
    return page_of(request, viewer, asked.wanted(), asked)


@router.get("/{execution_id}", responses=models.problems(404))
def show_execution(
    request: Request, viewer: Viewing, execution_id: ExecutionId
) -> execution_models.ExecutionDetail:
    """Show a record: findings, targets as resolved, its event built again, and its neighbours."""
    scope, at = scope_of(viewer), as_of(request)
    uuid = uuid_of(execution_id)
    with console(request).pool.snapshot() as connection:
        detail = (
            executions.get_record(connection, scope, at, id_of(execution_id))
            if uuid is None
            else executions.get_record_of_execution(connection, scope, at, uuid)
        )
    if detail is None:
        raise problems.not_found()
    masker, words = console(request).masker, words_of(request)
    event = event_preview.preview_event(
        detail, Topics.under(console(request).settings.topic_prefix)
    )
    return execution_models.ExecutionDetail.model_validate(
        Beside(
            detail.record,
            detail,
            findings=[findings.answer_stored(each, words, masker) for each in detail.findings],
            targets=[_target(each) for each in detail.targets],
            event=None if event is None else _event(event, masker),
            origin=detail,
        )
    )


def _target(stored: Mapping[str, Any]) -> execution_models.ResolvedTarget:
    names = execution_models.ResolvedTarget.model_fields
    values = plain({name: stored.get(name) for name in names})
    return execution_models.ResolvedTarget(
        **{name: None if value is None else str(value) for name, value in values.items()}
    )


def _event(event: EventPreview, masker: Masker) -> execution_models.RebuiltEvent:
    return execution_models.RebuiltEvent(
        topic=event.topic,
        key=event.key,
        headers=dict(event.headers),
        body=plain(masker.value(dict(event.body))),
        missing=list(event.missing),
    )
