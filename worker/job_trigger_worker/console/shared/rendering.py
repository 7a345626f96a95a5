"""Pages from templates, in the caller's language, theme and time zone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from job_trigger_worker.clock import Clock
from job_trigger_worker.config import Language
from job_trigger_worker.console.shared import cookies, forms, times
from job_trigger_worker.console.shared.auth.identify import SignedIn
from job_trigger_worker.console.shared.badges import LOOKS, OVERDUE, badge
from job_trigger_worker.console.shared.statics import shared_statics
from job_trigger_worker.console.shared.texts import NAMES, Words, chosen, gettext_noop, words
from job_trigger_worker.domain.principals import Principal, Role

_CODE = re.compile(r"`([^`]+)`")
TEMPLATES = Path(__file__).parents[1] / "templates"
THEMES: Mapping[str, str] = {
    "auto": gettext_noop("As the system"),
    "light": gettext_noop("Light"),
    "dark": gettext_noop("Dark"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the navigation, for those whose role includes `role`."""

    path: str
    label: str
    role: Role = Role.VIEWER
    is_live: bool = False


NAVIGATION = (
    Place("/jobs", gettext_noop("Jobs")),
    Place("/history", gettext_noop("History")),
    Place("/failures", gettext_noop("Failures"), is_live=True),
    Place("/dead-letters", gettext_noop("Dead letters"), Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class Page:
    """What every template knows as `page`: who asks, and how they like to read."""

    words: Words
    theme: str
    zone: ZoneInfo
    now: datetime
    path: str
    query: str
    principal: Principal | None
    can_sign_out: bool
    form_token: str = field(repr=False)

    @property
    def language(self) -> Language:
        """`en` or `zh`."""
        return self.words.language

    @property
    def here(self) -> str:
        """This page's own address, to come back to."""
        return self.path + (f"?{self.query}" if self.query else "")

    @property
    def places(self) -> list[Place]:
        """The caller's navigation."""
        if self.principal is None:
            return []
        role = self.principal.role
        return [place for place in NAVIGATION if role.includes(place.role)]

    def may(self, role: str) -> bool:
        """True when the caller has this role."""
        return self.principal is not None and self.principal.role.includes(Role(role))

    def moment(self, at: datetime, zone: str | None = None) -> times.Moment:
        """A moment in a given zone (a job's), else in the chosen one."""
        return times.moment(at, times.zone_of(zone, self.zone.key), self.now)

    def foreign(self, zone: str) -> str:
        """The name of the zone that `moment` takes for this one, '' where it is the chosen one."""
        found = times.zone_of(zone, self.zone.key).key
        return "" if found == self.zone.key else found

    def counted(self, statuses: Sequence[str]) -> str:
        """How many there are of each status, in words: `7 Succeeded, 3 Trigger failed`."""
        return ", ".join(
            f"{count} {self.words.gettext(badge(status).label)}"
            for status, count in Counter(statuses).most_common()
        )

    def duration(self, value: timedelta | float) -> str:
        """A length of time."""
        return times.duration(value, self.words)

    def choose(self, **choice: str) -> str:
        """The address that makes a choice of language, theme or zone, and comes back here."""
        return "/preferences?" + urlencode({**choice, "back": self.here})


class Pages:
    """Renders templates. Everything is escaped; a name that is not there is an error."""

    def __init__(self, clock: Clock, default_zone: str) -> None:
        self._clock = clock
        self._default_zone = default_zone

    def render(
        self,
        request: Request,
        template: str,
        values: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """An answer with a page. Forms on it carry the token of whoever asks, as `page` has it."""
        page, new_token = self.page(request)
        response = HTMLResponse(self.text(page, template, values), status, dict(headers or {}))
        response.headers["Content-Language"] = page.language
        if new_token:
            cookies.set_secret(request, response, cookies.FORM, new_token)
        return response

    def text(self, page: Page, template: str, values: Mapping[str, Any] | None = None) -> str:
        """A template in the language of a page."""
        content = environment(page.language).get_template(template)
        return content.render(page=page, **(values or {}))

    def page(self, request: Request) -> tuple[Page, str | None]:
        """Who asks and how they read; and the form token to set, where they have none yet."""
        signed_in: SignedIn | None = getattr(request.state, "signed_in", None)
        token = (signed_in.form_token if signed_in else None) or cookies.secret(
            request, cookies.FORM
        )
        new_token = None if token else forms.new_token()
        theme = request.cookies.get(cookies.THEME, "auto")
        page = Page(
            words=words_of(request),
            theme=theme if theme in THEMES else "auto",
            zone=times.zone_of(request.cookies.get(cookies.ZONE), self._default_zone),
            now=self._clock.now(),
            path=request.url.path,
            query=request.url.query,
            principal=signed_in.principal if signed_in else None,
            can_sign_out=bool(signed_in and signed_in.can_sign_out),
            form_token=token or new_token or "",
        )
        return page, new_token


def words_of(request: Request) -> Words:
    """The caller's words."""
    return words(
        chosen(request.cookies.get(cookies.LANGUAGE), request.headers.get("accept-language", ""))
    )


def coded(text: str) -> Markup:
    """A text in which the parts in backticks are shown as code."""
    escaped = str(escape(text))  # no Markup: it would escape what is put into it
    return Markup(_CODE.sub(r"<code>\1</code>", escaped))  # noqa: S704 - escaped just now


@cache
def environment(name: Language) -> Environment:
    """What templates of a language are rendered with; they are compiled once in a process."""
    language = words(name)
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        language.gettext, language.ngettext, newstyle=True
    )
    # For a text in a variable: `_` takes what it is given for markup, and so may have only texts
    # that stand in the template.
    made.filters["said"] = language.gettext
    made.filters["coded"] = coded
    made.globals.update(
        address=shared_statics().address,
        look=badge,
        looks=LOOKS,
        overdue=OVERDUE,
        themes=THEMES,
        languages=NAMES,
        form_field=forms.FIELD,
    )
    return made
