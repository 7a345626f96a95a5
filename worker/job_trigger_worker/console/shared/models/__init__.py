"""What travels over the API. Ids are strings: a platform's numbers may exceed 2^53.

Here stand problems and who is asking; the rest in a module each, with the pure functions that make
it from the values of `worker/job_trigger_worker/domain/read_models.py`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """What is wrong with one field."""

    name: str = Field(examples=["since"])
    message: str = Field(examples=["A time looks like 2026-11-23 08:00."])


class ProblemDetails(BaseModel):
    """What went wrong and what to do about it (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:trigger-worker:problem:not-found"])
    status: int = Field(examples=[404])
    title: str = Field(examples=["There is nothing here"])
    detail: str
    remedy: str = Field(description="What the caller can do.")
    instance: str = Field(examples=["/api/v1/jobs/17"])
    errors: list[Fault] = Field(default=[], description="Faults of single fields.")


class Me(BaseModel):
    """Who is asking."""

    login: str = Field(examples=["li.wei"])
    name: str = Field(examples=["Li Wei"])
    role: str = Field(examples=["operator"], description="viewer, operator, admin or service.")
    user_id: str | None = Field(description="The platform's user of this login, if it has one.")
    group_ids: list[str] | None = Field(
        description="The groups whose jobs they see; null where they see all."
    )
    form_token: str | None = Field(
        description="Of a session: the `X-Form-Token` of every request that is not a GET.",
        examples=["9f2c1a7b0d"],
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can answer with these problems, beside those that all can."""
    common = (401, 403, 422, 500, 503)
    return {
        status: {
            "model": ProblemDetails,
            "description": _SAID[status],
            "content": {"application/problem+json": {}},
        }
        for status in sorted({*common, *statuses})
    }


_SAID = {
    400: "The request is not well formed.",
    401: "Nobody is signed in, or the token is not known.",
    403: "The caller may not do this.",
    404: "There is nothing here that the caller may see.",
    409: "It conflicts with what is there now.",
    412: "Somebody else has changed it since it was read.",
    413: "The request is too large.",
    422: "A value is missing or is not valid.",
    428: "If-Match is missing.",
    429: "Too many attempts in a short time.",
    500: "A fault of ours; the answer has the number that the log has.",
    503: "The database or the brokers are away.",
    505: "It takes HTTP/1.1.",
}
