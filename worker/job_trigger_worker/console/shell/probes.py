"""`/livez` and `/readyz`, for those who start and watch the process."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from job_trigger_worker.console.shared.permissions import PUBLIC
from job_trigger_worker.errors import FatalError, TriggerWorkerError
from job_trigger_worker.logs import logger
from job_trigger_worker.storage.db.pool import Pool
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
    reason = why_not_ready(request.app.state.console.pool)
    if reason is None:
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": reason}, HTTPStatus.SERVICE_UNAVAILABLE)


def why_not_ready(pool: Pool) -> str | None:
    """Why pages cannot be served just now, None when they can."""
    try:
        with pool.snapshot() as connection:
            is_migrated = sign_ins.is_migrated(connection)
    except FatalError as refused:
        log.error("not_ready", reason=refused)  # noqa: TRY400  # expected: no traceback
        return "the database refuses the console; its log says why"
    except TriggerWorkerError:
        return "the database does not answer"
    return None if is_migrated else "the database is not migrated"
