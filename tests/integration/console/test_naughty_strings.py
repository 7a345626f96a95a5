"""Strange names and accounts from the trigger to every place where somebody reads them."""

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from job_trigger_schemas import TriggerFailure
from job_trigger_worker.domain.principals import Role
from tests.support.console import Served, serving
from tests.support.naughty import NAUGHTY
from tests.support.pages import content
from tests.support.rig import Rig, trigger

pytestmark = pytest.mark.parametrize("rig", ["embedded"], indirect=True, scope="module")

BREAKS_OR_TURNS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NO_ACCOUNT = {"blank", "long"}
"""What no account can be called: the parameter is wrong."""

SHOWN = 40
"""So many characters of a text are shown everywhere, whatever its length."""


@pytest.fixture(scope="module")
def fired(rig: Rig) -> dict[str, int]:
    """A job for each text, which names its job, owner, server, account and a key; all are fired."""
    made = {}
    with rig.platform() as platform:
        for key, text in NAUGHTY.items():
            server = platform.server(text[:200])
            parameter = {
                "servers": [{"server_id": str(server), "ip": text, "account": text}],
                text: {text: text},
            }
            made[key] = platform.job(
                "action", name=text, parameter=parameter, owner_id=platform.user(text[:200])
            )
    notes = [("note", text.encode()) for text in NAUGHTY.values()]
    rig.fire(*(trigger(job) for job in made.values()), headers=notes)
    return made


@pytest.fixture(scope="module")
def console(rig: Rig) -> Iterator[Served]:
    with serving(rig.admin) as served:
        yield served


@pytest.mark.parametrize("key", NAUGHTY)
def test_a_record_and_an_event_say_it_in_one_line(
    rig: Rig, fired: dict[str, int], key: str
) -> None:
    text = NAUGHTY[key]
    record = rig.record(fired[key])
    is_account = key not in NO_ACCOUNT
    assert record["trigger_code"] == ("account_not_found" if is_account else "parameter_invalid")
    assert record["job_name"][:SHOWN] == text[:SHOWN]
    assert not BREAKS_OR_TURNS.search(record["trigger_message"])
    assert len(record["trigger_message"]) <= 1_000
    event = rig.event(rig.topics.failures, record["execution_id"])
    failure = TriggerFailure.model_validate_json(event.value or b"")
    assert record["trigger_message"].startswith(failure.message)
    finding, _ = json.loads(event.value or b"")["findings"]  # the second: the owner may not
    assert not is_account or finding["account"][:SHOWN] == text[:SHOWN]


def test_no_log_line_is_forged_and_nobody_fell_over(rig: Rig, fired: dict[str, int]) -> None:
    for job in fired.values():
        rig.record(job)
    for line in rig.worker.words().splitlines():
        assert "\x1b" not in line
        assert "ERROR" not in line[:50], line
    assert rig.worker.is_ready()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_show_them_as_text(
    rig: Rig, fired: dict[str, int], console: Served, language: str
) -> None:
    admin = console.signed_in(Role.ADMIN)
    for key, job in fired.items():
        record = rig.record(job)
        for path in (f"/jobs/{job}", f"/jobs/{job}/edit", f"/history/{record['id']}"):
            answer = admin.get(path, headers={"Accept-Language": language})
            assert answer.status_code == 200, (key, path)
            assert "<script>alert" not in answer.text, (key, path)
            assert "<img" not in answer.text, (key, path)
        told = html.unescape(content(admin.get(f"/jobs/{job}")))
        visible = " ".join(NAUGHTY[key].split())[:SHOWN].strip()
        assert visible in " ".join(told.split()) or not visible, key


def test_the_api_and_exports_hold_them_whole(
    rig: Rig, fired: dict[str, int], console: Served
) -> None:
    admin = console.signed_in(Role.ADMIN)
    lines = admin.get("/api/v1/jobs/export?format=ndjson").text.split("\n")
    named = {each["id"]: each["name"] for each in map(json.loads, filter(None, lines))}
    text = admin.get("/api/v1/jobs/export?format=csv").text.removeprefix("\ufeff")
    sheet = {row["id"]: row["name"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    for key, job in fired.items():
        rig.record(job)
        found: dict[str, Any] = admin.get(f"/api/v1/jobs/{job}").json()
        assert found["name"] == NAUGHTY[key], key
        assert named[str(job)] == NAUGHTY[key], key
        assert sheet[str(job)] in (NAUGHTY[key], "'" + NAUGHTY[key]), key
        assert not sheet[str(job)].startswith(("=", "+", "-", "@", "\t", "\r")), key
