from typing import Any

import pytest

from job_trigger_schemas.comparison import breaking_changes

TEXT = {"type": "string"}
NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def of(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def read(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return breaking_changes(old, new, is_read_by_others=True)


def written(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return breaking_changes(old, new, is_read_by_others=False)


WIDENED = [
    (of("a", a=TEXT), of(a=TEXT)),
    (of("a", a=TEXT), of("a", a=NULLABLE)),
    (of("a", a=TEXT), of("a", a={"type": ["string", "integer"]})),
    (of(a={"type": "integer"}), of(a={"type": "number"})),
    (of(a=TEXT), of(a={})),
    (of(a={"enum": ["x"]}), of(a={"enum": ["x", "y"]})),
    (of(a={"const": "x", **TEXT}), of(a={"enum": ["x", "y"], **TEXT})),
    (of(a={"enum": ["x"], **TEXT}), of(a=TEXT)),
    (of(a={**TEXT, "maxLength": 5}), of(a={**TEXT, "maxLength": 6})),
    (of(a={**TEXT, "maxLength": 5}), of(a=TEXT)),
    (of(a={"type": "integer", "minimum": 1}), of(a={"type": "integer", "minimum": 0})),
    (of(a={**TEXT, "pattern": "^a$"}), of(a=TEXT)),
    (of(a={**TEXT, "format": "uuid"}), of(a=TEXT)),
    (of(a={"type": "array", "items": TEXT}), of(a={"type": "array", "items": NULLABLE})),
    (of(a={"type": "array", "items": TEXT}), of(a={"type": "array"})),
    (of(a=of("b", b=TEXT)), of(a=of(b=TEXT))),
    ({**of(a=TEXT), "additionalProperties": False}, of(a=TEXT)),
    ({**of(), "additionalProperties": TEXT}, {**of(), "additionalProperties": NULLABLE}),
]


@pytest.mark.parametrize(("narrow", "wide"), WIDENED)
def test_what_others_read_may_become_narrower_only(
    narrow: dict[str, Any], wide: dict[str, Any]
) -> None:
    assert len(read(narrow, wide)) == 1
    assert read(wide, narrow) == []


@pytest.mark.parametrize(("narrow", "wide"), WIDENED)
def test_what_others_write_may_become_wider_only(
    narrow: dict[str, Any], wide: dict[str, Any]
) -> None:
    assert written(narrow, wide) == []
    assert len(written(wide, narrow)) == 1


@pytest.mark.parametrize(
    "other",
    [
        of(a={"type": "boolean"}),
        of(a={**TEXT, "pattern": "^b$"}),
        of(a={**TEXT, "pattern": "^a$", "format": "uuid"}),
        of(a={"type": "array"}),
    ],
)
def test_another_shape_breaks_whoever_cannot_take_it(other: dict[str, Any]) -> None:
    first = of(a={**TEXT, "pattern": "^a$", "format": "date-time"})
    assert read(first, other)
    assert written(first, other)


def test_a_property_that_is_gone_breaks_readers_and_is_ignored_from_writers() -> None:
    assert read(of(a=TEXT, b=TEXT), of(a=TEXT)) == ["$.b is gone, and readers may use it"]
    assert read(of("b", b=TEXT), of()) == [
        "$.b may be absent now, which readers of the last version do not expect",
    ]
    assert written(of("b", b=TEXT), of()) == []


def test_a_property_that_is_gone_from_a_closed_object_is_refused_from_writers() -> None:
    closed = {**of(a=TEXT), "additionalProperties": False}
    assert written({**of(a=TEXT, b=TEXT), "additionalProperties": False}, closed)


def test_a_new_property_breaks_only_writers_who_must_send_it() -> None:
    assert read(of(), of("a", a=TEXT)) == []
    assert read(of(), of(a=TEXT)) == []
    assert written(of(), of(a=TEXT)) == []
    assert written(of(), of("a", a=TEXT)) == [
        "$.a may be absent by the last version, which is refused now"
    ]


def test_a_new_value_breaks_readers_and_a_value_that_is_gone_breaks_writers() -> None:
    two, three = of(s={"enum": ["a", "b"]}), of(s={"enum": ["a", "b", "c"]})
    assert read(two, three) == [
        "$.s may be 'c' now, which readers of the last version do not expect"
    ]
    assert written(three, two) == ["$.s may be 'c' by the last version, which is refused now"]


def test_null_is_named() -> None:
    assert read(of(a=TEXT), of(a=NULLABLE)) == [
        "$.a may be null now, which readers of the last version do not expect"
    ]


def test_another_default_breaks_both() -> None:
    old = of(kind={**TEXT, "default": "schedule"})
    new = of(kind={**TEXT, "default": "manual"})
    said = ["$.kind means something else when it is absent: its default has changed"]
    assert read(old, new) == said
    assert written(old, new) == said


def test_a_default_of_what_was_required_breaks_no_writer() -> None:
    assert written(of("kind", kind=TEXT), of(kind={**TEXT, "default": "schedule"})) == []


def test_definitions_are_looked_into() -> None:
    def schema(definition: dict[str, Any]) -> dict[str, Any]:
        nullable = {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]}
        many = {"type": "array", "items": {"$ref": "#/$defs/T"}}
        return {**of("one", one=nullable, many=many), "$defs": {"T": definition}}

    old, new = schema(of("id", id=TEXT, ip=TEXT)), schema(of("id", id=NULLABLE))
    assert read(old, new) == [
        "$.one.id may be null now, which readers of the last version do not expect",
        "$.many[].id may be null now, which readers of the last version do not expect",
        "$.one.ip is gone, and readers may use it",
        "$.many[].ip is gone, and readers may use it",
    ]


def test_a_renamed_definition_breaks_nobody() -> None:
    old = {**of(a={"$ref": "#/$defs/A"}), "$defs": {"A": of(b=TEXT)}}
    new = {**of(a={"$ref": "#/$defs/B"}), "$defs": {"B": of(b=TEXT)}}
    assert read(old, new) == written(old, new) == []


def test_words_for_people_may_change() -> None:
    old = of(a={**TEXT, "title": "A", "description": "x", "examples": ["p"]})
    new = of(a={**TEXT, "title": "B", "description": "y", "examples": ["q"]})
    assert read(old, new) == written(old, new) == []


def test_a_keyword_that_is_not_understood_must_stay_as_it_is() -> None:
    old = {**of(a=TEXT), "allOf": [{"if": {}, "then": {"required": ["a"]}}]}
    new = {**of(a=TEXT), "allOf": [{"if": {}, "then": {"required": ["b"]}}]}
    assert read(old, old) == written(old, old) == []
    rule = "$ may differ, by another 'allOf' (a rule that is not understood),"
    assert read(old, new) == [f"{rule} now, which readers of the last version do not expect"]
    assert written(old, new) == [f"{rule} by the last version, which is refused now"]
