"""The group's offset: a copy of the ledger's position, and what it proves about a database.

Its metadata says of which topic (its id) and of which database (that one's own id) it is a copy. A
copy follows the commit that it is a copy of, so a database that stands before its own copy has lost
commits: it was restored, or replaced by a standby that lacked them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from job_trigger_worker.domain.record import Claim
from job_trigger_worker.domain.trigger import Uuid

_BETWEEN = "/"
"""A topic id may hold it, too; a database id does not."""


class GroupCopy(NamedTuple):
    """A group's offset of one partition: the next to be read, 0 where there is none.

    `topic_id` and `database_id` are None where nobody has said them: a new group, an offset that
    was set by hand, a broker that does not keep them.
    """

    offset: int
    topic_id: str | None
    database_id: Uuid | None

    @classmethod
    def of(cls, offset: int, metadata: str | None) -> GroupCopy:
        """What a broker answers; it says a negative offset where there is none."""
        topic_id, between, database_id = (metadata or "").rpartition(_BETWEEN)
        if not between:
            return cls(max(offset, 0), None, None)
        return cls(max(offset, 0), topic_id, database_id)

    @property
    def metadata(self) -> str:
        """As it is committed again."""
        if self.topic_id is None or self.database_id is None:
            return ""
        return f"{self.topic_id}{_BETWEEN}{self.database_id}"

    def tells(self, topic_id: str, known: Known) -> bool:
        """True when a database, this one or another, had read a topic up to here.

        An offset that says nothing of a database, beside one that has read the topic, may have been
        set by hand.
        """
        if self.topic_id is None:
            return self.offset > 0 and not known.has_read
        return self.topic_id == topic_id

    def is_of(self, claim: Claim) -> bool:
        """True when it is a copy of the same ledger row's position."""
        return (self.topic_id, self.database_id) == (claim.topic_id, claim.database_id)


def copy_of(claim: Claim) -> GroupCopy:
    """What is committed to the group about a partition."""
    return GroupCopy(claim.last_offset + 1, claim.topic_id, claim.database_id)


@dataclass(frozen=True, slots=True)
class Known:
    """What a database, with an id of its own, knows of a topic.

    `partitions` are those that it has a row of; `has_read` says whether it has read any of them.
    """

    database_id: Uuid
    partitions: frozenset[int]
    has_read: bool


def contradiction(copies: Mapping[int, GroupCopy], topic_id: str, known: Known) -> str | None:
    """Why this database is not the one that the group's offsets are copies of, None if it is.

    The end of a sentence that begins with the group. Offsets of a topic that was deleted and made
    again say nothing.
    """
    for partition, copy in copies.items():
        if copy.topic_id == topic_id and copy.database_id != known.database_id:
            return (
                f"stands at offset {copy.offset:,} of partition {partition}, noted for the "
                f"database {copy.database_id}; this is the database {known.database_id}"
            )
        if copy.topic_id not in (None, topic_id) or partition in known.partitions:
            continue
        if copy.offset > 0 and not known.has_read:
            return (
                f"stands at offset {copy.offset:,} of partition {partition}; the database "
                f"{known.database_id} has never read this topic (topic id {topic_id})"
            )
    return None
