"""A Kafka node with encrypted listeners, where clients sign in and ACLs hold."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from job_trigger_worker.embedded.child import free_port
from tests.support.certificates import Authority, Certificate
from tests.support.kafka import KafkaNode

ITERATIONS = 4096
"""The fewest that Kafka takes for SCRAM."""


class Listener(StrEnum):
    """Where clients connect: what it asks of them, or what is wrong with it."""

    MUTUAL = "mutual"
    SASL = "sasl"
    EXPIRED = "expired"
    MISNAMED = "misnamed"


class SecuredNode(KafkaNode):
    """A node whose `address` is for the test alone; `at` are listeners with TLS.

    Who uses `address` may do everything, and so may `superuser`, signed in by password or by a
    certificate of that name; everybody else what ACLs allow. `passwords` are by user, for PLAIN and
    SCRAM-SHA-512 alike. `mutual` wants a client certificate of `authority`; `expired` and
    `misnamed` are as `sasl`, with such a certificate of the broker's.
    """

    superuser = "boss"

    def __init__(self, folder: Path, *, passwords: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._passwords = passwords
        self._ports: dict[Listener, int] = {}
        self.authority = Authority(folder / "certificates", "authority")
        self._certificates = {
            Listener.MUTUAL: self.authority.issue("mutual"),
            Listener.SASL: self.authority.issue("broker"),
            Listener.EXPIRED: self.authority.issue("broker", days=-1),
            Listener.MISNAMED: self.authority.issue("stranger", hosts="DNS:kafka.elsewhere"),
        }

    def at(self, listener: Listener) -> str:
        """host:port of a listener; valid once started."""
        return f"127.0.0.1:{self._ports[listener]}"

    def store(self, listener: Listener) -> Path:
        """The file with a listener's key and certificate, read when the node starts."""
        return self._certificates[listener].both

    def start(self) -> "SecuredNode":
        """As `KafkaNode.start`; the users can sign in when it returns."""
        if self.is_running:
            return self
        super().start()
        admin = AdminClient({"bootstrap.servers": self.address})
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        made = admin.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(user, scram, password.encode())
                for user, password in self._passwords.items()
            ]
        )
        for done in made.values():
            done.result(timeout=10)
        return self

    def signing_in(
        self, user: str, mechanism: str = "SCRAM-SHA-512", at: Listener = Listener.SASL
    ) -> dict[str, Any]:
        """Settings of a client that signs in by password."""
        return {
            "kafka_brokers": self.at(at),
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": mechanism,
            "kafka_username": user,
            "kafka_password": SecretStr(self._passwords[user]),
            "kafka_ca_file": self.authority.cert,
        }

    def showing(self, certificate: Certificate) -> dict[str, Any]:
        """Settings of a client that shows a certificate."""
        return {
            "kafka_brokers": self.at(Listener.MUTUAL),
            "kafka_security_protocol": "SSL",
            "kafka_ca_file": self.authority.cert,
            "kafka_cert_file": certificate.cert,
            "kafka_key_file": certificate.key,
        }

    def _configured(self, properties: str) -> str:
        self._ports = {each: free_port() for each in Listener}
        opened = "".join(f",{each.upper()}://{self.at(each)}" for each in Listener)
        protocols = dict.fromkeys(Listener, "SASL_SSL") | {Listener.MUTUAL: "SSL"}
        named = "".join(f",{each.upper()}:{protocol}" for each, protocol in protocols.items())
        properties = properties.replace(",CONTROLLER://", f"{opened},CONTROLLER://").replace(
            ",CONTROLLER:PLAINTEXT", f"{named},CONTROLLER:PLAINTEXT"
        )
        users = " ".join(f'user_{name}="{word}"' for name, word in self._passwords.items())
        return properties + "".join(
            [
                _AUTHORIZED.format(superuser=self.superuser),
                *(self._listener(each, users) for each in Listener),
            ]
        )

    def _listener(self, listener: Listener, users: str) -> str:
        template = _MUTUAL if listener is Listener.MUTUAL else _SASL
        return (_TLS + template).format(
            name=f"listener.name.{listener}",
            store=self.store(listener),
            trusted=self.authority.cert,
            users=users,
        )


@contextmanager
def running_secured(passwords: Mapping[str, str]) -> Iterator[SecuredNode]:
    """A secured node for the length of a block; `passwords` by user."""
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        node = SecuredNode(Path(folder) / "node", passwords=passwords)
        try:
            yield node.start()
        finally:
            node.kill()


_AUTHORIZED = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{superuser};User:CN={superuser}
allow.everyone.if.no.acl.found=false
"""
_TLS = """\
{name}.ssl.keystore.type=PEM
{name}.ssl.keystore.location={store}
"""
_MUTUAL = """\
{name}.ssl.truststore.type=PEM
{name}.ssl.truststore.location={trusted}
{name}.ssl.client.auth=required
"""
_SASL = """\
{name}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
{name}.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required {users};
{name}.scram-sha-512.sasl.jaas.config=\\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
