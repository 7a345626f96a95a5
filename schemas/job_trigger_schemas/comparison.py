"""Which changes between two versions of a JSON Schema break somebody: pure, no I/O.

One question answers both directions: is every document that the one schema allows also allowed by
the other? What others read must stay within what their version of the schema allows (new in old);
what others write by their version must still be accepted (old in new). `gaps` finds the documents
that fall out. It understands the keywords that the generator writes; any other keyword has to stay
as it is, so that in doubt a harmless change is reported. A property that a schema does not name
counts as ignored. Schemas that refer to themselves are not supported (RecursionError).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset(
    ("$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default")
)
_UPPER_BOUNDS = frozenset(("maximum", "exclusiveMaximum", "maxLength", "maxItems"))
_LOWER_BOUNDS = frozenset(("minimum", "exclusiveMinimum", "minLength", "minItems"))
_TYPES = ("null", "boolean", "string", "number", "integer", "array", "object")


@dataclass(frozen=True, slots=True)
class Gap:
    """At `path`, documents of the one schema `may` do what the other refuses."""

    path: str
    may: str


def breaking_changes(old: Schema, new: Schema, *, is_read_by_others: bool) -> list[str]:
    """One sentence for each breaking change from `old` to `new`, in the order of the schema.

    `is_read_by_others` says which side cannot be changed with us: the readers or the writers.
    """
    if is_read_by_others:
        found = [
            f"{gap.path} {gap.may} now, which readers of the last version do not expect"
            for gap in gaps(new, old)
        ]
        found += [f"{path} is gone, and readers may use it" for path in _removed(old, new)]
    else:
        found = [
            f"{gap.path} {gap.may} by the last version, which is refused now"
            for gap in gaps(old, new)
        ]
    return found + [
        f"{path} means something else when it is absent: its default has changed"
        for path in _other_defaults(old, new)
    ]


def gaps(inner: Schema, outer: Schema) -> list[Gap]:
    """How documents of `inner` may not fit `outer`; empty if all fit."""
    return list(_gaps(_Node(inner, inner), _Node(outer, outer), "$"))


@dataclass(frozen=True, slots=True)
class _Node:
    """A schema and the document that its `$ref`s point into."""

    schema: Any
    root: Schema

    def to(self, schema: Any) -> _Node:
        return _Node(schema, self.root)

    def resolved(self) -> _Node:
        """Without `$ref` and `const`; `true` and `false` as the schemas that they stand for."""
        schema = self.schema
        if isinstance(schema, bool):
            return self.to({} if schema else {"not": {}})
        if "const" in schema:
            rest = {key: value for key, value in schema.items() if key != "const"}
            return self.to({**rest, "enum": [schema["const"]]}).resolved()
        if "$ref" not in schema:
            return self
        target: Any = self.root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return self.to({**target, **rest}).resolved()

    def alternatives(self) -> list[_Node]:
        """One node of at most one type for each way to fit: `anyOf` and lists of types undone."""
        node = self.resolved()
        if "anyOf" in node.schema:
            rest = {key: value for key, value in node.schema.items() if key != "anyOf"}
            choices = [node.to(choice).resolved() for choice in node.schema["anyOf"]]
            return [
                alternative
                for choice in choices
                for alternative in node.to({**rest, **choice.schema}).alternatives()
            ]
        if isinstance(node.schema.get("type"), list):
            return [node.to({**node.schema, "type": word}) for word in node.schema["type"]]
        return [node]

    def properties(self) -> dict[str, _Node]:
        return {name: self.to(each) for name, each in self.schema.get("properties", {}).items()}

    def required(self) -> list[str]:
        return list(self.schema.get("required", ()))

    def type(self) -> str | None:
        word = self.schema.get("type")
        return None if word is None else str(word)


def _gaps(inner: _Node, outer: _Node, path: str) -> Iterator[Gap]:
    choices = outer.alternatives()
    for alternative in inner.alternatives():
        tries = [list(_alternative_gaps(alternative, choice, path)) for choice in choices]
        if all(tries):
            of_its_type = [
                each
                for each, choice in zip(tries, choices, strict=True)
                if choice.type() == alternative.type()
            ]
            if of_its_type:
                yield from min(of_its_type, key=len)
            else:
                yield Gap(path, _may_be(alternative))


def _may_be(node: _Node) -> str:
    return f"may be {node.type() or 'of any type'}"


def _alternative_gaps(inner: _Node, outer: _Node, path: str) -> Iterator[Gap]:
    types = (inner.type(), outer.type())
    if outer.type() is not None and types not in {
        *((word, word) for word in _TYPES),
        ("integer", "number"),
    }:
        yield Gap(path, _may_be(inner))
        return
    for keyword, limit in outer.schema.items():
        if keyword in _ANNOTATIONS or keyword == "type":
            continue
        if keyword == "required":
            for name in outer.required():
                if name not in inner.required():
                    yield Gap(f"{path}.{name}", "may be absent")
        elif keyword == "properties":
            yield from _property_gaps(inner, outer, path)
        elif keyword == "additionalProperties":
            yield from _extra_gaps(inner, outer, path)
        elif keyword == "items":
            yield from _gaps(
                inner.to(inner.schema.get("items", True)), outer.to(limit), f"{path}[]"
            )
        else:
            yield from _limit_gaps(keyword, inner.schema.get(keyword), limit, path)


def _limit_gaps(keyword: str, mine: Any, limit: Any, path: str) -> Iterator[Gap]:
    """`mine` is None where the inner schema does not have the keyword."""
    if keyword == "enum" and mine is not None:
        yield from (Gap(path, f"may be {value!r}") for value in mine if value not in limit)
    elif keyword != "enum" and isinstance(limit, dict | list):
        if mine != limit:
            yield Gap(path, f"may differ, by another {keyword!r} (a rule that is not understood),")
    elif not _is_within(keyword, mine, limit):
        yield Gap(path, f"may have {keyword} {_named(mine)}, not {limit!r}")


def _is_within(keyword: str, mine: Any, limit: Any) -> bool:
    if mine is not None and keyword in _UPPER_BOUNDS:
        return bool(mine <= limit)
    if mine is not None and keyword in _LOWER_BOUNDS:
        return bool(mine >= limit)
    return bool(mine == limit)


def _named(limit: Any) -> str:
    return "none" if limit is None else repr(limit)


def _property_gaps(inner: _Node, outer: _Node, path: str) -> Iterator[Gap]:
    mine = inner.properties()
    for name, theirs in outer.properties().items():
        if name in mine:
            yield from _gaps(mine[name], theirs, f"{path}.{name}")


def _extra_gaps(inner: _Node, outer: _Node, path: str) -> Iterator[Gap]:
    """Properties that only `inner` names, and those that nobody names."""
    limit = outer.to(outer.schema["additionalProperties"])
    if limit.schema is True:
        return
    for name, mine in inner.properties().items():
        if name not in outer.properties():
            yield from _gaps(mine, limit, f"{path}.{name}")
    rest = inner.schema.get("additionalProperties", True)
    if rest is not False and list(_gaps(inner.to(rest), limit, path)):
        yield Gap(path, "may hold other properties")


def _shared_objects(old: _Node, new: _Node, path: str) -> Iterator[tuple[_Node, _Node, str]]:
    """Every object that both schemas describe, from the outside in."""
    for before in old.alternatives():
        for after in new.alternatives():
            if before.type() == after.type() == "array":
                items = [each.to(each.schema.get("items", True)) for each in (before, after)]
                yield from _shared_objects(items[0], items[1], f"{path}[]")
            elif before.type() == after.type() == "object":
                yield before, after, path
                theirs = after.properties()
                for name, mine in before.properties().items():
                    if name in theirs:
                        yield from _shared_objects(mine, theirs[name], f"{path}.{name}")


def _removed(old: Schema, new: Schema) -> Iterator[str]:
    """Optional properties that are gone; a required one that is gone 'may be absent'."""
    for before, after, path in _shared_objects(_Node(old, old), _Node(new, new), "$"):
        for name in before.properties():
            if name not in after.properties() and name not in before.required():
                yield f"{path}.{name}"


def _other_defaults(old: Schema, new: Schema) -> Iterator[str]:
    for before, after, path in _shared_objects(_Node(old, old), _Node(new, new), "$"):
        theirs = after.properties()
        for name, mine in before.properties().items():
            if name not in theirs or name in before.required() or name in after.required():
                continue
            if mine.schema.get("default") != theirs[name].schema.get("default"):
                yield f"{path}.{name}"
