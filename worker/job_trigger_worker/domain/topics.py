"""The names of the six topics, which stand beside the events that they hold."""

from __future__ import annotations

from job_trigger_schemas.topics import Topics

__all__ = ["Topics"]
