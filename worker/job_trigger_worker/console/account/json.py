"""Who is asking."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from job_trigger_worker.console.shared import cookies, forms, models, problems
from job_trigger_worker.console.shared.auth.identify import SignedIn
from job_trigger_worker.console.shared.permissions import PUBLIC

router = APIRouter(prefix="/api/v1", tags=["me", PUBLIC])


def _somebody(request: Request) -> SignedIn:
    """Whoever asks, a service too."""
    found: SignedIn | None = request.app.state.console.identify(request)
    if found is None:
        raise problems.sign_in_needed()
    return found


@router.get("/me", responses=models.problems())
def show_me(
    request: Request, response: Response, asking: Annotated[SignedIn, Depends(_somebody)]
) -> models.Me:
    """Tell who is asking, and whose jobs they see.

    Behind a proxy that signs people in, `form_token` holds with the cookie that comes with it.
    """
    who, token = asking.principal, asking.form_token
    if token == "":  # no page has given this client one
        token = forms.new_token()
        cookies.set_secret(request, response, cookies.FORM, token)
    return models.Me(
        login=who.login,
        name=who.name,
        role=who.role.value,
        user_id=None if who.user_id is None else str(who.user_id),
        group_ids=None if who.sees_all_jobs else [str(each) for each in who.group_ids],
        form_token=token,
    )
