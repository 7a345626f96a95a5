"""One description of the brokers, rendered in the dialect of each of the three clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import UsageError


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Brokers, TLS and SASL. Secrets are kept out of the representation."""

    brokers: str
    security_protocol: str
    sasl_mechanism: str
    username: str | None
    password: _Hidden | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    key_password: _Hidden | None
    topics: Topics

    @classmethod
    def of(cls, settings: Settings) -> KafkaSettings:
        """The Kafka part of the process's settings."""
        return cls(
            brokers=settings.kafka_brokers,
            security_protocol=settings.kafka_security_protocol,
            sasl_mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_username,
            password=_hidden(settings.kafka_password),
            ca_file=settings.kafka_ca_file,
            cert_file=settings.kafka_cert_file,
            key_file=settings.kafka_key_file,
            key_password=_hidden(settings.kafka_key_password),
            topics=Topics.under(settings.topic_prefix),
        )

    @property
    def uses_tls(self) -> bool:
        """True when the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """True when a user and a password are sent."""
        return self.security_protocol.startswith("SASL")

    def confluent(self) -> dict[str, Any]:
        """For confluent-kafka (librdkafka's configuration names).

        Raises `UsageError` that names a file which cannot be used.
        """
        config: dict[str, Any] = {
            "bootstrap.servers": self.brokers,
            "security.protocol": self.security_protocol,
            "client.id": "job-trigger-worker",
        }
        if self.uses_sasl:
            config |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.username or "",
                "sasl.password": self._secret(),
            }
        if self.uses_tls:
            self.ssl_context()
            files = {
                "ssl.ca.location": self.ca_file,
                "ssl.certificate.location": self.cert_file,
                "ssl.key.location": self.key_file or self.cert_file,
            }
            config |= {name: str(path) for name, path in files.items() if path}
            if self.key_password:
                config["ssl.key.password"] = self.key_password.value
        return config

    def kafka_python(self) -> dict[str, Any]:
        """For kafka-python (keyword arguments of its clients)."""
        config: dict[str, Any] = {
            "bootstrap_servers": self.brokers.split(","),
            "security_protocol": self.security_protocol,
            "client_id": "job-trigger-worker",
        }
        if self.uses_sasl:
            config |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username or "",
                "sasl_plain_password": self._secret(),
            }
        if self.uses_tls:
            config["ssl_context"] = self.ssl_context()
        return config

    def faust(self) -> dict[str, Any]:
        """For Faust (keyword arguments of its App)."""
        from faust.auth import SASLCredentials, SSLCredentials  # noqa: PLC0415 - slow, one command

        config: dict[str, Any] = {
            "broker": [f"aiokafka://{address.strip()}" for address in self.brokers.split(",")]
        }
        context = self.ssl_context() if self.uses_tls else None
        if self.uses_sasl:
            config["broker_credentials"] = SASLCredentials(
                username=self.username or "",
                password=self._secret(),
                mechanism=self.sasl_mechanism,
                ssl_context=context,
            )
        elif context is not None:
            config["broker_credentials"] = SSLCredentials(context)
        return config

    def ssl_context(self) -> ssl.SSLContext:
        """A context that verifies the brokers' certificates, for clients that take one.

        Raises `UsageError` that names the file which cannot be used.
        """
        named: tuple[str, Path | None] = ("TRIGGER_WORKER_KAFKA_CA_FILE", self.ca_file)
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
            if self.key_file:
                named = "TRIGGER_WORKER_KAFKA_KEY_FILE", self.key_file
                self.key_file.open("rb").close()
                if not self.cert_file:
                    raise UsageError(
                        "TRIGGER_WORKER_KAFKA_KEY_FILE is set and no certificate goes with it.",
                        remedy="Set TRIGGER_WORKER_KAFKA_CERT_FILE, too.",
                    )
            if self.cert_file:
                named = "TRIGGER_WORKER_KAFKA_CERT_FILE", self.cert_file
                context.load_cert_chain(self.cert_file, self.key_file, self._passphrase)
        except OSError as error:  # an SSLError is one
            why = error.strerror or error
            raise UsageError(
                f"{named[0]} ({named[1]}) cannot be used: {why}.",
                remedy="Name a readable file with certificates in PEM form.",
            ) from error
        return context

    def _passphrase(self) -> str:
        """Asked for only by a key that has one; without an answer OpenSSL would ask a terminal."""
        if self.key_password is None:
            raise UsageError(
                f"The key {self.key_file or self.cert_file} has a passphrase.",
                remedy="Set TRIGGER_WORKER_KAFKA_KEY_PASSWORD, or use a key without one.",
            )
        return self.key_password.value

    def _secret(self) -> str:
        return self.password.value if self.password else ""


def _hidden(secret: SecretStr | None) -> _Hidden | None:
    return _Hidden(secret.get_secret_value()) if secret else None


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A secret that does not print itself."""

    value: str

    def __repr__(self) -> str:
        return "'***'"
