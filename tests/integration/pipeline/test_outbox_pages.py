"""What is left in the outbox is read back in pages of a bounded size, in order and to the end."""

import secrets

import pytest

from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.storage.write import outbox
from tests.support.brokerless import feeding

MIB = 1024 * 1024


@pytest.mark.parametrize("is_random", [False, True], ids=["packs well", "packs badly"])
def test_a_page_holds_no_more_than_it_may_and_the_pages_hold_everything(
    database: str, is_random: bool
) -> None:
    filling = secrets.token_bytes(750_000) if is_random else bytes(750_000)
    events = [Event("t", None, [], bytes([n]) + filling) for n in range(12)]
    with feeding(database) as feed:
        taker = feed.taker()
        claim = taker.take(0)
        with taker.session.transaction() as connection:
            for first in range(0, 12, 2):  # a row of two events has 1.5 MB
                row = outbox.Packed.of(events[first : first + 2])
                outbox.insert(connection, [(claim.ledger_id, 2, row)])
        pages = []
        while True:
            with taker.session.transaction() as connection:
                page = outbox.page(connection, [claim.ledger_id], rows=8, most_bytes=3 * MIB)
                outbox.delete(connection, page)
            if not page:
                break
            pages.append(page)

    assert max(len(page) for page in pages) == (1 if is_random else 3)
    found = [event for page in pages for row in page for event in row.events]
    assert [event.value for event in found] == [event.value for event in events]
