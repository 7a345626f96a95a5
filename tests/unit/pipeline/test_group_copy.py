"""What a group's offset proves about the database that a worker has (design 6.7)."""

import pytest

from job_trigger_worker.domain.group_copy import GroupCopy, Known, contradiction, copy_of
from job_trigger_worker.domain.record import Claim

TOPIC, OLD_TOPIC = "e1/Yt+3nQ", "gone"
OURS, THEIRS = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
NOTHING = Known(OURS, frozenset(), has_read=False)
SOME = Known(OURS, frozenset({0}), has_read=True)


def test_a_copy_is_read_as_it_was_written_whatever_a_topic_id_holds() -> None:
    copy = copy_of(Claim(1, "t", TOPIC, 0, 3, 41, OURS))

    assert copy == GroupCopy(42, TOPIC, OURS)
    assert GroupCopy.of(42, copy.metadata) == copy


@pytest.mark.parametrize("metadata", [None, "", "by hand"])
def test_an_offset_of_nobodys_says_nothing(metadata: str | None) -> None:
    assert GroupCopy.of(-1001, metadata) == GroupCopy(0, None, None)
    assert GroupCopy.of(7, metadata).metadata == ""


@pytest.mark.parametrize(
    ("copy", "known"),
    [
        (GroupCopy(0, None, None), NOTHING),  # a new group, committed as it stands
        (GroupCopy(0, TOPIC, OURS), NOTHING),
        (GroupCopy(9, OLD_TOPIC, OURS), NOTHING),  # the topic was made again
        (GroupCopy(9, OLD_TOPIC, THEIRS), NOTHING),
        (GroupCopy(9, TOPIC, OURS), SOME),
        (GroupCopy(9, None, None), SOME),  # set by hand
        (GroupCopy(9, TOPIC, OURS), Known(OURS, frozenset({1}), has_read=True)),  # forgotten
        (GroupCopy(9, TOPIC, OURS), Known(OURS, frozenset({0}), has_read=False)),
    ],
)
def test_what_agrees(copy: GroupCopy, known: Known) -> None:
    assert contradiction({0: copy}, TOPIC, known) is None


@pytest.mark.parametrize(
    ("copy", "known", "words"),
    [
        (GroupCopy(9, TOPIC, THEIRS), SOME, f"noted for the database {THEIRS}"),
        (GroupCopy(0, TOPIC, THEIRS), NOTHING, f"noted for the database {THEIRS}"),
        (GroupCopy(9, None, None), NOTHING, "has never read this topic"),
        (GroupCopy(9, TOPIC, OURS), NOTHING, "has never read this topic"),
    ],
)
def test_what_contradicts(copy: GroupCopy, known: Known, words: str) -> None:
    said = contradiction({0: GroupCopy(0, None, None), 3: copy}, TOPIC, known)

    assert said is not None
    assert said.startswith(f"stands at offset {copy.offset} of partition 3")
    assert words in said
    assert OURS in said
