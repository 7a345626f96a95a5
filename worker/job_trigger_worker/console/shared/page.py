"""The answer of a route that shows a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from job_trigger_worker.console.shared.dependencies import console


def show(request: Request, template: str, values: Mapping[str, Any]) -> Response:
    """An answer with a page."""
    return console(request).pages.render(request, template, values)
