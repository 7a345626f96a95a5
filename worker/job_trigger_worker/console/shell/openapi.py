"""The API's document: `python -m job_trigger_worker.console.shell.openapi [--check]`.

Writes `openapi.json` from the routes and models; `--check` writes nothing and fails where it would
change. The console serves the same document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response

from job_trigger_worker.console.shared import permissions
from job_trigger_worker.console.shared.models import ProblemDetails
from job_trigger_worker.console.shared.permissions import PUBLIC
from job_trigger_worker.console.shell.openapi_postprocess import finish
from job_trigger_worker.console.shell.routers import ROUTERS

PATH = Path(__file__).with_name("openapi.json")
VERSION = "1.0.0"

_DESCRIPTION = """\
What the console's pages say, for programs: the same read service, the same filters, and what one
may not see is not there.

- Ids are strings of digits, as they may exceed 2^53. Times are RFC 3339 in UTC.
- Lists go page by page: `next` of an answer is `after` of the following request, with the same
  filters. A `window` says how far a search has looked that no index serves.
- A parameter that does not exist, is empty or is given twice is refused (422), so that a misspelled
  filter never answers with everything.
- Errors are problem details (RFC 9457) with a `remedy`, in English or Chinese by Accept-Language.
  Findings are said in that language, too; a stored `message` stays as it was stored.
- Values of parameter keys that look secret are masked: `••••••`.
- Requests that change something carry `form_token` of `/api/v1/me` in `X-Form-Token`; behind a
  proxy that signs people in, also the cookie that came with it.
"""
_TAGS = [
    {"name": "jobs", "description": "Jobs, their combined status, and whether they could start."},
    {"name": "executions", "description": "One record for each trigger."},
    {"name": "failures", "description": "Triggers that failed: one by one, and what they share."},
    {"name": "exports", "description": "Everything that a filter means, streamed."},
    {"name": "me", "description": "Who is asking."},
]

router = APIRouter(prefix="/api/v1", tags=[PUBLIC], include_in_schema=False)


@cache
def document() -> str:
    """The document as it is kept: JSON with a line end."""
    app = FastAPI(
        title="trigger-worker",
        version=VERSION,
        summary="Jobs, their triggers, and why they failed.",
        description=_DESCRIPTION,
        openapi_url=None,
        openapi_tags=_TAGS,
        generate_unique_id_function=lambda route: route.name,
    )
    for each in ROUTERS:
        app.include_router(each)
    made = app.openapi()
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    problem.pop("$defs", None)
    finish(made, permissions.routes(app), problem)
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


@router.get("/openapi.json")
def show_document() -> Response:
    """The document of this API."""
    return Response(document(), media_type="application/json")


def main(arguments: Sequence[str]) -> int:
    """Write the document, or check it; the exit status."""
    if "--check" not in arguments:
        PATH.write_text(document(), "utf-8")
        return 0
    if PATH.is_file() and PATH.read_text("utf-8") == document():
        return 0
    sys.stdout.write(
        "openapi.json is not current: run `python -m job_trigger_worker.console.shell.openapi`.\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
