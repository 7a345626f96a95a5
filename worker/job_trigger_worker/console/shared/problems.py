"""Errors in words for people and programs: RFC 9457 problem details with a remedy.

The one place where an exception becomes an answer (`of`). No answer holds what an exception said
about the database, a file or an address of ours: that stands in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from job_trigger_worker.console.shared import validation_messages
from job_trigger_worker.console.shared.texts import Words, gettext_noop
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.errors import (
    BrokersAway,
    FatalError,
    LimitExceeded,
    Locked,
    NotTaken,
    Refused,
    Transient,
    TriggerWorkerError,
    UsageError,
)

_TYPE = "urn:trigger-worker:problem:"
_SOON_S = 5
_ENDS = tuple(".!?…。！？")


@dataclass(frozen=True, slots=True)
class Problem:
    """`title`, `detail` and `remedy` are English texts of the catalogue, `values` what they name.

    `errors` are faults of single fields: `name` and `message`, and `values` where it names some.
    """

    status: HTTPStatus
    kind: str
    title: str
    detail: str
    remedy: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    errors: tuple[Mapping[str, Any], ...] = ()
    retry_after_s: int | None = None

    def said(self, words: Words) -> dict[str, Any]:
        """The problem details, in the words of a language."""
        body: dict[str, Any] = {
            "type": _TYPE + self.kind,
            "status": self.status.value,
            "title": words.gettext(self.title) % self.values,
            "detail": words.gettext(self.detail) % self.values,
            "remedy": words.gettext(self.remedy) % self.values,
        }
        if self.errors:
            body["errors"] = [validation_messages.sentence_of(each, words) for each in self.errors]
        return body


class Refusal(TriggerWorkerError):
    """An expected answer of a route: it cannot be done, and this is why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail % problem.values, remedy=problem.remedy % problem.values)
        self.problem = problem


def of(error: Exception, request_id: str) -> Problem:  # noqa: C901, PLR0911, PLR0912 - a kind each
    """What to answer for an exception; one that nobody expected names only the request."""
    match error:
        case Refusal():
            return error.problem
        case BrokersAway():
            return NO_BROKER
        case Locked():
            return LOCKED
        case Transient():
            return AWAY
        case FatalError():
            return SET_UP_WRONG
        case NotTaken():
            return not_taken(error.said)
        case Refused():
            return REFUSED
        case LimitExceeded():
            return TOO_MANY
        case UsageError():
            values = {"detail": error.message, "remedy": error.remedy}
            return Problem(
                HTTPStatus.BAD_REQUEST, "bad-request", BAD.title, "%(detail)s", "%(remedy)s", values
            )
        case RequestValidationError():
            return invalid(*map(validation_messages.of_pydantic, error.errors())).problem
        case HTTPException(status_code=404):
            return NOT_FOUND
        case HTTPException(status_code=405):
            return WRONG_METHOD
        case HTTPException(status_code=status) if status < 500:  # noqa: PLR2004
            return Problem(HTTPStatus(status), "bad-request", BAD.title, BAD.detail, BAD.remedy)
        case _:
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "fault",
                gettext_noop("Something went wrong here"),
                gettext_noop("It is our fault, not yours. Nothing else is known about it yet."),
                gettext_noop(
                    "Try again. If it keeps happening, give your administrator the number "
                    "%(number)s."
                ),
                {"number": request_id},
            )


TOO_MANY = Problem(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "too-many",
    gettext_noop("Too many jobs for the overdue filter"),
    gettext_noop("The overdue filter works for up to 1,000 jobs."),
    gettext_noop("Narrow the list first: by name, owner, group or type."),
)
AWAY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "away",
    gettext_noop("The database is away"),
    gettext_noop("It did not answer, so there is nothing to show. Triggers wait and are not lost."),
    gettext_noop("Try again in a few seconds. If it keeps happening, tell your administrator."),
    retry_after_s=_SOON_S,
)
LOCKED = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "locked",
    gettext_noop("Somebody else is holding this"),
    gettext_noop("Another transaction has it locked in the database. Nothing was changed here."),
    gettext_noop("Try again in a few seconds. If it keeps happening, tell your administrator."),
    retry_after_s=_SOON_S,
)
NO_BROKER = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "brokers-away",
    gettext_noop("The brokers are away"),
    gettext_noop("No broker confirmed it in time, so nobody knows whether it arrived."),
    gettext_noop(
        "Send the same again in a few seconds: what did arrive is recognised and runs once."
    ),
    retry_after_s=_SOON_S,
)
SET_UP_WRONG = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "set-up",
    gettext_noop("The console is not configured correctly"),
    gettext_noop("A service that it needs refuses it. Its log says which one."),
    gettext_noop("Tell your administrator; waiting will not help."),
)
NOT_FOUND = Problem(
    HTTPStatus.NOT_FOUND,
    "not-found",
    gettext_noop("There is nothing here"),
    gettext_noop("It does not exist, or belongs to a group that you are not in."),
    gettext_noop(
        "Check the address, or search for it. An administrator sees the jobs of all groups."
    ),
)
WRONG_METHOD = Problem(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "wrong-method",
    gettext_noop("This address does not support that"),
    gettext_noop("It does not support the method of this request."),
    gettext_noop("Go back and try it from the page."),
)
BAD = Problem(
    HTTPStatus.BAD_REQUEST,
    "bad-request",
    gettext_noop("That cannot be done like this"),
    gettext_noop("The request is not complete or not well formed."),
    gettext_noop("Go back and try it from the page."),
)
REFUSED = Problem(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "refused",
    gettext_noop("The database refused a value"),
    gettext_noop("A value is too long, or holds characters that cannot be stored."),
    gettext_noop("Shorten it, or remove control characters, and send it again."),
)


def not_taken(said: str | None) -> Problem:
    """A change of a job that the platform refuses, with what it says to people, if it does."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "not-taken",
        gettext_noop("The platform refused this change"),
        gettext_noop(
            "Nothing was changed. It gives no reason that can be shown; the console's log has it."
        )
        if said is None
        else gettext_noop("Nothing was changed. It says: %(said)s"),
        gettext_noop(
            "Change it so that the platform accepts it, or ask the people who run the platform."
        ),
        {} if said is None else {"said": said if said.endswith(_ENDS) else f"{said}."},
    )


def not_found() -> Refusal:
    """What does not exist, and what one may not see, alike."""
    return Refusal(NOT_FOUND)


def invalid(*errors: Mapping[str, Any]) -> Refusal:
    """Fields that are missing, or not what they have to be."""
    return Refusal(
        Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid",
            gettext_noop("That cannot be read"),
            gettext_noop("A value is missing or is not valid."),
            gettext_noop("Correct what is named below and send it again."),
            errors=errors,
        )
    )


def sign_in_needed() -> Refusal:
    """Nobody is signed in; a page leads to the sign-in instead."""
    return Refusal(
        Problem(
            HTTPStatus.UNAUTHORIZED,
            "sign-in-needed",
            gettext_noop("Please sign in"),
            gettext_noop("You are not signed in, or your session has ended. Nothing was changed."),
            gettext_noop("Sign in and do it again."),
        )
    )


def unknown_token() -> Refusal:
    """A service's token that is not in the users file."""
    return Refusal(
        Problem(
            HTTPStatus.UNAUTHORIZED,
            "unknown-token",
            gettext_noop("The token is not known"),
            gettext_noop("No service has this token."),
            gettext_noop("Make one with `trigger-worker users add NAME --role service`."),
        )
    )


def unknown_user(login: str) -> Refusal:
    """A proxy has signed somebody in whom the platform does not know."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "unknown-user",
            gettext_noop("You have no account here"),
            gettext_noop("You are signed in as %(login)s, but the platform has no such user."),
            gettext_noop("Ask your administrator for an account with this login."),
            {"login": login},
        )
    )


def no_permission(role: Role) -> Refusal:
    """Somebody with too low a role; what it is about stays unsaid."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "no-permission",
            gettext_noop("You may not do this"),
            gettext_noop("This needs the role %(role)s."),
            gettext_noop("Ask your administrator for that role, or ask somebody who has it."),
            {"role": role.value},
        )
    )


def foreign_form() -> Refusal:
    """An unsafe request that no page of ours has sent."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "foreign-form",
            gettext_noop("This form is no longer valid"),
            gettext_noop(
                "It was sent from another page, or before you signed in. Nothing was changed."
            ),
            gettext_noop("Load the page again and send the form from there."),
        )
    )


def foreign_call() -> Refusal:
    """The same on the API, where the caller has no page to reload."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "foreign-form",
            gettext_noop("The form token is wrong"),
            gettext_noop(
                "X-Form-Token is missing or does not belong to this session, or another site's "
                "page sent this. Nothing was changed."
            ),
            gettext_noop(
                "Send `form_token` of GET /api/v1/me as X-Form-Token, and the cookies that you "
                "were given with it."
            ),
        )
    )


def not_private() -> Refusal:
    """Signing in where anybody could read the password."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "not-private",
            gettext_noop("This connection is not private"),
            gettext_noop("A password sent here could be read on its way, so it is not accepted."),
            gettext_noop("Open the console over https, or on the machine itself."),
        )
    )


def too_many(wait_s: float) -> Refusal:
    """A rate limit."""
    seconds = max(1, round(wait_s + 0.5))
    return Refusal(
        Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many",
            gettext_noop("Too many attempts"),
            gettext_noop("This was tried too often in a short time."),
            gettext_noop("Wait %(seconds)s seconds and try again."),
            {"seconds": seconds},
            retry_after_s=seconds,
        )
    )


def too_many_streams(most: int) -> Refusal:
    """One person's live pages and streams."""
    return Refusal(
        Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-streams",
            gettext_noop("Too many live pages"),
            gettext_noop("You have %(count)s of them open, which is the limit."),
            gettext_noop("Close one of them and try again."),
            {"count": most},
            retry_after_s=_SOON_S,
        )
    )


def no_place() -> Refusal:
    """Live pages and streams of everybody."""
    return Refusal(
        Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "no-place",
            gettext_noop("The live page is full"),
            gettext_noop(
                "As many people as it can serve are watching, or the console is shutting down."
            ),
            gettext_noop(
                "Refresh the page by hand, or try again later. More instances serve more people."
            ),
            retry_after_s=_SOON_S,
        )
    )


def too_large() -> Refusal:
    """A body beyond the limit."""
    return Refusal(
        Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            gettext_noop("That is too much at once"),
            gettext_noop("The request is larger than 4 MiB."),
            gettext_noop("Send it in parts."),
        )
    )


def link_is_used() -> Refusal:
    """A one-time link that was used, or is too old."""
    return Refusal(
        Problem(
            HTTPStatus.GONE,
            "link-used",
            gettext_noop("This link has been used"),
            gettext_noop("A sign-in link works once and for ten minutes."),
            gettext_noop("Take the newest link from the terminal where `make run` runs."),
        )
    )


def too_old() -> Refusal:
    """A long answer over HTTP/1.0: nobody could tell a broken one from a whole one."""
    return Refusal(
        Problem(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
            "too-old",
            gettext_noop("This needs HTTP/1.1"),
            gettext_noop("Over HTTP/1.0 a file that was cut off looks complete."),
            gettext_noop("Make the proxy use HTTP/1.1: in nginx, `proxy_http_version 1.1;`."),
        )
    )
