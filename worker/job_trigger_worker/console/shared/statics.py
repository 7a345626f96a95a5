"""Our stylesheet and script, under addresses that change with their content."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "static"
_A_YEAR = "public, max-age=31536000, immutable"


class Statics(StaticFiles):
    """Serves `static/`; a browser keeps a file until its address changes."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)
        self._versions = {
            path.name: sha256(path.read_bytes()).hexdigest()[:10] for path in FOLDER.iterdir()
        }

    def address(self, name: str) -> str:
        """Where a page finds a file. Raises KeyError for one that is not there."""
        return f"/static/{name}?v={self._versions[name]}"

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer, to be kept for a year."""
        response = await super().get_response(path, scope)
        if response.status_code in (200, 304) and b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = _A_YEAR
        elif "etag" in Headers(raw=response.raw_headers):
            response.headers["Cache-Control"] = "no-cache"
        return response


@cache
def shared_statics() -> Statics:
    """Those of this process: files of an installation do not change while it runs."""
    return Statics()
