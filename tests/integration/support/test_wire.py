"""The pass-through that counts what goes to PostgreSQL."""

import threading

from tests.support.sql import session
from tests.support.wire import CountingProxy, Traffic, counted


def test_statements_and_round_trips_are_told_apart(database: str) -> None:
    with counted(database) as wire, session(wire.url) as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        start = wire.traffic

        cursor.execute("select 1")
        assert wire.traffic - start == Traffic(1, 1, len("select 1") + 6)

        start = wire.traffic
        cursor.execute("select 1; select 2; select 3")
        assert wire.traffic - start == Traffic(3, 1, len("select 1; select 2; select 3") + 6)


def test_what_the_driver_adds_is_counted(database: str) -> None:
    with counted(database) as wire, session(wire.url) as opened:
        start = wire.traffic
        opened.cursor().execute("select 1")
        opened.commit()
        spent = wire.traffic - start

    assert (spent.statements, spent.round_trips) == (3, 3)  # BEGIN and COMMIT beside it


def test_an_answer_of_many_packets_is_one(database: str) -> None:
    with counted(database) as wire, session(wire.url) as opened:
        opened.autocommit = True
        cursor = opened.cursor()
        start = wire.traffic
        cursor.execute("select repeat('C', 3000) from generate_series(1, 1000)")

        assert len(cursor.fetchall()) == 1000
        assert (wire.traffic - start).statements == 1
        assert (wire.traffic - start).round_trips == 1


def test_a_message_that_comes_in_pieces_is_counted_once() -> None:
    wire = CountingProxy("postgresql://nobody@127.0.0.1/nothing")
    said = bytearray()
    for byte in b"C\0\0\0\x08abc\0" + b"D\0\0\0\x05C" + b"Z\0\0\0\x05I":
        said.append(byte)
        wire._count(said)

    assert wire.traffic == Traffic(1, 1, 0)
    assert not said


def test_clients_side_by_side_are_counted_together(database: str) -> None:
    def ask(url: str) -> None:
        with session(url) as opened:
            opened.autocommit = True
            for _ in range(50):
                opened.cursor().execute("select 1")

    with counted(database) as wire:
        with session(wire.url):
            of_connecting = wire.traffic.round_trips
        clients = [threading.Thread(target=ask, args=(wire.url,)) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(20)
        assert wire.traffic.round_trips == 5 * of_connecting + 200
