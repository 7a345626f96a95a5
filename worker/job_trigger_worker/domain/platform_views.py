"""What each column of the platform's thirteen views may hold: the contract of the seam as data.

`docs/platform.md` says it for people, and `trigger-worker platform check` holds a platform to it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

TYPES = ("action", "workflow")
ROLES = ("viewer", "operator", "admin")
STATES = ("on", "off", "offline", "unknown")
PRINCIPALS = ("user", "group")


class Holds(StrEnum):
    """What a column holds."""

    ID = "a whole number from 1 to 9223372036854775807"
    IDS = "an array of whole numbers from 1 to 9223372036854775807"
    FLAG = "true or false"
    WORD = "one of its words"
    TEXT = "any text"
    NUMBER = "a whole number, 0 or more"
    TIME = "a time"
    UUID = "a UUID"
    SCHEDULE = "a cron expression"
    ZONE = "the name of a time zone"


class Column(NamedTuple):
    """A column of a view. `may_be_null` where null means something; `words` are all there are."""

    name: str
    holds: Holds = Holds.TEXT
    may_be_null: bool = True
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What it may contain, in words."""
        if self.holds is Holds.FLAG:
            return f"{self.holds}, yes or no, y or n, on or off, 1 or 0"
        if not self.words:
            return str(self.holds)
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"


class View(NamedTuple):
    """A view and its columns.

    `key` names a row; `is_unique` where no two rows may have the same. `looked_up` are the columns
    by which rows are read, so an index has to serve each of them. `is_needed` where the worker
    cannot do without the view.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    looked_up: tuple[str, ...]
    is_unique: bool = True
    is_needed: bool = True

    def column(self, name: str) -> Column:
        """A column by its name."""
        return next(column for column in self.columns if column.name == name)


def _id(name: str, *, may_be_null: bool = False) -> Column:
    return Column(name, Holds.ID, may_be_null)


def _flag(name: str) -> Column:
    return Column(name, Holds.FLAG, may_be_null=False)


def _word(name: str, words: tuple[str, ...]) -> Column:
    return Column(name, Holds.WORD, may_be_null=False, words=words)


_NAME, _URL = Column("name"), Column("platform_url")
_TYPE, _VERSION = _word("job_type", TYPES), Column("version", Holds.NUMBER)
_SCHEDULE, _ZONE = Column("schedule", Holds.SCHEDULE), Column("timezone", Holds.ZONE)
_ACCOUNT = Column("account", may_be_null=False)

VIEWS = (
    View(
        "preflight_job",
        (
            _id("job_id"),
            _NAME,
            _TYPE,
            _id("target_id", may_be_null=True),
            _id("owner_id", may_be_null=True),
            _flag("enabled"),
            Column("paramter"),
            Column("max_lateness_s", Holds.NUMBER),
            _VERSION,
        ),
        ("job_id",),
        ("job_id",),
    ),
    View(
        "preflight_server",
        (_id("server_id"), _NAME, Column("ip"), _word("state", STATES)),
        ("server_id",),
        ("server_id",),
    ),
    View(
        "preflight_account",
        (_id("server_id"), _ACCOUNT, _flag("enabled"), _id("credential_id", may_be_null=True)),
        ("server_id", "account"),
        ("server_id",),
    ),
    View(
        "preflight_credential",
        (_id("credential_id"), Column("kind"), _flag("usable")),
        ("credential_id",),
        ("credential_id",),
    ),
    View(
        "preflight_owner",
        (_id("owner_id"), _NAME, _flag("enabled"), Column("group_ids", Holds.IDS)),
        ("owner_id",),
        ("owner_id",),
    ),
    View(
        "preflight_automation",
        (_TYPE, _id("target_id"), _NAME, _flag("enabled")),
        ("target_id", "job_type"),
        ("target_id",),
    ),
    View(
        "preflight_grant",
        (_word("principal_kind", PRINCIPALS), _id("principal_id"), _TYPE, _id("target_id")),
        ("target_id", "job_type", "principal_kind", "principal_id"),
        ("target_id",),
        is_unique=False,
    ),
    View(
        "console_job",
        (
            _id("job_id"),
            _NAME,
            _TYPE,
            _id("target_id", may_be_null=True),
            Column("automation_name"),
            _id("owner_id", may_be_null=True),
            Column("owner_name"),
            _flag("enabled"),
            _SCHEDULE,
            _ZONE,
            _VERSION,
            Column("updated_at", Holds.TIME),
            _URL,
        ),
        ("job_id",),
        ("job_id",),
        is_needed=False,
    ),
    View(
        "console_job_group",
        (_id("job_id"), _id("group_id")),
        ("job_id", "group_id"),
        ("job_id", "group_id"),
        is_unique=False,
        is_needed=False,
    ),
    View(
        "console_member",
        (
            Column("login", may_be_null=False),
            _id("user_id"),
            _id("group_id", may_be_null=True),
            Column("role", Holds.WORD, words=ROLES),
        ),
        ("user_id", "login"),
        ("login",),
        is_unique=False,
        is_needed=False,
    ),
    View(
        "console_job_target",
        (_id("job_id"), Column("node_id"), _id("server_id"), Column("account")),
        ("job_id", "server_id"),
        ("job_id",),
        is_unique=False,
        is_needed=False,
    ),
    View(
        "console_execution",
        (
            _TYPE,
            Column("execution_id", Holds.UUID, may_be_null=False),
            Column("status"),
            Column("message"),
            Column("accepted_at", Holds.TIME),
            Column("started_at", Holds.TIME),
            Column("ended_at", Holds.TIME),
            _URL,
        ),
        ("execution_id", "job_type"),
        ("execution_id",),
        is_needed=False,
    ),
    View(
        "console_job_write",
        (
            _id("job_id"),
            _NAME,
            _SCHEDULE,
            _ZONE,
            _flag("enabled"),
            Column("paramter"),
            _VERSION,
        ),
        ("job_id",),
        ("job_id",),
        is_needed=False,
    ),
)
"""Preflight's seven, which the worker needs, and the console's six."""

SHOWING = View(
    "awp_automcation_job",
    (
        _id("id"),
        Column("trigger_status", Holds.NUMBER),
        Column("trigger_message"),
        _id("last_execution_id", may_be_null=True),
        Column("last_scheduled_at", Holds.TIME),
        Column("failing_since", Holds.TIME),
        Column("consecutive_failures", Holds.NUMBER),
    ),
    ("id",),
    ("id",),
)
"""What shows the records of jobs, and the worker writes: a table, or a view of the platform's."""
