"""Settings that cannot be used are refused by name, before anything starts."""

import pytest

from worker.config import load
from worker.errors import Misused

LISTENERS = {"TRIGGER_WORKER_LISTEN": "listen", "TRIGGER_WORKER_STREAMS_LISTEN": "streams_listen"}


@pytest.mark.parametrize("variable", LISTENERS)
@pytest.mark.parametrize(
    "value", ["127.0.0.1:0", "0.0.0.0:65535", "localhost:9321", "[::1]:9321", "[fe80::1%eth0]:80"]
)
def test_a_listener_is_host_and_port(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load(), LISTENERS[variable]) == value


@pytest.mark.parametrize("variable", LISTENERS)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "''"),
        ("9321", "'9321'"),
        (":9321", "':9321'"),
        ("127.0.0.1", "'127.0.0.1'"),
        ("127.0.0.1:", "'127.0.0.1:'"),
        ("127.0.0.1:65536", "'127.0.0.1:65536'"),
        ("127.0.0.1:-1", "'127.0.0.1:-1'"),
        ("127.0.0.1:٣", "'127.0.0.1:٣'"),
        ("::1:9321", "'::1:9321'"),
        ("http://127.0.0.1:9321", "'http://127.0.0.1:9321'"),
        ("127.0.0.1:9321\n", "'127.0.0.1:9321\\n'"),
    ],
)
def test_any_other_listener_is_refused_by_the_variables_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misused) as refused:
        load()
    assert str(refused.value) == (
        f"The setting {variable} cannot be used: {shown} is no host:port with a port from 0 to "
        f"65535 (an IPv6 host in brackets). Correct {variable}; README.md lists every setting."
    )
