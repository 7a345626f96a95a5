"""The worker's listener answers wherever it was told to listen."""

import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from job_trigger_worker.runtime.listener import Listener


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_listener_answers_on_the_address_that_it_names(host: str) -> None:
    server = Listener(
        f"{host}:0",
        CollectorRegistry(),
        setting="A_SETTING",
        is_live=lambda: None,
        is_ready=lambda: None,
    )
    try:
        assert server.address.startswith(f"{host}:")
        with urllib.request.urlopen(f"http://{server.address}/livez", timeout=5) as answer:
            assert answer.status == 200
    finally:
        server.close()
