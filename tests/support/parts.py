"""The console's macros, rendered by themselves."""

from datetime import UTC, datetime
from typing import Any

from job_trigger_worker.console.shared import rendering, times
from job_trigger_worker.console.shared.rendering import Page
from job_trigger_worker.console.shared.texts import words
from job_trigger_worker.domain.principals import Principal, Role

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def page(zone: str = "UTC") -> Page:
    """What templates know as `page`."""
    return Page(
        words=words("en"),
        theme="auto",
        zone=times.zone_of(zone),
        now=NOW,
        path="/jobs",
        query="",
        principal=Principal("li.wei", "Li Wei", Role.VIEWER),
        can_sign_out=True,
        form_token="token",  # noqa: S106 - of nobody
    )


def render(source: str, *, zone: str = "UTC", **values: Any) -> str:
    """A piece of a template that uses `parts`."""
    environment = rendering.environment("en")
    template = environment.from_string('{% import "parts.html" as parts with context %}' + source)
    return template.render(page=page(zone), **values).strip()
