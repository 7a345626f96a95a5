"""A console that listens on loopback, in this process, and browsers that ask it."""

import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from job_trigger_schemas import JobTrigger
from job_trigger_worker.clock import Clock, SystemClock
from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared import permissions
from job_trigger_worker.console.shared.auth import sessions
from job_trigger_worker.console.shared.ports import FailureTail, TriggerSender
from job_trigger_worker.console.shared.state import Collaborators
from job_trigger_worker.console.shell.app import create_app
from job_trigger_worker.console.shell.server import ConsoleServer
from job_trigger_worker.dead_letters.replay import Note, Replayer
from job_trigger_worker.dead_letters.replay_rules import Replayed
from job_trigger_worker.domain.principals import Role
from job_trigger_worker.domain.signatures import Note as SentNote
from job_trigger_worker.errors import BrokersAway
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.trigger_publisher import LazyTriggerPublisher
from job_trigger_worker.storage.db.pool import Pool
from job_trigger_worker.storage.read.dead_letters import DeadLetterFilter, Selection
from job_trigger_worker.storage.write.sign_ins import Session

_TRUST = ssl.create_default_context()
"""Made once, because it reads every authority of this machine; no page here comes with TLS."""

PATIENT_S = 10.0

_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass
class Served:
    """A console that serves at `address`."""

    app: FastAPI
    pool: Pool
    clock: Clock
    address: str

    def browser(self, **headers: str) -> httpx.Client:
        """A new browser, signed in as nobody; it follows no redirect by itself."""
        return httpx.Client(base_url=self.address, headers=headers, timeout=20, verify=_TRUST)

    def link(self, role: Role = Role.ADMIN, login: str = "demo-admin") -> str:
        """A one-time link's path."""
        return sessions.offer_link(self.pool, self.clock, login=login, name=login, role=role)

    def signed_in(self, role: Role = Role.VIEWER, login: str = "li.wei") -> httpx.Client:
        """A browser in which somebody with a role is signed in."""
        session = Session(login, login, role.value, "link", "")
        token = self.app.state.console.sessions.begin(session, instead_of=None)
        browser = self.browser()
        browser.cookies.set("awp-session", token, domain="127.0.0.1")
        return browser


class Everywhere:
    """Stands for brokers that take whatever they are sent."""

    def send(
        self,
        triggers: Sequence[JobTrigger],
        *,
        traceparent: str | None = None,
        note: SentNote | None = None,
    ) -> None:
        pass


class Nowhere:
    """Stands for brokers that are away: a console without any."""

    def send(
        self,
        triggers: Sequence[JobTrigger],
        *,
        traceparent: str | None = None,
        note: SentNote | None = None,
    ) -> None:
        raise BrokersAway(f"There is no broker for {len(triggers)} triggers.")

    def replay(
        self, _choice: DeadLetterFilter, found: Selection, *, edited: bytes | None, note: Note
    ) -> Replayed:
        del edited, note
        raise BrokersAway(f"There is no broker for {found.fresh} letters.")


class Silent:
    """Stands for a failure topic on which nothing is heard: brokers are away."""

    def begin(self, told: Callable[[], object]) -> None:
        pass

    def end(self) -> None:
        pass


@contextmanager
def serving(
    database: str,
    *,
    clock: Clock | None = None,
    kafka: KafkaSettings | None = None,
    brokers: TriggerSender | None = None,
    tail: FailureTail | None = None,
    inventory_limit_s: float = PATIENT_S,
    **settings: Any,
) -> Iterator[Served]:
    """Serve a console over a database, and brokers if `kafka` says where, until the block ends.

    `brokers` stands for them where there is no `kafka`; by default they are away. Pages wait for
    the inventory as long as a busy machine needs, unless `inventory_limit_s` says otherwise.
    """
    chosen = Settings(
        database_url=SecretStr(database), **{"console_listen": "127.0.0.1:0", **settings}
    )
    pool = Pool(chosen)
    sender = LazyTriggerPublisher(kafka) if kafka else None
    made = clock or SystemClock()
    sending = sender or brokers or Nowhere()
    replayer = Replayer(chosen, kafka) if kafka else Nowhere()
    app = create_app(
        Collaborators(chosen, pool, made, sending, replayer, tail or Silent(), inventory_limit_s)
    )
    server = ConsoleServer(app, chosen, app.state.live.hub.end)
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield Served(app, pool, made, server.address)
    finally:
        server.stop()
        thread.join(20)
        if sender is not None:
            sender.close()
        pool.close()
        assert not thread.is_alive()


def form_token(page: httpx.Response) -> str:
    """The token that the forms of a page carry."""
    found = _FORM_TOKEN.search(page.text)
    assert found, f"no form on {page.url}"
    return found.group(1)


def refusals(served: Served, role: Role | None) -> dict[tuple[str, str], int]:
    """Every route of a console, and the status that it answers to somebody with this role.

    Path parameters are filled with an id that does not exist; unsafe methods carry the form token.
    Later routes are in it by themselves: nobody has to list them.
    """
    answers = {}
    for route in permissions.routes(served.app):
        path = re.sub(r"{[^}]+}", "999999999", route.path)
        for method in sorted(route.methods - {"HEAD"}):
            browser = served.browser() if role is None else served.signed_in(role)
            headers = {}
            if role is not None and method not in ("GET", "HEAD"):
                headers["X-Form-Token"] = form_token(browser.get("/jobs"))
            # A stream of events has no end: its status is all that is asked for.
            with browser.stream(method, path, headers=headers) as answer:
                answers[method, route.path] = answer.status_code
            browser.close()
    return answers
