"""What a console tells Prometheus of itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.console import Served, serving
from tests.support.waiting import wait_until

REQUESTS = "trigger_worker_console_requests_total"

Sample = dict[tuple[tuple[str, str], ...], float]


@pytest.fixture
def console(database: str) -> Iterator[Served]:
    with serving(database) as served:
        yield served


def _samples(console: Served, name: str) -> Sample:
    registry = console.app.state.console.metrics.registry
    families: Any = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def test_counters_stand_at_zero_before_anything_has_happened(console: Served) -> None:
    assert _samples(console, "trigger_worker_console_sign_ins_total") == {
        (("result", "signed_in"),): 0,
        (("result", "failed"),): 0,
        (("result", "limited"),): 0,
    }
    assert _samples(console, "trigger_worker_console_streams") == {(): 0}
    assert _samples(console, "trigger_worker_console_connections_in_use") == {(): 0}


def test_requests_are_counted_by_route_and_never_by_what_was_asked_for(console: Served) -> None:
    browser = console.signed_in()
    assert browser.get("/jobs/17").status_code == 404
    assert browser.get("/jobs/18").status_code == 404
    assert browser.get("/geheim").status_code == 404
    foreign = (("method", "GET"), ("route", "none"), ("status", "404"))
    wait_until(lambda: foreign in _samples(console, REQUESTS), 10, "the last answer is counted")
    counted = _samples(console, REQUESTS)
    of_job = (("method", "GET"), ("route", "/jobs/{job_id}"), ("status", "404"))
    assert counted[of_job] == 2
    assert counted[foreign] == 1
    assert "geheim" not in str(counted)
    seconds = _samples(console, "trigger_worker_console_request_seconds_count")
    assert seconds[(("route", "/jobs/{job_id}"),)] == 2
