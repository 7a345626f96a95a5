"""A parameter taken apart and put together again: nothing of it is lost."""

import pytest

from job_trigger_worker.console.jobs.edit.draft import (
    Edits,
    Place,
    Row,
    apply,
    diff,
    parse,
)

SAVED = (
    '{"b":1.50,"huge":123456789012345678901234567890,"e":1e400,"servers":['
    '{"server_id":9007199254740993,"ip":"10.0.0.1","account":"a","x":{"z":1,"y":2}},'
    '{"server_id":"8","account":"b"},'
    "5"
    '],"a":"\\u0001"}'
)


def test_without_edits_it_is_the_same_text() -> None:
    assert apply("action", SAVED + " ", Edits()) == SAVED + " "


def test_rows_are_what_can_be_read() -> None:
    (found,) = parse("action", SAVED) or ()
    assert [(row.server, row.account) for row in found.rows] == [
        ("9007199254740993", "a"),
        ("8", "b"),
        ("", ""),
    ]


def test_only_the_entry_that_is_edited_changes() -> None:
    edits = Edits(
        changed={Place(0, 0): Row(0, Place(0, 0), "9007199254740993", "root")},
        removed=frozenset({Place(0, 2)}),
        added=(Row(0, None, "9223372036854775807", "c"),),
    )
    assert apply("action", SAVED, edits) == (
        '{"b":1.50,"huge":123456789012345678901234567890,"e":1e400,"servers":['
        '{"server_id":9007199254740993,"ip":"10.0.0.1","account":"root","x":{"z":1,"y":2}},'
        '{"server_id":"8","account":"b"},'
        '{"server_id":9223372036854775807,"account":"c"}'
        '],"a":"\\u0001"}'
    )


def test_another_server_takes_its_own_ip_and_the_form_of_the_id() -> None:
    edits = Edits(
        changed={
            Place(0, 0): Row(0, Place(0, 0), "3", "a"),
            Place(0, 1): Row(0, Place(0, 1), "4", "b"),
        }
    )
    put = apply("action", SAVED, edits, {4: "10.0.0.4"})
    assert put is not None
    assert '{"server_id":3,"account":"a","x":{"z":1,"y":2}}' in put
    assert '{"server_id":"4","account":"b","ip":"10.0.0.4"}' in put


def test_nodes_keep_what_is_theirs() -> None:
    saved = '{"nodes":[{"node_id":1,"k":0},7,{"node_id":"2","servers":"none"},{"servers":[]}]}'
    lists = parse("workflow", saved) or ()
    assert [(each.node_id, each.can_grow) for each in lists] == [
        ("1", True),
        (None, False),
        ("2", False),
        ("", True),
    ]
    edits = Edits(added=tuple(Row(place, None, "5", "a") for place in range(4)))
    assert apply("workflow", saved, edits) == (
        '{"nodes":[{"node_id":1,"k":0,"servers":[{"server_id":5,"account":"a"}]},7,'
        '{"node_id":"2","servers":"none"},{"servers":[{"server_id":5,"account":"a"}]}]}'
    )


def test_a_new_id_is_written_as_those_of_the_other_nodes() -> None:
    saved = (
        '{"nodes":[{"servers":[]},{"servers":[{"account":"a"},{"server_id":"7","account":"a"}]},'
        '{"servers":[{"server_id":8,"account":"a"}]}]}'
    )
    edits = Edits(
        changed={Place(1, 0): Row(1, Place(1, 0), "4", "a")},
        added=tuple(Row(place, None, "5", "b") for place in range(3)),
    )
    for are_ids_text in (False, True):
        assert apply("workflow", saved, edits, are_ids_text=are_ids_text) == (
            '{"nodes":[{"servers":[{"server_id":"5","account":"b"}]},'
            '{"servers":[{"account":"a","server_id":"4"},{"server_id":"7","account":"a"},'
            '{"server_id":"5","account":"b"}]},'
            '{"servers":[{"server_id":8,"account":"a"},{"server_id":5,"account":"b"}]}]}'
        )


@pytest.mark.parametrize("saved", [None, "null", "{}", '{"servers":[{"server_id":null}]}'])
def test_where_no_id_is_yet_it_is_written_as_the_platform_has_them(saved: str | None) -> None:
    edits = Edits(added=(Row(0, None, "5", "a"),), removed=frozenset({Place(0, 0)}))
    put = apply("action", saved, edits, are_ids_text=True)
    assert put == '{"servers":[{"server_id":"5","account":"a"}]}'


@pytest.mark.parametrize("saved", [None, "null", "{}"])
def test_a_job_without_a_parameter_gets_one(saved: str | None) -> None:
    added = Edits(added=(Row(0, None, "5", "a"),))
    assert apply("action", saved, added) == '{"servers":[{"server_id":5,"account":"a"}]}'


@pytest.mark.parametrize(
    ("job_type", "saved"),
    [
        ("action", "[1]"),
        ("action", "{"),
        ("robot", "{}"),
        ("action", '{"a":' * 400 + "1" + "}" * 400),
    ],
)
def test_what_has_another_form_is_left_alone(job_type: str, saved: str) -> None:
    assert parse(job_type, saved) is None
    assert apply(job_type, saved, Edits(removed=frozenset({Place(0, 0)}))) == saved


def test_what_is_wanted_and_there_keeps_its_place() -> None:
    lists = parse("action", SAVED) or ()
    edits = diff(lists, [(0, "008", "b"), (0, "5", "c")])
    assert edits.removed == {Place(0, 0), Place(0, 2)}
    assert edits.added == (Row(0, None, "5", "c"),)
    assert not diff(lists, [(0, row.server, row.account) for row in lists[0].rows])
