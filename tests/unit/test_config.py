"""Settings that cannot be used are refused by name, before anything starts."""

import pytest

from job_trigger_worker.config import load
from job_trigger_worker.errors import UsageError

LISTENERS = {
    "TRIGGER_WORKER_WORKER_LISTEN": "worker_listen",
    "TRIGGER_WORKER_STREAMS_LISTEN": "streams_listen",
    "TRIGGER_WORKER_CONSOLE_LISTEN": "console_listen",
    "TRIGGER_WORKER_CONSOLE_METRICS_LISTEN": "console_metrics_listen",
}


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
    with pytest.raises(UsageError) as refused:
        load()
    assert str(refused.value) == (
        f"The setting {variable} cannot be used: {shown} is not a host:port with a port from 0 to "
        f"65535 (an IPv6 host in brackets). Correct {variable}; "
        "docs/settings.md lists every setting."
    )


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("KAFKA_BROKERS", "zz:yy", "'zz:yy' is not a host:port with a port from 1 to 65535"),
        ("KAFKA_BROKERS", "kafka-1:9092,", "'' is not a host:port with a port from 1 to 65535"),
        ("KAFKA_BROKERS", "", "'' is not a host:port with a port from 1 to 65535"),
        (
            "KAFKA_BROKERS",
            "kafka-1:0",
            "'kafka-1:0' is not a host:port with a port from 1 to 65535",
        ),
        ("KAFKA_BROKERS", "kafka-1", "'kafka-1' is not a host:port with a port from 1 to 65535"),
        ("MAX_POLL_INTERVAL_MS", "86400001", "equal to 86400000 (it is '86400001')"),
        ("SESSION_TIMEOUT_MS", "3600001", "equal to 3600000 (it is '3600001')"),
        ("METADATA_INTERVAL_MS", "3600001", "equal to 3600000 (it is '3600001')"),
        ("BATCH_TRIGGERS", "many", "unable to parse string as an integer (it is 'many')"),
        ("MESSAGE_LANGUAGE", "x" * 500, f"input should be 'en' or 'zh' (it is '{'x' * 99}…)"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(f"TRIGGER_WORKER_{variable}", value)
    with pytest.raises(UsageError) as refused:
        load()
    assert str(refused.value).startswith(f"The setting TRIGGER_WORKER_{variable} cannot be used: ")
    assert fault in str(refused.value)


def test_every_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIGGER_WORKER_BATCH_TRIGGERS", "0")
    monkeypatch.setenv("TRIGGER_WORKER_WORKER_LISTEN", "9321")
    with pytest.raises(UsageError) as refused:
        load()
    assert str(refused.value) == (
        "The setting TRIGGER_WORKER_BATCH_TRIGGERS cannot be used: input should be greater "
        "than or equal to 1 (it is '0'). The setting TRIGGER_WORKER_WORKER_LISTEN cannot be "
        "used: '9321' is not a host:port with a port from 0 to 65535 (an IPv6 host in "
        "brackets). Correct TRIGGER_WORKER_BATCH_TRIGGERS and TRIGGER_WORKER_WORKER_LISTEN; "
        "docs/settings.md lists every setting."
    )


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("given", [{}, {"USERNAME": "", "PASSWORD": ""}])
def test_sasl_needs_a_user_and_a_password(
    monkeypatch: pytest.MonkeyPatch, protocol: str, given: dict[str, str]
) -> None:
    monkeypatch.setenv("TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL", protocol)
    for name, value in given.items():
        monkeypatch.setenv(f"TRIGGER_WORKER_KAFKA_{name}", value)
    with pytest.raises(UsageError) as refused:
        load()
    assert str(refused.value) == (
        f"The setting TRIGGER_WORKER_KAFKA_USERNAME cannot be used: {protocol} needs it. "
        f"The setting TRIGGER_WORKER_KAFKA_PASSWORD cannot be used: {protocol} needs it. "
        "Correct TRIGGER_WORKER_KAFKA_USERNAME and TRIGGER_WORKER_KAFKA_PASSWORD; "
        "docs/settings.md lists every setting."
    )


def test_a_secret_that_cannot_be_used_is_not_shown() -> None:
    with pytest.raises(UsageError) as refused:
        load(kafka_password=b"\xff sesame", database_url=["sesame"])
    assert "TRIGGER_WORKER_KAFKA_PASSWORD" in str(refused.value)
    assert "TRIGGER_WORKER_DATABASE_URL" in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_brokers_are_a_list_with_or_without_spaces() -> None:
    found = load(kafka_brokers="kafka-1:9092, [::1]:9093")
    assert found.kafka_brokers == "kafka-1:9092,[::1]:9093"
