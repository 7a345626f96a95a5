"""`/livez` and `/readyz`, for whoever starts and watches the process."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from job_trigger_worker.console.shared.permissions import PUBLIC
from job_trigger_worker.errors import FatalError, TriggerWorkerError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.write import sign_ins

log = logger(__name__)

router = APIRouter(tags=[PUBLIC], include_in_schema=False)


@router.get("/livez")
async def livez() -> JSONResponse:
    """Say that the process turns."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Say whether pages can be served: the database answers, and is migrated."""
    try:
        with request.app.state.console.pool.snapshot() as connection:
            is_migrated = sign_ins.is_migrated(connection)
    except FatalError as refused:
        log.error("not_ready", reason=refused)  # noqa: TRY400  # expected: no traceback
        return JSONResponse(
            {"status": "the database refuses the console; its log says why"},
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
    except TriggerWorkerError:
        return JSONResponse(
            {"status": "the database does not answer"}, HTTPStatus.SERVICE_UNAVAILABLE
        )
    if not is_migrated:
        return JSONResponse(
            {"status": "the database is not migrated"}, HTTPStatus.SERVICE_UNAVAILABLE
        )
    return JSONResponse({"status": "ok"})
