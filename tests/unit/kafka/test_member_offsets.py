"""The group's proof that we are a member of it is the answer to just that question."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from job_trigger_worker.domain.group_copy import GroupCopy
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.kafka.member_offsets import MemberOffsets

STALE = KafkaError(KafkaError.ILLEGAL_GENERATION)
COPIES = {0: GroupCopy(7, "id", "db"), 1: GroupCopy(9, "id", "db")}
CLAIMS = [Claim(each, "t", "id", each, 1, 6 + 2 * each, "db") for each in (0, 1)]


class Member:
    """A consumer whose group answers when a test says so, in the order of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[TopicPartition]] = []
        self.offsets = MemberOffsets(cast(Consumer, self), "t")

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> Any:
        assert asynchronous
        self.asked.append(offsets)

    def answer(self, error: KafkaError | None = None) -> None:
        self.offsets.note(error, self.asked.pop(0))


@pytest.fixture
def member() -> Member:
    return Member()


def test_the_answer_to_an_older_copy_of_the_same_partitions_proves_nothing(member: Member) -> None:
    member.offsets.copy(CLAIMS)
    member.offsets.prove(COPIES)
    member.answer()
    assert member.offsets.proof() is None
    member.answer(STALE)
    assert (member.offsets.proof() or {}).keys() == {0, 1}


def test_the_answer_to_a_proof_that_was_given_up_proves_nothing(member: Member) -> None:
    member.offsets.prove(COPIES)
    member.offsets.prove(COPIES)
    member.answer()
    assert member.offsets.proof() is None
    member.answer(STALE)
    assert (member.offsets.proof() or {}).keys() == {0, 1}


def test_the_answer_proves_whatever_else_was_asked_meanwhile(member: Member) -> None:
    member.offsets.copy(CLAIMS[:1])
    member.offsets.prove(COPIES)
    member.offsets.copy(CLAIMS)
    member.answer(STALE)
    assert member.offsets.proof() is None
    member.answer()
    assert member.offsets.proof() == {}
    member.answer(STALE)
    assert member.offsets.proof() is None


def test_an_answer_that_never_came_is_waited_for_once(member: Member) -> None:
    member.offsets.copy(CLAIMS)
    member.asked.clear()
    member.offsets.prove(COPIES)
    member.answer()
    assert member.offsets.proof() is None
    member.offsets.release_all()
    member.offsets.prove(COPIES)
    member.answer()
    assert member.offsets.proof() == {}


def test_a_copy_that_the_group_refused_is_to_be_made_again(member: Member) -> None:
    member.offsets.copy(CLAIMS)
    member.answer(STALE)
    assert member.offsets.behind == {0, 1}
    member.offsets.copy(CLAIMS)
    assert member.offsets.behind == set()
    member.answer()
    assert member.offsets.behind == set()
