"""Whole answers of a served console, from the request to the last byte."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

import httpx

from job_trigger_worker.domain.principals import Role
from tests.benchmarks.console_fill import BROKE_31, BROKE_MANY, Filled
from tests.benchmarks.console_timing import Figure, figure
from tests.support.console import serving

_SEED = 12
_VIEWER = "user-3"
"""Sees the jobs of the wide group."""


class _Standing:
    """It is the end of the history all the while."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._now

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


def measure(filled: Filled, samples: int) -> dict[str, Figure]:
    """Time every page as an admin and as a viewer of many jobs; `rows` are bytes here."""
    paths = _paths(filled)
    took: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    with serving(filled.url, clock=_Standing(filled.now)) as served:
        browsers = {
            "all": served.signed_in(Role.ADMIN, "user-1"),
            "wide": served.signed_in(Role.VIEWER, _VIEWER),
        }
        asked = [(seen, name) for seen in browsers for name in paths]
        for seen, name in asked:
            _ask(browsers[seen], paths[name])
        asked *= samples
        random.Random(_SEED).shuffle(asked)  # noqa: S311 - no secret
        for seen, name in asked:
            began = time.perf_counter()
            size = _ask(browsers[seen], paths[name])
            took.setdefault(f"page {name}, {seen}", []).append((time.perf_counter() - began) * 1000)
            sizes[f"page {name}, {seen}"] = size
        for browser in browsers.values():
            browser.close()
    return {name: figure(taken, None, sizes[name]) for name, taken in took.items()}


def _ask(browser: httpx.Client, path: str) -> int:
    answer = browser.get(path)
    assert answer.status_code == HTTPStatus.OK, f"{path}: {answer.status_code}"
    return len(answer.content)


def _paths(filled: Filled) -> Mapping[str, str]:
    """Of the main pages; the job is one that is due every few minutes."""
    busy = 1 + 7919 * 3 % filled.jobs
    return {
        "jobs": "/jobs",
        "jobs that failed": "/jobs?status=trigger_failed",
        "jobs by prefix": "/jobs?name=backup",
        "jobs by cause": f"/jobs?cause={quote(BROKE_31)}",
        "history": "/history",
        "history that failed": "/history?status=trigger_failed",
        "history of a job": f"/history?job={busy}",
        "failures of 24 h": "/failures",
        "failures of 30 d": "/failures?span=30d",
        "jobs of a cause": f"/failures/jobs?span=30d&cause={quote(BROKE_MANY)}",
    }
