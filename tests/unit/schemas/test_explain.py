import json

import pytest
from pydantic import ValidationError

from job_trigger_schemas import JobTrigger, explain


def said(content: str) -> str:
    with pytest.raises(ValidationError) as caught:
        JobTrigger.model_validate_json(content)
    return explain(caught.value)


def test_every_problem_is_named_in_one_line() -> None:
    assert said('{"job_id": -1, "scheduled_at": "2026-11-20T08:00:00"}') == (
        "job_id: an id lies between 1 and 9223372036854775807 (got -1); "
        "scheduled_at: the time has no zone: end it with Z or an offset such as +08:00 "
        "(got '2026-11-20T08:00:00')"
    )


def test_a_long_value_is_shortened() -> None:
    line = said(json.dumps({"job_id": "x" * 100_000}))
    assert f"(got '{'x' * 60}'… (100000 characters))" in line
    assert len(line) < 250


def test_a_number_too_long_to_print_is_described() -> None:
    assert "(got a number of more than 38 digits)" in said(f'{{"job_id": {"9" * 4000}}}')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[[[1]]]", "a list"),
        ('{"a": 1}', "an object"),
        ("false", "false"),
        ('"\\u0000"', "'\\x00'"),
    ],
)
def test_any_value_can_be_shown(value: str, shown: str) -> None:
    assert f"(got {shown})" in said(f'{{"job_id": {value}}}')


def test_bytes_that_are_no_json_are_explained_too() -> None:
    assert said("{").startswith("Invalid JSON")


@pytest.mark.parametrize("held", ["password=geheim", '{"token":"geheim"}', "pwd: geheim"])
def test_a_text_that_holds_keys_and_values_is_not_quoted(held: str) -> None:
    line = said(json.dumps({"job_id": 7, "scheduled_at": held}))
    assert "geheim" not in line
    assert f"(got a text of {len(held)} characters)" in line
