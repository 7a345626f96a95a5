"""Which record of a job is its newest: one definition for everything that asks (R3, R4).

Newest is the greatest (`least(scheduled_at, decided_at)`, record id). A slot is what a producer
says: one that lies ahead counts from the moment of its decision, so that nothing said about the
future can stand in front of what happens meanwhile. A canary never counts, nor does a trigger that
was too early. The index `awp_job_execution_newest` has the same key and the same condition.
"""

from __future__ import annotations


def moment(record: str) -> str:
    """SQL of the moment by which the record of that name is ordered; null in a row not of ours."""
    return f"least({record}.scheduled_at, {record}.decided_at)"


def counts(record: str) -> str:
    """SQL of the condition that the record of that name counts for its job."""
    return (
        f"({record}.trigger_kind is distinct from 'canary'"
        f" and {record}.trigger_code is distinct from 'too_early')"
    )


def newest_first(record: str) -> str:
    """The words behind `order by` that put a job's newest record first; the index gives it."""
    return f"{moment(record)} desc nulls last, {record}.id desc"
