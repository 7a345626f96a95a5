"""The API against its committed document: schemathesis asks every operation, later ones too."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings, strategies
from schemathesis import checks

from job_trigger_worker.console.shared.auth import passwords, users
from job_trigger_worker.console.shared.auth.users import User
from job_trigger_worker.console.shell.openapi import PATH
from job_trigger_worker.domain.principals import Role
from tests.support.console import Everywhere, serving
from tests.support.history import NOW, FastClock, writing
from tests.support.postgres import PostgresServer

DOCUMENT = json.loads(PATH.read_text("utf-8"))
TOKEN = "a-token"  # noqa: S105 - of nobody
EXAMPLES = 3
IDS = {"job_id": "1", "execution_id": "2"}
"""What stands in paths where a request is a good one."""

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
"""Who may ask what is tested elsewhere, route by route."""

TIMES = strategies.datetimes(
    datetime(2000, 1, 2),  # noqa: DTZ001 - the zone stands below
    datetime(2200, 12, 30),  # noqa: DTZ001
    timezones=strategies.just(UTC),
)
schemathesis.openapi.format("date-time", TIMES.map(datetime.isoformat))

document = schemathesis.openapi.from_dict(
    DOCUMENT,
    config=schemathesis.Config.from_dict(
        {
            "seed": 4,
            "generation": {
                "deterministic": True,
                "max-examples": EXAMPLES,
                "with-security-parameters": False,
            },
        }
    ),
)


def streams_events(case: Any) -> bool:
    answers = case.operation.definition.raw["responses"].values()
    return any("text/event-stream" in answer.get("content", {}) for answer in answers)


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the console is, and who asks."""

    address: str
    person: dict[str, str]
    service: dict[str, str]
    session: requests.Session


@pytest.fixture(scope="module")
def console(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    database = postgres.create("t_api_contract")
    with writing(database) as (p, h):
        job = p.action_job(name="每日对账")
        h.failed(job, slot=NOW - timedelta(hours=1))
        h.dispatched(job, "succeeded")
        h.foreign(p.workflow_job())
        h.failed(404)
    path: Path = tmp_path_factory.mktemp("users") / "users.json"
    service = User(Role.SERVICE, "common-job", passwords.token_hash(TOKEN))
    users.write(path, {"common-job": service})
    with serving(
        database, clock=FastClock(), brokers=Everywhere(), console_users_file=path
    ) as served:
        browser = served.signed_in(Role.ADMIN)
        token = browser.get("/api/v1/me").json()["form_token"]
        cookie = f"awp-session={browser.cookies['awp-session']}"
        with requests.Session() as session:
            yield Asked(
                served.address,
                {"Cookie": cookie, "X-Form-Token": token},
                {"Authorization": f"Bearer {TOKEN}"},
                session,
            )
    postgres.drop("t_api_contract")


@document.exclude(streams_events).parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: schemathesis.Case[Any], console: Asked) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.path_parameters = {name: IDS.get(name, "1") for name in case.path_parameters or {}}
        # A cursor is what an answer has said; nobody makes one up.
        (case.query or {}).pop("after", None)
    is_for_services = case.operation.definition.raw["security"] == [{"service": []}]
    headers = console.service if is_for_services else console.person
    case.call_and_validate(
        console.address, session=console.session, headers=headers, checks=CHECKS, timeout=20
    )


OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_has_an_example_that_fits(name: str) -> None:
    for status, answer in OPERATIONS[name]["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            assert "example" in content, (status, media_type)
            schema = {**content.get("schema", {}), "components": DOCUMENT["components"]}
            validator = jsonschema_rs.Draft202012Validator(schema)
            wrong = [str(error) for error in validator.iter_errors(content["example"])]
            assert not wrong, (status, media_type)
            if int(status) >= 400:
                assert media_type == "application/problem+json"
                assert content["example"]["status"] == int(status)
                assert content["example"]["remedy"]


def test_operations_have_names_and_say_who_may_call_them() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    for name, operation in OPERATIONS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"]), name
        assert operation["tags"], name
        assert operation["description"], name
        assert operation["security"], name
        assert {"401", "403", "422", "500", "503"} <= set(operation["responses"]), name
    assert OPERATIONS["GET /api/v1/jobs"]["security"] == [{"session": []}]
    assert OPERATIONS["POST /api/v1/jobs/{job_id}/check"]["security"] == [
        {"session": [], "form": []}
    ]
