"""Kafka over TLS: every client of ours signs in, and says in one sentence why it cannot."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from job_trigger_schemas.errors import BrokersAway, NotAuthorized
from job_trigger_schemas.failure_reader import FailureReader
from job_trigger_schemas.publisher import TriggerPublisher
from job_trigger_worker.config import Settings
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.batch_headers import batch_at
from job_trigger_worker.kafka.settings import KafkaSettings
from tests.support import sql
from tests.support.certificates import Authority
from tests.support.command import Ended, trigger_worker
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.secured_kafka import Listener, SecuredNode, running_secured
from tests.support.topics import produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, environment, running

pytestmark = pytest.mark.parametrize("broker", ["node"], indirect=True)
Start = Callable[..., WorkerProcess]
USER = SecuredNode.superuser
PASSWORD = "open-sesame-4711"  # noqa: S105 - of a node that lives for this module
PASSPHRASE = "locked-sesame-4712"  # noqa: S105
WRONG = "shut-sesame-4713"
SECRETS = (PASSWORD, PASSPHRASE, WRONG)
ENDED_S = 30.0


@pytest.fixture(scope="module")
def own_node() -> Iterator[SecuredNode]:
    """A node with encrypted listeners."""
    with running_secured({USER: PASSWORD}) as node:
        yield node


@pytest.fixture(params=["SCRAM-SHA-512", "PLAIN", "certificate"])
def signing_in(request: pytest.FixtureRequest, own_node: SecuredNode) -> dict[str, Any]:
    """Settings of each way to sign in; the certificate's key has a passphrase."""
    if request.param != "certificate":
        return own_node.signing_in(USER, request.param)
    certificate = own_node.authority.issue(USER)
    return own_node.showing(certificate) | {
        "kafka_key_file": certificate.locked(PASSPHRASE),
        "kafka_key_password": SecretStr(PASSPHRASE),
    }


def counted(streams: WorkerProcess) -> int:
    """How many failures the streams have counted in an hour."""
    return int(json.loads(streams.page("/windows"))["windows"]["60m"]["total"])


def no_secret(*words: str) -> None:
    """Fail where a secret stands in what was said, and show where."""
    for said in words:
        for secret in SECRETS:
            place = said.find(secret)
            assert place < 0, said[max(0, place - 200) : place + 50]


def test_every_client_of_ours_works(
    start: Start,
    settings: Settings,
    signing_in: dict[str, Any],
    load: Load,
    judge: Judge,
    topics: Topics,
    tmp_path: Path,
) -> None:
    own = settings.model_copy(update=signing_in)
    env = environment(own) | {"TRIGGER_WORKER_LOG_LEVEL": "DEBUG"}
    said: list[str] = []

    def letters() -> int:
        return int(sql.value(judge.database, "select count(*) from awp_dead_letter"))

    def done(*arguments: str) -> Ended:
        ended = trigger_worker(*arguments, env=env)
        said.extend((ended.stdout, ended.stderr))
        assert ended.status == 0, (arguments, ended.stderr)
        return ended

    worker = start(signing_in, env={"TRIGGER_WORKER_LOG_LEVEL": "DEBUG"})
    with running(own, tmp_path / "streams.log", command="streams") as streams:
        load.fire(24)
        assert judge.settled(load.sent).records == 24
        wait_until(lambda: counted(streams) == 6, ENDED_S, "six failures counted")
        said += [streams.words(), streams.page("/metrics"), streams.page("/windows")]
    one = load.sent[0]
    header = batch_at(
        KafkaSettings.of(own), topics.triggers, one.partition, one.offset or 0, timeout_s=10
    )
    assert header is not None
    assert header.first <= (one.offset or 0) <= header.last
    assert done("publish", str(load.jobs[0]), "--json").json["published"] == 1
    produce_raw(judge.broker, topics.triggers, [(None, b"no trigger", None)])
    wait_until(lambda: judge.is_quiet(25) and letters() == 1, ENDED_S, "its record and a letter")
    assert done("dlq", "list", "--json").json["total"] == 1
    assert done("dlq", "replay", "--all", "--yes", "--json").json["replayed"] == 1
    wait_until(lambda: letters() == 2, ENDED_S, "the letter of its replay")
    assert done("audit", "--deep", "--json").json["deep"]["triggers_read"] == 27
    assert len(done("topics", "check", "--json").json["topics"]) == 6
    made = done("topics", "create", "--topic-prefix", f"{own.topic_prefix}-more", "--json").json
    assert [each["is_new"] for each in made["topics"]] == [True] * 6
    said += [worker.words(), worker.page("/metrics")]
    assert worker.stop() == 0
    no_secret(*said)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Settings that no broker takes, and the sentence that says so."""

    settings: dict[str, Any]
    sentence: str
    remedy: str


CASES = [
    "wrong password, SCRAM",
    "wrong password, PLAIN",
    "another authority",
    "the broker's has expired",
    "the broker's has another name",
    "no client certificate",
    "ours is of another authority",
    "ours has expired",
    "TLS with a listener that has none",
]
THEIRS = (
    "Correct TRIGGER_WORKER_KAFKA_CA_FILE or the name in TRIGGER_WORKER_KAFKA_BROKERS, or have the "
    "broker's certificate renewed."
)
OURS = (
    "Set TRIGGER_WORKER_KAFKA_CERT_FILE and TRIGGER_WORKER_KAFKA_KEY_FILE to a certificate that "
    "has not expired and whose authority the broker trusts."
)
SIGN_IN = (
    "Correct TRIGGER_WORKER_KAFKA_USERNAME, TRIGGER_WORKER_KAFKA_PASSWORD or "
    "TRIGGER_WORKER_KAFKA_SASL_MECHANISM."
)


@pytest.fixture(scope="module")
def refusals(own_node: SecuredNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Refusal]:
    """What is wrong in each of `CASES`, and how it has to be said."""
    node, other = own_node, Authority(tmp_path_factory.mktemp("other"), "other")
    sasl, mutual = node.at(Listener.SASL), node.at(Listener.MUTUAL)
    expired, misnamed = node.at(Listener.EXPIRED), node.at(Listener.MISNAMED)
    wrong = {"kafka_password": SecretStr(WRONG)}
    refused = f"The brokers at {sasl} do not let the user boss in: Authentication failed"
    untrusted = "The certificate of the broker at {} cannot be trusted: {}."
    not_ours = f"The broker at {mutual} refuses our certificate ("
    without = node.showing(node.authority.issue(USER))
    del without["kafka_cert_file"], without["kafka_key_file"]
    return {
        "wrong password, SCRAM": Refusal(
            node.signing_in(USER) | wrong,
            f"{refused} during authentication due to invalid credentials with SASL mechanism "
            "SCRAM-SHA-512.",
            SIGN_IN,
        ),
        "wrong password, PLAIN": Refusal(
            node.signing_in(USER, "PLAIN") | wrong,
            f"{refused}: Invalid username or password.",
            SIGN_IN,
        ),
        "another authority": Refusal(
            node.signing_in(USER) | {"kafka_ca_file": other.cert},
            untrusted.format(sasl, "unable to get local issuer certificate"),
            THEIRS,
        ),
        "the broker's has expired": Refusal(
            node.signing_in(USER, at=Listener.EXPIRED),
            untrusted.format(expired, "certificate has expired"),
            THEIRS,
        ),
        "the broker's has another name": Refusal(
            node.signing_in(USER, at=Listener.MISNAMED),
            untrusted.format(
                misnamed, "IP address mismatch, certificate is not valid for '127.0.0.1'"
            ),
            THEIRS,
        ),
        "no client certificate": Refusal(
            without, f"The broker at {mutual} wants a certificate of ours (", OURS
        ),
        "ours is of another authority": Refusal(node.showing(other.issue(USER)), not_ours, OURS),
        "ours has expired": Refusal(
            node.showing(node.authority.issue(USER, days=-1)), not_ours, OURS
        ),
        "TLS with a listener that has none": Refusal(
            node.signing_in(USER) | {"kafka_brokers": node.address},
            f"The broker at {node.address} does not talk TLS with us (",
            "Check that TRIGGER_WORKER_KAFKA_SECURITY_PROTOCOL is that of its listener.",
        ),
    }


def is_said(refusal: Refusal, words: str) -> None:
    """The last line of what was said, and no more than that of the matter."""
    last = words.splitlines()[-1]
    assert last.startswith(f"trigger-worker: {refusal.sentence}"), words
    assert last.endswith(f" {refusal.remedy}"), words
    assert "Traceback" not in words
    no_secret(words)


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_at_the_start_with_exit_1(
    settings: Settings, refusals: dict[str, Refusal], tmp_path: Path, case: str
) -> None:
    wrong = refusals[case]
    own = settings.model_copy(update=wrong.settings)
    with ExitStack() as stack:
        processes = []
        for command in ("worker", "streams"):
            log = tmp_path / f"{command}.log"
            processes.append(WorkerProcess(own, log, command=command, wait=False))
            stack.callback(processes[-1].kill)
        ended = trigger_worker("topics", "check", env=environment(own), timeout_s=ENDED_S)
        assert ended.status == 1
        is_said(wrong, ended.stderr)
        for process in processes:
            assert wait_until(process.child.exit_status, ENDED_S, "its end") == 1, process.words()
            is_said(wrong, process.words())


@pytest.mark.parametrize(
    "command",
    [
        ("publish", "5"),
        ("audit", "--deep"),
        ("dlq", "replay", "--all", "--yes"),
        ("topics", "create"),
    ],
    ids=" ".join,
)
def test_every_command_says_it(
    settings: Settings,
    topics: Topics,
    database: str,
    refusals: dict[str, Refusal],
    command: tuple[str, ...],
) -> None:
    wrong = refusals["wrong password, SCRAM"]
    a_dead_letter(database, topics)
    env = environment(settings.model_copy(update=wrong.settings))
    ended = trigger_worker(*command, env=env, timeout_s=ENDED_S)
    assert ended.status == 1
    assert ended.stdout == ""
    is_said(wrong, ended.stderr)


def a_dead_letter(database: str, topics: Topics) -> None:
    """One that can be replayed."""
    sql.execute(
        database,
        f"""
        insert into awp_trigger_ledger (topic, topic_id, "partition")
        values ('{topics.triggers}', 'i', 0);
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
        select id, 1, 'made up', '\\x90', 'x' from awp_trigger_ledger;
        """,
    )


def test_a_running_worker_waits_for_a_broker_whose_certificate_has_expired(
    start: Start, own_node: SecuredNode, load: Load, judge: Judge, tmp_path: Path
) -> None:
    worker = start(own_node.showing(own_node.authority.issue(USER)))
    load.fire(12)
    judge.settled(load.sent)
    store = own_node.store(Listener.MUTUAL)
    kept = shutil.copy(store, tmp_path / "kept.pem")
    own_node.kill()
    shutil.copy(own_node.store(Listener.EXPIRED), store)
    own_node.start()
    load.fire(12)
    wait_until(lambda: "certificate verify failed" in worker.words(), ENDED_S, "its complaint")
    wait_until(lambda: worker.get("/readyz") == 503, ENDED_S, "that it is not ready")
    own_node.kill()
    shutil.copy(kept, store)
    own_node.start()
    assert judge.settled(load.sent).records == 24
    wait_until(lambda: worker.get("/readyz") == 200, ENDED_S, "that it is ready")
    assert worker.stop() == 0


def test_publisher_and_reader_of_other_teams_are_told_to_look_at_the_password(
    own_node: SecuredNode, settings: Settings, topics: Topics
) -> None:
    signing = own_node.signing_in(USER) | {"kafka_password": SecretStr(WRONG)}
    own = KafkaSettings.of(settings.model_copy(update=signing))
    client = own.kafka_python()
    wrong = pytest.raises((NotAuthorized, BrokersAway), match=f"{own.brokers} .*user.* password")
    with wrong as of_publisher:
        TriggerPublisher(own.brokers, topic=topics.triggers, client_options=client, timeout_s=2)
    with wrong as of_reader:
        FailureReader(
            own.brokers, group="alerting", topic=topics.failures, client_options=client, timeout_s=2
        )
    no_secret(str(of_publisher.value), str(of_reader.value))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"kafka_key_password": None}, "The key {key} has a passphrase. Set"),
        (
            {"kafka_key_password": SecretStr(WRONG)},
            "TRIGGER_WORKER_KAFKA_CERT_FILE ({cert}) cannot be used:",
        ),
        (
            {"kafka_cert_file": None},
            "TRIGGER_WORKER_KAFKA_KEY_FILE is set and no certificate goes with it. Set",
        ),
    ],
    ids=["no passphrase", "another passphrase", "no certificate"],
)
def test_a_key_that_cannot_be_used_is_said_with_exit_2(
    settings: Settings, own_node: SecuredNode, changed: dict[str, Any], sentence: str
) -> None:
    certificate = own_node.authority.issue("locked")
    key = certificate.locked(PASSPHRASE)
    own = own_node.showing(certificate) | {"kafka_key_file": key} | changed
    update = {name: value for name, value in own.items() if value is not None}
    env = environment(settings.model_copy(update=update))
    for command in ("worker", "topics check"):
        ended = trigger_worker(*command.split(), env=env, timeout_s=ENDED_S)
        last = ended.stderr.splitlines()[-1]
        expected = sentence.format(key=key, cert=certificate.cert)
        assert (ended.status, last.startswith(f"trigger-worker: {expected}")) == (2, True), last
        assert "Traceback" not in ended.stderr
        no_secret(ended.stderr)
