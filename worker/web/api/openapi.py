"""The API's document: `python -m worker.web.api.openapi [--check]`.

Writes `openapi.json` from the routes and models; `--check` writes nothing and fails where it would
change. The console serves the same document.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from worker.web.access import PUBLIC
from worker.web.api.routers import ROUTERS

PATH = Path(__file__).with_name("openapi.json")
VERSION = "1.0.0"

router = APIRouter(prefix="/api/v1", tags=[PUBLIC], include_in_schema=False)


@cache
def document() -> str:
    """The document as it is kept: JSON with a line end."""
    app = FastAPI(
        title="trigger-worker",
        version=VERSION,
        summary="Jobs, their triggers, and why they failed.",
    )
    for each in ROUTERS:
        app.include_router(each)
    made = app.openapi()
    _without_public_tag(made)
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def _without_public_tag(made: dict[str, Any]) -> None:
    """The tag is a word between route and `access`, and nobody else's."""
    for operations in made["paths"].values():
        for operation in operations.values():
            operation["tags"] = [tag for tag in operation.get("tags", ()) if tag != PUBLIC]


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
    sys.stdout.write("openapi.json is not current: run `python -m worker.web.api.openapi`.\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
