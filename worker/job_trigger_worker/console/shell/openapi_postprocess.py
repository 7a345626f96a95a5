"""The last touches of the API's document, which follow from the routes: for later ones, too.

Who may call an operation, problems under their own content type, and an example for every answer.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from job_trigger_worker.console.shared import problems, validation_messages
from job_trigger_worker.console.shared.permissions import PUBLIC, Route
from job_trigger_worker.console.shared.problems import Problem
from job_trigger_worker.console.shared.texts import words
from job_trigger_worker.domain.principals import Role

_PROBLEM = "application/problem+json"
_JSON = "application/json"
_REF = "#/components/schemas/"
_CONVERTER = re.compile(r":\w+}")
_UNSAFE = ("post", "put", "patch", "delete")
SCHEMES: dict[str, Any] = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "awp-session",
        "description": "Set by signing in; `__Host-awp-session` behind TLS. A reverse proxy that "
        "signs people in by its header takes its place.",
    },
    "form": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Form-Token",
        "description": "With a session, in every request that is not a GET: the `form_token` "
        "of `/api/v1/me`.",
    },
    "service": {
        "type": "http",
        "scheme": "bearer",
        "description": "A service's token, from `trigger-worker users add NAME --role service`.",
    },
}

_PROBLEMS = (
    problems.BAD,
    problems.sign_in_needed().problem,
    problems.no_permission(Role.OPERATOR).problem,
    problems.NOT_FOUND,
    problems.too_large().problem,
    problems.invalid(validation_messages.fault("since", "time_format")).problem,
    problems.too_many(20).problem,
    problems.of(RuntimeError(), "9f2c1a7b"),
    problems.AWAY,
    problems.too_old().problem,
)


def finish(made: dict[str, Any], routes: list[Route], problem: dict[str, Any]) -> None:
    """Change the document in place; `problem` is the schema of problem details."""
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas.setdefault("ProblemDetails", problem)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    made["components"]["securitySchemes"] = SCHEMES
    roles = {
        (_CONVERTER.sub("}", route.path), method.lower()): route.role
        for route in routes
        for method in route.methods
    }
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _finish(operation, method, roles[path, method], schemas)


def _finish(
    operation: dict[str, Any], method: str, role: Role | None, schemas: dict[str, Any]
) -> None:
    operation["tags"] = [tag for tag in operation.get("tags", ()) if tag != PUBLIC]
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
    operation["security"] = _security(method, role)
    if role is not None:
        operation["x-role"] = role.value
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _never_null(parameter["schema"])
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if answer["description"] == "Successful Response":
            answer["description"] = "What was asked for."
        if int(status) >= 400:  # noqa: PLR2004
            answer["content"] = {
                _PROBLEM: {
                    "schema": {"$ref": f"{_REF}ProblemDetails"},
                    "example": _problem(int(status)),
                }
            }
        elif _JSON in content and "example" not in content[_JSON]:
            content[_JSON]["example"] = example(content[_JSON]["schema"], schemas)


def _security(method: str, role: Role | None) -> list[dict[str, list[str]]]:
    person: dict[str, list[str]] = {"session": []}
    if method in _UNSAFE:
        person["form"] = []
    if role is Role.SERVICE:
        return [{"service": []}]
    return [person] if role is not None else [person, {"service": []}]


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: what may be left out is not null, it is not there."""
    several = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    rest = {name: each for name, each in schema.items() if name != "anyOf"}
    if rest.get("default", ...) is None:
        del rest["default"]
    if len(several) == 1:
        return {**several[0], **rest}
    return {**rest, "anyOf": several} if several else rest


def _problem(status: int) -> dict[str, Any]:
    """Problem details as they are said in English; of a status that we have none for, its words."""
    problem = next((each for each in _PROBLEMS if each.status == status), None)
    if problem is None:
        phrase = HTTPStatus(status).phrase
        kind = phrase.lower().replace(" ", "-")
        problem = Problem(HTTPStatus(status), kind, phrase, phrase, phrase)
    return {**problem.said(words("en")), "instance": "/api/v1/jobs"}


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value of a schema, made of the examples that stand at its fields."""
    if "$ref" in schema and "examples" not in schema:
        return example(schemas[schema["$ref"].removeprefix(_REF)], schemas)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("example", "const", "default"):
        if name in schema:
            return schema[name]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return example(schema[several][0], schemas)
    return _of_type(schema, schemas)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: example(each, schemas) for name, each in fields.items()}
        case "array":
            return [example(schema["items"], schemas)] if "items" in schema else []
        case "string":
            return "2026-11-23T08:00:00Z" if schema.get("format") == "date-time" else "text"
        case "boolean":
            return True
        case "integer" | "number":
            return 1
        case _:
            return None
