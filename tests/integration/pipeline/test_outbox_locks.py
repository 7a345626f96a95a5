"""What is acknowledged is deleted around anybody's locks, and never published a second time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.delivery import Event
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.errors import Locked
from job_trigger_worker.kafka.outbox_catch_up import OutboxCatchUp
from job_trigger_worker.pipeline.relay import Relay
from job_trigger_worker.storage.db.engine import Session, make_engine
from job_trigger_worker.storage.write import ledger, outbox
from tests.support import sql
from tests.support.brokerless import TOPICS

LEFT = "select ledger_id, events from awp_trigger_outbox order by id"
PUBLISHED = "select published from awp_trigger_ledger order by id"


@dataclass
class Brokers:
    """Acknowledges everything."""

    taken: list[bytes | None] = field(default_factory=list)

    def send(self, events: Sequence[Event], tick: Callable[[], None]) -> None:
        self.taken += [event.value for event in events]

    def wait(self, tick: Callable[[], None]) -> list[Event]:
        return []

    def abandon(self) -> None:
        raise AssertionError("nothing went wrong")


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """Waits less than a second for a lock."""
    engine = make_engine(Settings(database_url=SecretStr(database), max_poll_interval_ms=6000))
    session = Session(engine)
    yield session
    session.close()
    engine.dispose()


@pytest.fixture
def claims(session: Session) -> list[Claim]:
    """Three partitions, with one outbox row each: 1, 2 and 3 outcomes."""
    with session.transaction() as connection:
        taken = ledger.take(
            connection,
            topic=TOPICS.triggers,
            topic_id="id",
            owner="ours/1",
            log_starts=dict.fromkeys(range(3), 0),
        )
        claims = [taken[partition] for partition in range(3)]
        outbox.insert(
            connection,
            [
                (claim.ledger_id, n, outbox.Packed.of([Event("t", b"k", [], b"%d" % n)]))
                for n, claim in enumerate(claims, 1)
            ],
        )
    return claims


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def relay(session: Session, brokers: Brokers) -> Relay:
    return Relay(session, brokers, TOPICS, "en")


def tick() -> None:
    """Nothing happens meanwhile."""


@pytest.mark.parametrize("mode", ["update", "key share"])
def test_a_locked_row_is_left_until_the_lock_ends_and_the_others_go(
    database: str, relay: Relay, brokers: Brokers, claims: list[Claim], mode: str
) -> None:
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute(f"select from awp_trigger_outbox where events = 2 for {mode}")
        relay.catch_up(claims, tick)
        assert sql.rows(database, LEFT) == [(claims[1].ledger_id, 2)]
        assert sql.rows(database, PUBLISHED) == [(1,), (0,), (3,)]
        assert not relay.catch_up(claims, tick)
        relay.settle(claims)
        assert sql.rows(database, LEFT) == [(claims[1].ledger_id, 2)]
        person.rollback()
    relay.settle(claims)
    assert sql.rows(database, LEFT) == []
    assert sql.rows(database, PUBLISHED) == [(1,), (2,), (3,)]
    assert brokers.taken == [b"1", b"2", b"3"]
    assert relay.acknowledged == []


def test_a_row_that_somebody_deletes_is_forgotten(
    database: str, relay: Relay, brokers: Brokers, claims: list[Claim]
) -> None:
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("delete from awp_trigger_outbox where events = 2")
        relay.catch_up(claims, tick)
        assert [row.outcomes for row in relay.acknowledged] == [2]
        person.commit()
    relay.settle(claims)
    assert relay.acknowledged == []
    assert sql.rows(database, PUBLISHED) == [(1,), (0,), (3,)]
    assert brokers.taken == [b"1", b"2", b"3"]


def test_what_was_sent_when_a_ledger_row_was_locked_is_not_sent_again(
    database: str, session: Session, relay: Relay, brokers: Brokers, claims: list[Claim]
) -> None:
    catching_up = OutboxCatchUp(session, relay)
    catching_up.add(claims)
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute('select from awp_trigger_ledger where "partition" = 1 for update')
        with pytest.raises(Locked):
            catching_up.step(tick)
        catching_up.drop([0, 1, 2])
        catching_up.add([claims[0], claims[2]])  # the fence leaves out the one that is locked
        assert {each.claim for each in catching_up.step(tick)} == {claims[0], claims[2]}
        person.rollback()
    catching_up.add([claims[1]])
    assert [each.claim for each in catching_up.step(tick)] == [claims[1]]
    assert sql.rows(database, LEFT) == []
    assert sql.rows(database, PUBLISHED) == [(1,), (2,), (3,)]
    assert brokers.taken == [b"1", b"2", b"3"]


def test_a_partition_that_is_gone_is_left_when_its_locked_row_is_deleted(
    database: str, session: Session, relay: Relay, brokers: Brokers, claims: list[Claim]
) -> None:
    catching_up = OutboxCatchUp(session, relay)
    catching_up.add(claims[1:2], are_orphans=True)
    with sql.session(database) as person, person.cursor() as cursor:
        cursor.execute("select from awp_trigger_outbox where events = 2 for update")
        for _ in range(3):
            catching_up.step(tick)
        assert list(catching_up.claims) == [claims[1]]
        person.rollback()
    catching_up.step(tick)
    assert not catching_up.claims
    assert sql.rows(database, LEFT) == [(claims[0].ledger_id, 1), (claims[2].ledger_id, 3)]
    assert brokers.taken == [b"2"]
