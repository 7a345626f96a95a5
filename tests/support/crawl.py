"""Every operation of the API, asked with what somebody guesses; later operations by themselves."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from job_trigger_worker.console.shell.openapi import PATH
from job_trigger_worker.console.shell.openapi_postprocess import example

DOCUMENT = json.loads(PATH.read_text("utf-8"))
Guesses = Mapping[str, Sequence[str]]
"""Values by the names of parameters, of paths and of queries alike."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request; `operation` is its method and path as the document has them."""

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = field(default=None, compare=False)

    def ask(self, browser: httpx.Client, **headers: str) -> httpx.Response:
        body = {} if self.body is None else {"json": self.body}
        return browser.request(
            self.method, self.path, params=list(self.query), headers=headers, **body
        )


def reading(guesses: Guesses) -> Iterator[Question]:
    """Each GET as it is, and with each of its parameters guessed; streams of events aside.

    A parameter that has no guess gets each word of its list, else its example.
    """
    for path, operation in _operations("get"):
        answers = operation["responses"].values()
        if any("text/event-stream" in answer.get("content", {}) for answer in answers):
            continue
        declared = operation.get("parameters", ())
        queries = [each for each in declared if each["in"] == "query"]
        needed = tuple(
            (each["name"], _guessed(each, guesses)[0]) for each in queries if each.get("required")
        )
        for place in _places(path, guesses):
            yield Question(f"GET {path}", "GET", place, needed)
            for each in queries:
                for value in _guessed(each, guesses):
                    others = tuple(pair for pair in needed if pair[0] != each["name"])
                    asked = (*others, (each["name"], value))
                    yield Question(f"GET {path}", "GET", place, asked)


def changing(guesses: Guesses) -> Iterator[Question]:
    """Each operation that is no GET, on each guessed object, with the body of its example."""
    for method in ("post", "put", "patch", "delete"):
        for path, operation in _operations(method):
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            body = None if schema is None else example(schema, DOCUMENT["components"]["schemas"])
            for place in _places(path, guesses):
                yield Question(f"{method.upper()} {path}", method.upper(), place, (), body)


def _operations(method: str) -> Iterator[tuple[str, Any]]:
    for path, operations in DOCUMENT["paths"].items():
        if method in operations:
            yield path, operations[method]


def _places(path: str, guesses: Guesses) -> Iterator[str]:
    names = re.findall(r"{(\w+)}", path)
    for values in itertools.product(*(guesses.get(name, guesses["id"]) for name in names)):
        place = path
        for name, value in zip(names, values, strict=True):
            place = place.replace(f"{{{name}}}", value)
        yield place


def _guessed(parameter: Mapping[str, Any], guesses: Guesses) -> Sequence[str]:
    schemas = DOCUMENT["components"]["schemas"]
    schema = parameter["schema"]
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if parameter["name"] in guesses:
        return guesses[parameter["name"]]
    if "enum" in schema:
        return [str(each) for each in schema["enum"]]
    made = example(schema, schemas)
    return [str(made).lower() if isinstance(made, bool) else str(made)]
