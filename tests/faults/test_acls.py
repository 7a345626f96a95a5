"""deploy/acls.md is what each principal needs: all of it is enough, and one right less is said."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from job_trigger_schemas import JobTrigger, TriggerFailure
from job_trigger_schemas.errors import NotAuthorized
from job_trigger_schemas.failure_reader import FailureReader
from job_trigger_worker.config import Settings
from job_trigger_worker.dead_letters.replay import Replayer
from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.errors import TriggerWorkerError
from job_trigger_worker.kafka.failure_topic_watcher import FailureTopicWatcher
from job_trigger_worker.kafka.settings import KafkaSettings
from job_trigger_worker.kafka.topic_ids import TopicIds
from job_trigger_worker.kafka.trigger_publisher import LazyTriggerPublisher
from job_trigger_worker.storage.read import dead_letters
from job_trigger_worker.storage.read.dead_letters import DeadLetterFilter, Selection
from tests.support import acls, sql
from tests.support.acls import Right
from tests.support.command import Ended, trigger_worker
from tests.support.ledgers import Judge
from tests.support.load import Load
from tests.support.secured_kafka import SecuredNode, running_secured
from tests.support.topics import produce_raw
from tests.support.waiting import wait_until
from tests.support.worker import WorkerProcess, environment, running

pytestmark = pytest.mark.parametrize("broker", ["node"], indirect=True)
Start = Callable[..., WorkerProcess]
Grant = Callable[[Iterable[Right]], None]
As = Callable[[str], Settings]
PRINCIPALS = ("worker", "streams", "console", "publisher", "reader", "operator")
ALL = DeadLetterFilter(with_replayed=True)
SLOT = "2026-11-20T08:00:00Z"
OPERATOR = {
    ("CREATE", "topics"): "topics create",
    ("DESCRIBE", "topics"): "topics check",
    ("DESCRIBE_CONFIGS", "topics"): "topics check",
    ("READ", "topic"): "audit --deep",
    ("WRITE", "topic"): "dlq replay --all --yes",
}
"""A command that needs a right."""
PASSWORD = "open-sesame-4731"  # noqa: S105 - of a node that lives for this module
ENDED_S = 30.0


@pytest.fixture(scope="module")
def own_node() -> Iterator[SecuredNode]:
    """A node where who has no right may do nothing."""
    with running_secured(dict.fromkeys(PRINCIPALS, PASSWORD)) as node:
        yield node


@pytest.fixture
def grant(own_node: SecuredNode, settings: Settings) -> Grant:
    """Gives rights on the topics and groups of the test."""
    admin = AdminClient({"bootstrap.servers": own_node.address})
    return lambda rights: acls.grant(admin, rights, settings)


@pytest.fixture
def as_(own_node: SecuredNode, settings: Settings) -> As:
    """Settings of a principal."""
    return lambda principal: settings.model_copy(update=own_node.signing_in(principal))


def without(right: Right) -> list[Right]:
    """All rights of a principal but one."""
    return [each for each in acls.of(right.principal) if each != right]


def counted(streams: WorkerProcess) -> int:
    """How many failures the streams have counted in an hour."""
    return int(json.loads(streams.page("/windows"))["windows"]["60m"]["total"])


def reading(own: Settings) -> FailureReader:
    """A reader of failures, in the group of the table."""
    kafka = KafkaSettings.of(own)
    return FailureReader(
        kafka.brokers,
        group=acls.here("alerting", own),
        topic=kafka.topics.failures,
        client_options=kafka.kafka_python(),
    )


def last_words(process: WorkerProcess) -> str:
    """What it said in the end, once it has ended with 1."""
    assert wait_until(process.child.exit_status, ENDED_S, "its end") == 1, process.words()[-3000:]
    assert "Traceback" not in process.words(), process.words()
    assert PASSWORD not in process.words()
    return process.words().splitlines()[-1]


def is_said(ended: Ended, *words: str) -> None:
    """A command has failed and said so in one sentence, with these words in it."""
    assert ended.status == 1, ended.stdout
    said = ended.stdout + ended.stderr
    assert not [each for each in words if each not in said], said
    assert "uthorization" in said
    assert "Traceback" not in said
    assert PASSWORD not in said


def a_dead_letter(database: str, topic: str) -> Selection:
    """One that came from a topic."""
    sql.execute(
        database,
        f"""
        insert into awp_trigger_ledger (topic, topic_id, "partition") values ('{topic}', 'i', 0);
        insert into awp_dead_letter (ledger_id, origin_offset, reason, headers, value)
        select id, 1, 'made up', '\\x90', 'x' from awp_trigger_ledger where topic_id = 'i';
        """,
    )
    with create_engine(database, poolclass=NullPool).connect() as connection:
        return dead_letters.select(connection, ALL)


def test_these_rights_are_enough(
    own_node: SecuredNode,
    as_: As,
    grant: Grant,
    start: Start,
    load: Load,
    judge: Judge,
    topics: Topics,
    tmp_path: Path,
) -> None:
    grant(acls.table())

    def done(principal: str, *arguments: str) -> Any:
        ended = trigger_worker(*arguments, "--json", env=environment(as_(principal)))
        assert ended.status == 0, (arguments, ended.stderr)
        return ended.json

    has_appeared = Event()
    tail = FailureTopicWatcher(KafkaSettings.of(as_("console")), as_("console"))
    tail.begin(has_appeared.set)
    worker = start(own_node.signing_in("worker"))
    with running(as_("streams"), tmp_path / "streams.log", command="streams") as streams:
        load.fire(12)
        assert judge.settled(load.sent).records == 12
        wait_until(lambda: counted(streams) == 3, ENDED_S, "three failures counted")
    wait_until(has_appeared.is_set, ENDED_S, "word of a failure")
    tail.end()
    failures: list[TriggerFailure] = []
    with reading(as_("reader")) as reader:
        wait_until(lambda: reader.read(failures.append) and len(failures) == 3, ENDED_S, "all read")
    assert done("publisher", "publish", str(load.jobs[0]))["published"] == 1
    LazyTriggerPublisher(KafkaSettings.of(as_("console"))).send(
        [JobTrigger(job_id="1", scheduled_at=SLOT)]
    )
    nonsense = [(None, b"nonsense", None)]
    for topic in (topics.triggers, topics.statuses):
        produce_raw(judge.broker, topic, nonsense)
    count = "select count(*) from awp_dead_letter"
    wait_until(
        lambda: judge.is_quiet(14) and sql.value(judge.database, count) == 2, ENDED_S, "the rest"
    )
    assert done("operator", "dlq", "replay", "--all", "--yes")["replayed"] == 2
    wait_until(lambda: sql.value(judge.database, count) == 4, ENDED_S, "the letters of the replays")
    assert done("operator", "publish", str(load.jobs[1]))["published"] == 1
    wait_until(lambda: judge.is_quiet(15), ENDED_S, "that one, too")
    assert "action=topic_settings" not in worker.words()
    assert done("operator", "topics", "check")["not_known"] == {}
    assert done("operator", "audit", "--deep")["deep"]["triggers_read"] == 17
    more = ("--topic-prefix", f"{as_('operator').topic_prefix}.more")
    made = done("operator", "topics", "create", *more)["topics"]
    assert [each["is_new"] for each in made] == [True] * 6
    assert worker.stop() == 0


@pytest.mark.parametrize(
    "right", [each for each in acls.of("worker") if each.operation == "DESCRIBE_CONFIGS"], ids=str
)
def test_a_worker_that_may_not_see_settings_says_so_and_works(
    own_node: SecuredNode,
    start: Start,
    grant: Grant,
    load: Load,
    judge: Judge,
    settings: Settings,
    right: Right,
) -> None:
    grant(without(right))
    worker = start(own_node.signing_in("worker"))
    load.fire(8)
    assert judge.settled(load.sent).records == 8
    (said,) = [
        line for line in worker.words().splitlines() if "action=topic_settings_unknown" in line
    ]
    assert f"topic={acls.here(right.name, settings)} reason=" in said
    assert "uthorization" in said
    assert worker.stop() == 0


@pytest.mark.parametrize(
    "right", [each for each in acls.of("worker") if each.operation != "DESCRIBE_CONFIGS"], ids=str
)
def test_a_worker_says_which_right_it_lacks(
    own_node: SecuredNode, start: Start, grant: Grant, load: Load, settings: Settings, right: Right
) -> None:
    grant(without(right))
    load.fire(8)
    worker = start(own_node.signing_in("worker"), wait=False)
    words = last_words(worker)
    assert f" {acls.here(right.name, settings)}: " in words
    assert "uthorization failed. " in words
    assert "grant" in words.lower()


@pytest.mark.parametrize("right", acls.of("streams"), ids=str)
@pytest.mark.usefixtures("topics")
def test_the_streams_say_which_right_they_lack(
    own_node: SecuredNode, as_: As, grant: Grant, settings: Settings, tmp_path: Path, right: Right
) -> None:
    grant(without(right))
    name = acls.here(right.name, settings)
    if right.operation == "ALTER":
        admin = AdminClient({"bootstrap.servers": own_node.address})
        made = admin.create_topics([NewTopic(name, num_partitions=1)])
        made[name].result(timeout=10)
    log = tmp_path / "streams.log"
    with running(as_("streams"), log, command="streams", wait=False) as streams:
        try:
            words = last_words(streams)
        finally:
            streams.kill()
    assert name in words
    assert "uthorization failed" in words or f" no right to {right.operation} the " in words


@pytest.mark.parametrize("right", acls.of("operator"), ids=str)
def test_an_operator_is_told_which_right_is_missing(
    own_node: SecuredNode,
    as_: As,
    grant: Grant,
    settings: Settings,
    topics: Topics,
    database: str,
    right: Right,
) -> None:
    grant(without(right))
    own = as_("operator")
    name = acls.here(right.name, settings)
    arguments = OPERATOR[right.operation, right.resource].split()
    if right.operation == "READ":
        events = (topics.dispatch_action, topics.dispatch_orch, topics.failures)
        for topic in (topics.triggers, *events):
            produce_raw(own_node, topic, [(None, b"{}", None)], partition=0)
        kafka = KafkaSettings.of(settings)
        found = TopicIds(kafka).describe(topics.triggers)
        assert found is not None
        sql.execute(
            database,
            'insert into awp_trigger_ledger (topic, topic_id, "partition", last_offset) '
            f"values ('{topics.triggers}', '{found.topic_id}', 0, 0)",
        )
    if right.operation == "WRITE":
        a_dead_letter(database, name)
    if right.operation == "CREATE":
        arguments += ["--topic-prefix", f"{settings.topic_prefix}.more"]
    ended = trigger_worker(*arguments, env=environment(own))
    if right.operation == "DESCRIBE_CONFIGS":
        assert (ended.status, "may lack the right to read them" in ended.stdout) == (0, True), (
            ended.stdout
        )
    else:
        is_said(ended, name)


def test_a_publisher_is_told_that_it_may_not(as_: As, grant: Grant, topics: Topics) -> None:
    (right,) = acls.of("publisher")
    grant(without(right))
    ended = trigger_worker("publish", "5", env=environment(as_("publisher")))
    is_said(ended, topics.triggers)


@pytest.mark.parametrize("right", acls.of("reader"), ids=str)
@pytest.mark.usefixtures("topics")
def test_a_reader_of_failures_is_told_which_right_it_lacks(
    as_: As, grant: Grant, right: Right
) -> None:
    grant(without(right))
    own = as_("reader")
    with pytest.raises(NotAuthorized) as refused, reading(own) as reader:
        wait_until(lambda: reader.read(lambda _: None), ENDED_S, "that it says so")
    assert acls.here(right.name, own) in str(refused.value)
    assert "uthorization" in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("right", acls.of("console"), ids=str)
def test_the_console_says_which_right_it_lacks(
    as_: As,
    grant: Grant,
    topics: Topics,
    database: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    right: Right,
) -> None:
    grant(without(right))
    own = as_("console")
    kafka = KafkaSettings.of(own)
    name = acls.here(right.name, settings)
    if right.operation == "READ":
        tail = FailureTopicWatcher(kafka, own)
        tail.begin(lambda: None)
        wait_until(lambda: name in caplog.text, ENDED_S, "that it says so")
        tail.end()
        said = caplog.text
    elif name == topics.triggers:
        with pytest.raises(TriggerWorkerError) as refused:
            LazyTriggerPublisher(kafka).send([JobTrigger(job_id="1", scheduled_at=SLOT)])
        said = str(refused.value)
    else:
        chosen = a_dead_letter(database, name)
        with pytest.raises(TriggerWorkerError) as refused:
            Replayer(own, kafka).replay(ALL, chosen, edited=None, note=lambda *_: None)
        said = str(refused.value)
    assert name in said
    assert "uthorization" in said
    assert PASSWORD not in said
