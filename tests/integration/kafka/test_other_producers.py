"""What other people's producers send arrives, whatever client, codec or transaction they use.

On real Kafka. Each message becomes a record or a dead letter, or nothing where it was taken back.
"""

import json
from collections.abc import Iterator

import pytest
from kafka import KafkaProducer

from tests.support.producers import CLIENTS, CODECS, Message, ended, java
from tests.support.rig import Rig, at, trigger
from tests.support.topics import Received
from tests.support.waiting import wait_until

pytestmark = pytest.mark.parametrize("rig", ["kafka"], indirect=True)


@pytest.fixture(autouse=True)
def _all_settled(rig: Rig) -> Iterator[None]:
    """Whatever a test sent, the count closes over it."""
    yield
    rig.settle()
    for row in rig.rows("select * from awp_trigger_ledger where topic = %s", rig.topics.triggers):
        bins = ("records", "duplicates", "redeliveries", "dead_letters")
        assert row["deliveries"] == sum(row[name] for name in bins)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_in_every_codec(rig: Rig, client: str) -> None:
    first = 40_000 + 100 * list(CLIENTS).index(client)
    with rig.platform() as platform:
        jobs = [platform.action_job(id=first + number) for number in range(3 * len(CODECS))]
    for place, codec in enumerate(CODECS):
        keyed, keyless, odd = jobs[3 * place : 3 * place + 3]
        padding = "x" * 2_000  # so that there is something to compress
        messages: list[Message] = [
            (str(keyed).encode(), _body(keyed, note=padding), []),
            (None, _body(keyless, note=padding), []),
            (b"\xff\x00", _body(odd, note=padding), [("traceparent", b"\xff"), ("é", b"\xfe\x00")]),
            (None, f"junk of {client} in {codec}".encode(), [("h", b"\xff\xfe")]),
            (f"{client} {codec}".encode(), None, []),
        ]
        CLIENTS[client](rig.broker.address, rig.topics.triggers, messages, codec=codec)

    for job_id in jobs:
        assert rig.record(job_id)["trigger_status"] == 1
    for codec in CODECS:
        junk = _letter(rig, value=f"junk of {client} in {codec}".encode())
        assert junk.header("h") == b"\xff\xfe"
        assert junk.key is None
        assert "not JSON" in _reason(junk)
        assert "tombstone" in _reason(_letter(rig, key=f"{client} {codec}".encode()))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_transaction_counts_when_it_is_committed_and_only_then(rig: Rig, client: str) -> None:
    first = 41_000 + 100 * list(CLIENTS).index(client)
    with rig.platform() as platform:
        aborted, committed, behind = (platform.action_job(id=first + n) for n in range(3))
    (before,) = _deliveries(rig)
    send = CLIENTS[client]
    address, topic = rig.broker.address, rig.topics.triggers
    junk: Message = (None, b"taken back", [])

    send(address, topic, [(None, _body(aborted), []), junk], committed=False)
    send(address, topic, [(None, _body(committed), [])], committed=True)
    send(address, topic, [(None, _body(behind), [])])

    assert rig.record(committed)["trigger_status"] == 1
    assert rig.record(behind)["trigger_status"] == 1
    assert rig.rows("select from awp_job_execution where job_id = %s", aborted) == []
    assert rig.rows("select from awp_dead_letter where value = %s", b"taken back") == []
    assert _deliveries(rig) == [before + 2]


def test_kafkas_console_producer_in_every_codec(rig: Rig) -> None:
    with rig.platform() as platform:
        jobs = [platform.action_job(id=42_000 + number) for number in range(2 * len(CODECS))]
    tools = [
        java(
            "ConsoleProducer",
            *("--bootstrap-server", rig.broker.address, "--topic", rig.topics.triggers),
            *("--compression-codec", codec),
            *("--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"),
            *("--reader-property", "null.marker=NULL"),
        )
        for codec in CODECS
    ]
    for place, (codec, tool) in enumerate(zip(CODECS, tools, strict=True)):
        keyed, keyless = jobs[2 * place : 2 * place + 2]
        said = ended(
            tool,
            f"traceparent:кто-то\t{keyed}\t{_body(keyed).decode()}\n"
            f"NULL\tNULL\t{_body(keyless).decode()}\n"
            f"a:b,a:NULL\tkey 每日 {codec}\tNULL\n",
        )
        assert "Exception" not in said

    for job_id in jobs:
        assert rig.record(job_id)["trigger_status"] == 1
    for codec in CODECS:
        letter = _letter(rig, key=f"key 每日 {codec}".encode())
        assert "tombstone" in _reason(letter)
        assert letter.headers[:2] == (("a", b"b"), ("a", None))


def test_what_kafkas_verifiable_producer_sends_is_no_trigger_and_all_of_it_is_kept(
    rig: Rig,
) -> None:
    said = ended(
        java(
            "VerifiableProducer",
            *("--bootstrap-server", rig.broker.address, "--topic", rig.topics.triggers),
            *("--max-messages", "200", "--acks", "-1", "--value-prefix", "7"),
        )
    )

    lines = [json.loads(line) for line in said.splitlines()]
    sent = {
        (line["value"].encode(), line["partition"], line["offset"])
        for line in lines
        if line["name"] == "producer_send_success"
    }
    assert len(sent) == 200
    letters = wait_until(lambda: _of_verifiable(rig, 200), 20, "200 dead letters")
    assert {
        (
            letter.value,
            int(letter.header("dead-letter-partition") or -1),
            int(letter.header("dead-letter-offset") or -1),
        )
        for letter in letters
    } == sent
    assert all(letter.key is None and "not a JSON object" in _reason(letter) for letter in letters)


def test_a_header_whose_name_is_no_utf8_costs_the_headers_and_nothing_else(rig: Rig) -> None:
    class Name(str):
        __slots__ = ()

        def encode(self, *_: object) -> bytes:
            return b"\xff\xfe"

    with rig.platform() as platform:
        job_id = platform.action_job(id=43_000)
    producer = KafkaProducer(bootstrap_servers=rig.broker.address)
    for body in (_body(job_id), b"junk under a strange name"):
        producer.send(rig.topics.triggers, body, headers=[(Name("n"), b"1")]).get(timeout=10)
    producer.close()

    assert rig.record(job_id)["trigger_status"] == 1
    letter = _letter(rig, value=b"junk under a strange name")
    assert {name.split("-")[0] for name, _ in letter.headers} == {"dead"}


def _body(job_id: int, **more: object) -> bytes:
    return json.dumps(trigger(job_id, scheduled_at=at(-1), **more)).encode()


def _deliveries(rig: Rig) -> list[int]:
    rig.settle()
    rows = rig.rows(
        "select cast(sum(deliveries) as bigint) as n from awp_trigger_ledger where topic = %s",
        rig.topics.triggers,
    )
    return [row["n"] or 0 for row in rows]


def _letter(rig: Rig, **wanted: bytes) -> Received:
    """The one dead letter with that key or value."""

    def found() -> list[Received]:
        return [
            letter
            for letter in rig.collector(rig.topics.dead_letters).look()
            if all(getattr(letter, name) == content for name, content in wanted.items())
        ]

    (letter,) = wait_until(found, 20, f"the dead letter of {wanted}")
    return letter


def _of_verifiable(rig: Rig, count: int) -> list[Received]:
    found = [
        letter
        for letter in rig.collector(rig.topics.dead_letters).look()
        if (letter.value or b"").startswith(b"7.")
    ]
    return found if len(found) >= count else []


def _reason(letter: Received) -> str:
    return (letter.header("dead-letter-reason") or b"").decode()
