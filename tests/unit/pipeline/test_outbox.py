"""What goes into an outbox row comes out the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.errors import FatalError
from job_trigger_worker.storage.write.outbox import pack, unpack

EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from(["awp.dispatch.action.v1", "awp.job.triggers.dlq.v1"]),
        st.none() | st.binary(max_size=40),
        st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=40))),
        st.none() | st.binary(max_size=400),
    ),
    max_size=20,
)


@given(EVENTS)
def test_events_come_out_as_they_went_in(events: list[Event]) -> None:
    assert unpack(pack(events)) == tuple(events)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 128, 1000])
def test_a_batch_of_any_size_comes_out_in_its_order(count: int) -> None:
    events = [Event("topic", b"%d" % n, [], b"x" * (n * 37 % 5_000)) for n in range(count)]

    assert unpack(pack(events)) == tuple(events)


def test_a_batch_takes_far_less_than_its_events() -> None:
    events = [Event("awp.dispatch.action.v1", b"17", [], b'{"job_id":"17"}' * 20)] * 1000

    assert len(pack(events)) < 3_000


def test_a_row_of_a_later_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(FatalError, match=r"format 02.*Run the version that wrote it"):
        unpack(b"\x02anything")
