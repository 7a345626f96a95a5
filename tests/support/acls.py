"""The rights of deploy/acls.md, as a test gives them to users of a node."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from job_trigger_worker.config import Settings
from tests.support.waiting import wait_until

ANSWER_S = 10.0
TABLE = Path(__file__).parents[2] / "deploy/acls.md"
_ROW = re.compile(r"^\| (\w+) \| ([A-Z_]+) \| (topics?|group) \| `(\S+)` \|", re.MULTILINE)
_KINDS = {
    "topic": (ResourceType.TOPIC, ResourcePatternType.LITERAL),
    "topics": (ResourceType.TOPIC, ResourcePatternType.PREFIXED),
    "group": (ResourceType.GROUP, ResourcePatternType.LITERAL),
}


@dataclass(frozen=True, slots=True)
class Right:
    """A row of the table."""

    principal: str
    operation: str
    resource: str
    name: str

    def __str__(self) -> str:
        return f"{self.principal} {self.operation} {self.name}"

    def binding(self, settings: Settings) -> AclBinding:
        """The ACL for the user of that name, with the names that `settings` say."""
        kind, pattern = _KINDS[self.resource]
        return AclBinding(
            kind,
            here(self.name, settings),
            pattern,
            f"User:{self.principal}",
            "*",
            AclOperation[self.operation],
            AclPermissionType.ALLOW,
        )


def here(name: str, settings: Settings) -> str:
    """A name of the table as `settings` have it."""
    if name == Settings.model_fields["consumer_group"].default:
        return settings.consumer_group
    return f"{settings.topic_prefix}.{name.removeprefix('awp.')}"


def table() -> list[Right]:
    """Every row."""
    return [Right(*row) for row in _ROW.findall(TABLE.read_text())]


def of(principal: str) -> list[Right]:
    """The rows of a principal."""
    return [each for each in table() if each.principal == principal]


def grant(admin: AdminClient, rights: Iterable[Right], settings: Settings) -> None:
    """Give these rights, on the topics and groups of `settings`.

    They hold when this returns: the controller acknowledges them before the broker knows them all.
    """
    bindings = {each.binding(settings) for each in rights}
    if not bindings:
        return
    for done in admin.create_acls(list(bindings)).values():
        done.result(timeout=ANSWER_S)
    wait_until(lambda: bindings <= _granted(admin), ANSWER_S, "that the broker knows the rights")


def _granted(admin: AdminClient) -> set[AclBinding]:
    anything: Any = None  # its stubs ask for a text
    everything = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    return set(admin.describe_acls(everything).result(timeout=ANSWER_S))
