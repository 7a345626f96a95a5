"""The form of an edit, read again: over the version it was made of, and over another one."""

from job_trigger_worker.console.jobs.edit import form as edit_form
from job_trigger_worker.console.jobs.edit.draft import Edits, Place, Row, parse

SAVED = (
    '{"servers":[{"server_id":1,"account":"a"},{"server_id":2,"account":"b\\nb"},{"server_id":3}]}'
)
OTHER = '{"servers":[{"server_id":2,"account":"b\\nb"},{"server_id":9,"account":"z"}]}'


def sent(saved: str = SAVED, **more: str) -> dict[str, str]:
    """What a browser sends of a form that nobody has touched: texts on one line."""
    fields = {"name": "n", "version": "3"}
    for lists in parse("action", saved) or ():
        for number, row in enumerate(lists.rows):
            fields[f"r{number}.list"] = "0"
            fields[f"r{number}.at"] = str(row.place)
            fields[f"r{number}.was"] = edit_form.was(row)
            fields[f"r{number}.server"] = row.server
            fields[f"r{number}.account"] = row.account.replace("\n", "")
    return fields | {name.replace("_", "."): text for name, text in more.items()}


def edits(fields: dict[str, str], over: str = SAVED) -> Edits:
    form = edit_form.read(fields)
    lists = parse("action", over) or ()
    return edit_form.edits(edit_form.rebased(form, lists) if over != SAVED else form, lists)


def test_an_untouched_form_changes_nothing() -> None:
    assert not edits(sent())


def test_what_was_typed_removed_and_added_is_known() -> None:
    fields = sent(r0_account=" root ", r2_remove="yes", r3_list="0", r3_server="7", r3_account="c ")
    assert edits(fields) == Edits(
        {Place(0, 0): Row(0, Place(0, 0), "1", "root")},
        frozenset({Place(0, 2)}),
        (Row(0, None, "7", "c"),),
    )
    # A value that was only shown stays exactly as it is.
    assert edits(sent(r1_server="5")).changed == {Place(0, 1): Row(0, Place(0, 1), "5", "b\nb")}


def test_what_is_not_ours_is_passed_over() -> None:
    fields = {"version": "9" * 30, "drop": "x 0:zz 7:ff", "r0.list": "-1", "r1.list": "0"}
    form = edit_form.read(fields)
    assert (form.version, form.rows) == (0, ())
    assert not edits(fields)
    assert not edits(sent(r0_at="5.5", r0_remove="yes") | {"drop": "9:1"})


def test_dropped_places_survive_the_way_through_a_form() -> None:
    places = {Place(0, 0), Place(0, 2)}
    assert edits(sent() | {"drop": edit_form.drop(places)}).removed == places


def test_over_another_version_rows_find_their_entries() -> None:
    fields = sent(r0_remove="yes", r1_account="root", r2_server="4", r2_account="d")
    fields["drop"] = "0:1"
    assert edits(fields, OTHER) == Edits(
        {Place(0, 0): Row(0, Place(0, 0), "2", "root")},
        frozenset(),
        # Its entry is gone, and something was typed into it.
        (Row(0, None, "4", "d"),),
    )
