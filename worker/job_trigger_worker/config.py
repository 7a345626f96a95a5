"""Settings: from the environment (`TRIGGER_WORKER_…`), overridden by a command's flags.

One flat class, so that a person finds every setting and its default in one place.
docs/settings.md holds the same table (a test compares the two).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from job_trigger_worker.errors import UsageError

PREFIX = "TRIGGER_WORKER_"
FOR_TESTS = f"{PREFIX}TEST_"
"""Variables that only a program of the tests understands: see `load`."""

Language = Literal["en", "zh"]

_HIGHEST_PORT = 65_535
_LONGEST_SHOWN = 100
_OURS = "ours"
"""Type of the errors whose words name the value already."""

_of_kubernetes = re.compile(
    r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP)(_\w+)?)|.*_PORT=(tcp|udp)://.*",
    re.IGNORECASE,
).fullmatch
_is_address = re.compile(r"(?:[^\s:/\[\],]+|\[[0-9A-Fa-f:.]+(?:%\w+)?\]):([0-9]{1,5})").fullmatch


def _address(value: str, lowest_port: int = 0) -> str:
    found = _is_address(value)
    if found is None or not lowest_port <= int(found[1]) <= _HIGHEST_PORT:
        raise PydanticCustomError(
            _OURS,
            "{value} is not a host:port with a port from {lowest} to 65535 (an IPv6 host in "
            "brackets)",
            {"value": repr(value), "lowest": lowest_port},
        )
    return value


def _addresses(value: str) -> str:
    return ",".join(_address(each.strip(), lowest_port=1) for each in value.split(","))


def _needed_for_sasl(value: Credential, info: ValidationInfo) -> Credential:
    protocol = str(info.data.get("kafka_security_protocol"))
    if not value and protocol.startswith("SASL"):
        raise PydanticCustomError(_OURS, "{protocol} needs it", {"protocol": protocol})
    return value


Credential = TypeVar("Credential", str | None, SecretStr | None)

Address = Annotated[str, AfterValidator(_address)]
"""Where to listen. Port 0 is any free one."""

Addresses = Annotated[str, AfterValidator(_addresses)]
"""Where to connect to, one or several."""


class Settings(BaseSettings):
    """Everything that can be set. Secrets are `SecretStr`: they never print themselves."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: SecretStr = Field(
        SecretStr("postgresql+psycopg2://localhost/awp"),
        description="PostgreSQL, as postgresql+psycopg2://user:password@host:port/database",
    )
    kafka_brokers: Addresses = Field(
        "127.0.0.1:9092", description="Brokers, host:port, comma-separated"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, with a SASL_ protocol"
    )
    kafka_username: Annotated[str | None, AfterValidator(_needed_for_sasl)] = Field(
        None, validate_default=True, description="SASL user"
    )
    kafka_password: Annotated[SecretStr | None, AfterValidator(_needed_for_sasl)] = Field(
        None, validate_default=True, description="SASL password"
    )
    kafka_ca_file: Path | None = Field(None, description="CA certificates (PEM) to trust")
    kafka_cert_file: Path | None = Field(None, description="Client certificate (PEM)")
    kafka_key_file: Path | None = Field(
        None, description="Its key (PEM); not needed where the certificate's file holds it"
    )
    kafka_key_password: SecretStr | None = Field(
        None, description="Passphrase of that key, where it has one"
    )
    topic_prefix: str = Field(
        "awp", pattern=r"^[a-zA-Z0-9._-]{1,100}$", description="First part of every topic's name"
    )
    consumer_group: str = Field(
        "job-trigger-worker",
        pattern=r"^[^/\s]{1,100}$",
        description="Consumer group; a partition belongs to one group until it is given up",
    )
    group_instance_id: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        description="Name of this worker in its group, no other's and the same after a restart",
    )
    message_language: Language = Field(
        "en", description="Language of stored and published messages"
    )
    default_max_lateness_s: int = Field(
        3600, ge=0, description="How late a scheduled trigger may be where its job says nothing"
    )
    max_earliness_s: int = Field(
        300,
        ge=0,
        le=86_400,
        description="How far ahead of now a time from outside may lie to be believed",
    )
    max_clock_skew_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="How far the worker's clock may be from the database's for it to decide",
    )
    no_answer_after_s: int = Field(
        300, ge=1, description="How long a dispatched run may stay silent before it is `no_answer`"
    )
    batch_triggers: int = Field(1000, ge=1, le=10_000, description="Most triggers in a batch")
    max_poll_interval_ms: int = Field(
        300_000, ge=6_000, le=86_400_000, description="How long the group waits for a silent worker"
    )
    session_timeout_ms: int = Field(
        45_000, ge=1_000, le=3_600_000, description="How long the group waits for a dead worker"
    )
    fetch_wait_ms: int = Field(
        500, ge=1, le=5_000, description="How long a broker may hold a fetch that finds nothing"
    )
    metadata_interval_ms: int = Field(
        30_000,
        ge=500,
        le=3_600_000,
        description="How often topics are looked at for new partitions and ids",
    )
    worker_listen: Address = Field(
        "127.0.0.1:9321", description="Where the worker serves /metrics, /livez and /readyz"
    )
    streams_listen: Address = Field(
        "127.0.0.1:9322", description="Where the streams serve /metrics, /livez, /readyz, /windows"
    )
    console_listen: Address = Field("127.0.0.1:8321", description="Where the console serves")
    console_metrics_listen: Address = Field(
        "127.0.0.1:9323", description="Where the console serves /metrics, /livez and /readyz"
    )
    console_cert_file: Path | None = Field(
        None, description="Certificate chain (PEM) of the console, for TLS of its own"
    )
    console_key_file: Path | None = Field(None, description="Its key (PEM)")
    trusted_proxies: str = Field(
        "",
        description="Reverse proxies whose X-Forwarded-For and -Proto are believed, "
        "addresses or networks, comma-separated",
    )
    remote_user_header: str | None = Field(
        None, description="Header with which these proxies name the user who has signed in there"
    )
    console_users_file: Path | None = Field(
        None, description="Local users and services, as `trigger-worker users` writes it"
    )
    console_idle_s: int = Field(
        3_600, ge=60, description="A session ends after so long without a request"
    )
    console_session_s: int = Field(
        43_200, ge=60, description="A session ends so long after the sign-in at the latest"
    )
    console_timezone: str = Field(
        "UTC", description="Time zone of the console's times where nobody has chosen another"
    )
    masked_parameter_words: str = Field(
        "password,passwd,passphrase,pwd,secret,token,apikey,accesskey,privatekey,"
        "authorization,密码,口令,密钥",
        description="Parameter keys with one of these words in them are shown without their value",
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of log lines on stderr")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe log line that is written"
    )


def unknown(variables: Mapping[str, str]) -> list[str]:
    """Of the environment's variables, a sentence for each that looks like a setting and is none.

    Not for what Kubernetes sets for a service that is called as we are.
    """
    settings = {name.upper() for name in Settings.model_fields}
    said = []
    for name, content in sorted(variables.items()):
        is_ours = name.upper().startswith(PREFIX) and not name.upper().startswith(FOR_TESTS)
        rest = name.upper().removeprefix(PREFIX)
        if not is_ours or rest in settings:
            continue
        if _of_kubernetes(name) or _of_kubernetes(f"{name}={content}"):
            continue
        near = get_close_matches(rest, settings, 1)
        hint = f"{PREFIX}{near[0]} is one; " if near else ""
        said.append(
            f"{name} is not a setting and changes nothing: {hint}"
            "docs/settings.md lists every setting."
        )
    return said


def load(**flags: object) -> Settings:
    """Settings from the environment; flags that are not None win.

    Raises `UsageError` that names every variable that cannot be used and its value, unless that is
    a secret's. One that is for tests alone is refused, so that no fault of a test can be switched
    on where somebody relies on us.
    """
    for_tests = sorted(name for name in os.environ if name.upper().startswith(FOR_TESTS))
    if for_tests:
        raise UsageError(
            f"{' and '.join(for_tests)} can only be used by this project's own tests.",
            remedy="Remove it from the environment.",
        )
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = error.errors(include_url=False)
        names = " and ".join(_variable(fault) for fault in faults)
        raise UsageError(
            " ".join(
                f"The setting {_variable(fault)} cannot be used: {_words(fault)}."
                for fault in faults
            ),
            remedy=f"Correct {names}; docs/settings.md lists every setting.",
        ) from None


def _variable(fault: ErrorDetails) -> str:
    return PREFIX + str(fault["loc"][0]).upper()


def _words(fault: ErrorDetails) -> str:
    """What is wrong with a value, and the value."""
    words = fault["msg"][0].lower() + fault["msg"][1:]
    is_secret = "SecretStr" in str(Settings.model_fields[str(fault["loc"][0])].annotation)
    if fault["type"] == _OURS or is_secret:
        return fault["msg"] if fault["type"] == _OURS else words
    value = repr(fault["input"])
    shown = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
    return f"{words} (it is {shown})"
