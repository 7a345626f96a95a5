"""What the platform says about jobs, servers and people: the rows of the seven preflight views.

Named tuples and not dataclasses: some six of them are made for every trigger, straight from the
driver's rows, in a quarter of the time that a frozen dataclass takes (measured).

Flags, states and types are closed sets (design 7). A row whose view says anything else, or null,
lists it as `unclear`, and the column then has the value with which nothing can be started: false,
`unknown`, or no id. So does one with a number, an id or an array of ids that is none; no number and
no groups stand for these, and nothing is started of a row of a job or owner that lists anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class JobType(StrEnum):
    """What a job runs. The service that runs workflows is orch."""

    ACTION = "action"
    WORKFLOW = "workflow"


class ServerState(StrEnum):
    """A server as the inventory knows it; `unknown` is not a finding."""

    ON = "on"
    OFF = "off"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class Unclear(NamedTuple):
    """A value of a view that is none of those allowed; `value` is its text, None for null.

    Of a key that several rows have, `column` is `ROWS`, and `value` says how many they are.
    """

    column: str
    value: str | None


ROWS = "rows"
"""Stands for all columns of a key that several rows have: which of them counts nobody knows."""

UnclearColumns = Sequence[str | None] | None
"""The unclear columns of a row, as the driver gives them: a name, its value, the next name, …"""


def unclear(columns: UnclearColumns) -> list[Unclear]:
    """What is unclear of a row; nearly always nothing."""
    if not columns:
        return []
    pairs = zip(columns[::2], columns[1::2], strict=True)
    return [Unclear(str(column), value) for column, value in pairs]


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

    `parameter` is JSON text exactly as saved, None for SQL null. `job_type` is one of `JobType`; an
    unclear one is kept as the platform says it, empty for null.
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
    unclear: UnclearColumns = None


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
    unclear: UnclearColumns = None


class Account(NamedTuple):
    """A row of `preflight_account`; its key is (server_id, account)."""

    server_id: int
    account: str
    enabled: bool
    credential_id: int | None
    unclear: UnclearColumns = None


class Credential(NamedTuple):
    """A row of `preflight_credential`."""

    credential_id: int
    kind: str
    usable: bool
    unclear: UnclearColumns = None


class Owner(NamedTuple):
    """A row of `preflight_owner`."""

    owner_id: int
    name: str
    enabled: bool
    group_ids: tuple[int, ...]
    unclear: UnclearColumns = None


class Automation(NamedTuple):
    """A row of `preflight_automation`; its key is (job_type, target_id).

    `job_type` is `UNCLEAR_TYPE` where the view says neither action nor workflow.
    """

    job_type: str
    target_id: int
    name: str
    enabled: bool
    unclear: UnclearColumns = None


UNCLEAR_TYPE = ""
"""Stands for the type of an automation that is neither an action nor a workflow."""


class Grant(NamedTuple):
    """A row of `preflight_grant`: a user or a group may use an automation."""

    principal_kind: str
    principal_id: int
    job_type: str
    target_id: int
