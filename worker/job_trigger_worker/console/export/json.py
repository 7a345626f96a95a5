"""Everything that matches a filter, as CSV or NDJSON, streamed.

Rows come by id, the newest first for records. A file that was broken off ends without the last
chunk of its answer: curl exits with 18, other clients raise. Over HTTP/1.0 nobody could tell, so
there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import Connection

from job_trigger_worker.console.export import csv_rows
from job_trigger_worker.console.export.view import exports
from job_trigger_worker.console.shared import models, problems
from job_trigger_worker.console.shared.dependencies import as_of, scope_of
from job_trigger_worker.console.shared.list_params import (
    ExecutionsExported,
    FailuresExported,
    JobsExported,
    reject_repeated,
)
from job_trigger_worker.console.shared.models import executions as execution_models
from job_trigger_worker.console.shared.models import jobs as job_models
from job_trigger_worker.console.shared.permissions import Viewing
from job_trigger_worker.domain.principals import Principal
from job_trigger_worker.domain.read_models import JobSort, Page, RecordFilter
from job_trigger_worker.storage.read import executions, jobs

router = APIRouter(prefix="/api/v1", tags=["exports"])

Row = TypeVar("Row")
Format = Literal["csv", "ndjson"]

_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
_JOBS = 1_000
_RECORDS = 2_000


def _answers(head: str, line: str) -> dict[int | str, dict[str, Any]]:
    text = {"schema": {"type": "string"}}
    files = {
        "text/csv": {**text, "example": head},
        "application/x-ndjson": {**text, "example": line},
    }
    return {
        200: {"description": "The file, in chunks.", "content": files},
        **models.problems(429, 505),
    }


_EXECUTIONS = _answers(
    "id,job_id,job_name,job_type,status,code,…\r\n"
    "1284,17,log-backup,action,trigger_failed,server_not_found,…\r\n",
    '{"id": "1284", "job_id": "17", "status": "trigger_failed", "…": "…"}\n',
)
_JOB_FILES = _answers(
    "id,name,job_type,status,code,…\r\n17,log-backup,action,trigger_failed,server_not_found,…\r\n",
    '{"id": "17", "name": "log-backup", "status": "trigger_failed", "…": "…"}\n',
)


@router.get(
    "/jobs/export",
    responses=_JOB_FILES,
    response_class=StreamingResponse,
    dependencies=[reject_repeated],
)
def export_jobs(
    request: Request, viewer: Viewing, asked: Annotated[JobsExported, Query()]
) -> StreamingResponse:
    """Export every job that matches the filters."""
    scope, at = scope_of(viewer), as_of(request)

    def read(connection: Connection, after: str | None) -> Page[Any]:
        return jobs.list_jobs(
            connection,
            scope,
            at,
            wanted=asked.wanted(),
            sort=JobSort.ID,
            after=after,
            size=_JOBS,
        )

    return _file(request, viewer, "jobs", asked.format, read, job_models.Job.model_validate)


@router.get(
    "/executions/export",
    responses=_EXECUTIONS,
    response_class=StreamingResponse,
    dependencies=[reject_repeated],
)
def export_executions(
    request: Request, viewer: Viewing, asked: Annotated[ExecutionsExported, Query()]
) -> StreamingResponse:
    """Export every execution record that matches the filters."""
    return _records(request, viewer, "executions", asked.format, asked.wanted())


@router.get(
    "/failures/export",
    responses=_EXECUTIONS,
    response_class=StreamingResponse,
    dependencies=[reject_repeated],
)
def export_failures(
    request: Request, viewer: Viewing, asked: Annotated[FailuresExported, Query()]
) -> StreamingResponse:
    """Export the record of every failed trigger that matches the filters."""
    return _records(request, viewer, "failures", asked.format, asked.wanted())


def _records(
    request: Request,
    viewer: Principal,
    name: Literal["executions", "failures"],
    format_: Format,
    wanted: RecordFilter,
) -> StreamingResponse:
    scope, at = scope_of(viewer), as_of(request)

    def read(connection: Connection, after: str | None) -> Page[Any]:
        return executions.list_records(
            connection, scope, at, wanted=wanted, after=after, size=_RECORDS
        )

    return _file(request, viewer, name, format_, read, execution_models.Execution.model_validate)


def _file(
    request: Request,
    viewer: Principal,
    name: Literal["jobs", "executions", "failures"],
    format_: Format,
    read: Callable[[Connection, str | None], Page[Row]],
    said: Callable[[Row], BaseModel],
) -> StreamingResponse:
    if request.scope["http_version"] == "1.0":
        raise problems.too_old()
    columns = csv_rows.JOBS if name == "jobs" else csv_rows.EXECUTIONS

    def write(rows: Sequence[Row]) -> bytes:
        if format_ == "ndjson":
            return csv_rows.lines(map(said, rows))
        return csv_rows.rows(columns, map(said, rows))

    head = b"" if format_ == "ndjson" else csv_rows.header(columns)
    stamp = f"{as_of(request).now:%Y-%m-%dT%H%M%SZ}"
    return StreamingResponse(
        exports(request).begin(viewer.login, read, write, head),
        media_type=_MEDIA_TYPES[format_],
        headers={"Content-Disposition": f'attachment; filename="{name}-{stamp}.{format_}"'},
    )
