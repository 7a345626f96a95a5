"""What goes wrong, in words for people and programs: RFC 9457 problem details with a remedy.

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

from worker.domain.access import Role
from worker.errors import (
    BrokersAway,
    Locked,
    Misused,
    NotTaken,
    Refused,
    Stop,
    TooMany,
    Transient,
    TriggerWorkerError,
)
from worker.web import faults
from worker.web.words import Words, marked

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
            body["errors"] = [faults.said(each, words) for each in self.errors]
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
        case Stop():
            return SET_UP_WRONG
        case NotTaken():
            return not_taken(error.said)
        case Refused():
            return REFUSED
        case TooMany():
            return TOO_MANY
        case Misused():
            values = {"detail": error.message, "remedy": error.remedy}
            return Problem(
                HTTPStatus.BAD_REQUEST, "bad-request", BAD.title, "%(detail)s", "%(remedy)s", values
            )
        case RequestValidationError():
            return invalid(*map(faults.of_pydantic, error.errors())).problem
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
                marked("Something went wrong here"),
                marked("It is our fault, not yours. Nothing else is known about it yet."),
                marked("Try again. If it stays so, tell your administrator the number %(number)s."),
                {"number": request_id},
            )


TOO_MANY = Problem(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "too-many",
    marked("Too many jobs for this question"),
    marked("Which jobs are overdue is told where there are 1,000 of them at most."),
    marked("Choose fewer: by name, owner, group or type."),
)
AWAY = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "away",
    marked("The database is away"),
    marked("It did not answer, so there is nothing to show. Triggers wait and are not lost."),
    marked("Try again in a few seconds. If it stays so, tell your administrator."),
    retry_after_s=_SOON_S,
)
LOCKED = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "locked",
    marked("Somebody else is holding this"),
    marked("Another transaction has it locked in the database. Nothing was changed here."),
    marked("Try again in a few seconds. If it stays so, tell your administrator."),
    retry_after_s=_SOON_S,
)
NO_BROKER = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "brokers-away",
    marked("The brokers are away"),
    marked("No broker took it in time, so it is not known whether it arrived."),
    marked("Send the same again in a few seconds: what did arrive is recognised and runs once."),
    retry_after_s=_SOON_S,
)
SET_UP_WRONG = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "set-up",
    marked("The console is not set up right"),
    marked("Something that it needs refuses to serve it. Its log says what."),
    marked("Tell your administrator; waiting does not help."),
)
NOT_FOUND = Problem(
    HTTPStatus.NOT_FOUND,
    "not-found",
    marked("There is nothing here"),
    marked("It does not exist, or belongs to a group that you are not in."),
    marked("Check the address, or search for it. An administrator sees the jobs of all groups."),
)
WRONG_METHOD = Problem(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "wrong-method",
    marked("This address does not take that"),
    marked("The method is not one of those that it knows."),
    marked("Go back and try it from the page."),
)
BAD = Problem(
    HTTPStatus.BAD_REQUEST,
    "bad-request",
    marked("That cannot be done so"),
    marked("The request is not complete or not well formed."),
    marked("Go back and try it from the page."),
)
REFUSED = Problem(
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "refused",
    marked("The database refused a value"),
    marked("A value is too long, or holds characters that cannot be stored."),
    marked("Shorten it, or remove control characters, and send it again."),
)


def not_taken(said: str | None) -> Problem:
    """A change of a job that the platform refuses, with what it says to people, if it does."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "not-taken",
        marked("The platform does not take this change"),
        marked(
            "Nothing was changed. It gives no reason that can be shown; the console's log has it."
        )
        if said is None
        else marked("Nothing was changed. It says: %(said)s"),
        marked("Change it so that the platform takes it, or ask those who run the platform."),
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
            marked("That cannot be read"),
            marked("A value is missing, or is not what it has to be."),
            marked("Correct what is named below and send it again."),
            errors=errors,
        )
    )


def sign_in_needed() -> Refusal:
    """Nobody is signed in; a page leads to the sign-in instead."""
    return Refusal(
        Problem(
            HTTPStatus.UNAUTHORIZED,
            "sign-in-needed",
            marked("Please sign in"),
            marked("You are not signed in, or your session has ended. Nothing was changed."),
            marked("Sign in and do it again."),
        )
    )


def unknown_token() -> Refusal:
    """A service's token that is not in the users file."""
    return Refusal(
        Problem(
            HTTPStatus.UNAUTHORIZED,
            "unknown-token",
            marked("The token is not known"),
            marked("No service has this token."),
            marked("Make one with `trigger-worker users add NAME --role service`."),
        )
    )


def unknown_user(login: str) -> Refusal:
    """A proxy has signed somebody in whom the platform does not know."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "unknown-user",
            marked("You have no account here"),
            marked("You are signed in as %(login)s, but the platform has no such user."),
            marked("Ask your administrator for an account with this login."),
            {"login": login},
        )
    )


def no_permission(role: Role) -> Refusal:
    """Somebody with too low a role; what it is about stays unsaid."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "no-permission",
            marked("You may not do this"),
            marked("It takes the role %(role)s."),
            marked("Ask your administrator for that role, or somebody who has it to do it."),
            {"role": role.value},
        )
    )


def foreign_form() -> Refusal:
    """An unsafe request that no page of ours has sent."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "foreign-form",
            marked("This form is not valid any more"),
            marked("It was sent from another page, or before you signed in. Nothing was changed."),
            marked("Load the page again and send the form from there."),
        )
    )


def foreign_call() -> Refusal:
    """The same on the API, where whoever asks has no page to load again."""
    return Refusal(
        Problem(
            HTTPStatus.FORBIDDEN,
            "foreign-form",
            marked("The form token is not right"),
            marked(
                "X-Form-Token is missing or is not that of this session, or another site's page "
                "has sent this. Nothing was changed."
            ),
            marked(
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
            marked("This connection is not private"),
            marked("A password sent here could be read on its way, so it is not taken."),
            marked("Open the console by https, or on the machine itself."),
        )
    )


def too_many(wait_s: float) -> Refusal:
    """A rate limit."""
    seconds = max(1, round(wait_s + 0.5))
    return Refusal(
        Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many",
            marked("Too many attempts"),
            marked("This was tried too often in a short time."),
            marked("Wait %(seconds)s seconds and try again."),
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
            marked("Too many live pages"),
            marked("You have %(count)s of them open, and more are not served."),
            marked("Close one of them and try again."),
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
            marked("No place is free"),
            marked("So many people watch that no one more can, or the console is about to end."),
            marked("Refresh the page by hand, or try again later. More instances serve more."),
            retry_after_s=_SOON_S,
        )
    )


def too_large() -> Refusal:
    """A body beyond the limit."""
    return Refusal(
        Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            marked("That is too much at once"),
            marked("The request is larger than 4 MiB."),
            marked("Send it in parts."),
        )
    )


def link_is_used() -> Refusal:
    """A one-time link that was used, or is too old."""
    return Refusal(
        Problem(
            HTTPStatus.GONE,
            "link-used",
            marked("This link has been used"),
            marked("A sign-in link works once and for ten minutes."),
            marked("Take the newest link from the terminal where `make run` runs."),
        )
    )


def too_old() -> Refusal:
    """A long answer over HTTP/1.0: nobody could tell a broken one from a whole one."""
    return Refusal(
        Problem(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
            "too-old",
            marked("This takes HTTP/1.1"),
            marked("Over HTTP/1.0 a file that was broken off looks like a whole one."),
            marked("Have the proxy ask with HTTP/1.1: in nginx, `proxy_http_version 1.1;`."),
        )
    )
