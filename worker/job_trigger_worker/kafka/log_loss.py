"""A position held against its log, which may have lost something at either side."""

from __future__ import annotations

from job_trigger_worker.domain.group_copy import copy_of
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import Transient
from job_trigger_worker.kafka.member_offsets import MemberOffsets
from job_trigger_worker.logs import logger
from job_trigger_worker.metrics import LoopMetrics
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger

log = logger(__name__)


def report_rewound(claim: Claim, end: int, metrics: LoopMetrics) -> None:
    """Say, loudly, that the database has forgotten what it knew from a position up to `end`."""
    first = claim.last_offset + 1
    metrics.rewound.inc(end - first)
    log.error(
        "rewound",
        topic=claim.topic,
        partition=claim.partition,
        first=first,
        last=end - 1,
        message=(
            "the database has forgotten commits (an older dump, or a standby that lacked "
            "them): these offsets are read again, under the ids that they had; the audit fails "
            "until a person acknowledges it"
        ),
    )


def is_cut(claim: Claim, first: int, end: int, *, is_refused: bool) -> bool:
    """True when the brokers lost the end of a log from `first` to `end`, which we had read.

    `is_refused` where they refused the position. Raises `Transient` where they have written past
    it again.
    """
    position = claim.last_offset + 1
    if position < first or not is_refused:
        return False
    if position <= end:
        log.error(
            "log_rewritten",
            topic=claim.topic,
            partition=claim.partition,
            position=position,
            message=(
                "the brokers lost the end of the log and have written past it again: some "
                "triggers before the position may be new and unread"
            ),
        )
        raise Transient(f"The brokers refused position {position}; it is asked for again.")
    log.error(
        "log_cut",
        topic=claim.topic,
        partition=claim.partition,
        first=end,
        last=position - 1,
        message="the brokers lost triggers that had been recorded; the records stand",
    )
    return True


def go_back(session: Session, offsets: MemberOffsets, claim: Claim, end: int) -> Claim:
    """Go back to where the log ends now: what is written there next is new.

    The group's copy goes first, so that it is never ahead of the ledger without a reason.
    """
    offsets.commit(claim.partition, copy_of(claim.at(end - 1)))
    with session.transaction() as connection:
        return ledger.go_back(connection, claim, end)


def record_lost_range(session: Session, claim: Claim, first: int) -> Claim:
    """Record, loudly, what the log deleted unread before `first`; the claim behind that."""
    position = claim.last_offset + 1
    if position >= first:
        return claim
    log.error(
        "lost_range",
        topic=claim.topic,
        partition=claim.partition,
        first=position,
        last=first - 1,
        message=(
            "the log deleted triggers before they were read; the audit fails until a person "
            "acknowledges it"
        ),
    )
    with session.transaction() as connection:
        return ledger.lose(connection, claim, first)
