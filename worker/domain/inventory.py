"""What the platform says about jobs, servers and people: the rows of the seven preflight views.

Named tuples and not dataclasses: some six of them are made for every trigger, straight from the
driver's rows, in a quarter of the time that a frozen dataclass takes (measured).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class JobType(StrEnum):
    """What a job runs. The service that runs workflows is orch."""

    ACTION = "action"
    WORKFLOW = "workflow"


class ServerState(StrEnum):
    """A server as the inventory knows it; `unknown` is no finding."""

    ON = "on"
    OFF = "off"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class UnreadableRow(NamedTuple):
    """A row that a job needs and that its view raises for.

    `key` names the row by its view's columns, in text; a job's id alone where it was not told which
    of the job's rows it is. `words` are the database's, for the log alone: they may hold a value.
    """

    view: str
    sqlstate: str
    key: tuple[tuple[str, str], ...]
    words: str


class Job(NamedTuple):
    """A row of `preflight_job`.

    `parameter` is JSON text exactly as saved, None for SQL null. `job_type` is the platform's own
    word: usually one of `JobType`, and a job with another one fails `automation_not_found`.
    """

    job_id: int
    name: str
    job_type: str
    target_id: int | None
    owner_id: int | None
    enabled: bool
    parameter: str | None
    max_lateness_s: int | None
    version: int


class JobRow(NamedTuple):
    """A job as read with others: a large parameter is left out, and has `about_bytes` then."""

    job: Job
    about_bytes: int | None


class Server(NamedTuple):
    """A row of `preflight_server`."""

    server_id: int
    name: str
    ip: str | None
    state: ServerState


class Account(NamedTuple):
    """A row of `preflight_account`; its key is (server_id, account)."""

    server_id: int
    account: str
    enabled: bool
    credential_id: int | None


class Credential(NamedTuple):
    """A row of `preflight_credential`."""

    credential_id: int
    kind: str
    usable: bool


class Owner(NamedTuple):
    """A row of `preflight_owner`."""

    owner_id: int
    name: str
    enabled: bool
    group_ids: tuple[int, ...]


class Automation(NamedTuple):
    """A row of `preflight_automation`; its key is (job_type, target_id)."""

    job_type: str
    target_id: int
    name: str
    enabled: bool


class Grant(NamedTuple):
    """A row of `preflight_grant`: a user or a group may use an automation."""

    principal_kind: str
    principal_id: int
    job_type: str
    target_id: int
