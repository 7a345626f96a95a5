"""What `topics check` judges, with topics as brokers describe them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicState
from job_trigger_worker.kafka.topic_check import TopicReport, check, unknowns

TOPICS = Topics.under("awp")
GOOD = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "compression.type": "uncompressed",
    "retention.ms": "604800000",
    "min.insync.replicas": "2",
}
TRIGGERS = TopicState(
    name="awp.job.triggers.v1",
    topic_id="pJPIWMqCR6G8FEMobKBtng",
    partitions=6,
    leaderless=(),
    replicas=3,
    config=GOOD,
)


def report_with(brokers: int = 3, **changed: TopicState) -> TopicReport:
    """The report on six good topics, some of them (by field of `Topics`) changed."""
    states: Mapping[str, TopicState] = {
        name: replace(TRIGGERS, name=name) for name in TOPICS.all()
    } | {getattr(TOPICS, field): state for field, state in changed.items()}
    return check(TOPICS, states, brokers=brokers)


def triggers_with(**config: str) -> TopicState:
    return replace(
        TRIGGERS, config=GOOD | {key.replace("_", "."): value for key, value in config.items()}
    )


def test_six_good_topics_are_good() -> None:
    report = report_with()
    assert report.problems == ()
    assert report.not_known == {}
    assert report.is_good


def test_every_missing_topic_is_named_with_the_command_that_makes_it() -> None:
    report = check(TOPICS, {}, brokers=1)
    assert [each.topic for each in report.problems] == [
        "awp.job.triggers.v1",
        "awp.execution.status.v1",
        "awp.dispatch.action.v1",
        "awp.dispatch.orch.v1",
        "awp.job.trigger-failures.v1",
        "awp.job.triggers.dlq.v1",
    ]
    assert all("topics create" in each.remedy for each in report.problems)
    assert not report.is_good


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_a_compacted_topic_is_refused(policy: str) -> None:
    (problem,) = report_with(triggers=triggers_with(cleanup_policy=policy)).problems
    assert problem.topic == "awp.job.triggers.v1"
    assert problem.severity == "error"
    assert policy in problem.problem
    assert "cleanup.policy=delete" in problem.remedy


def test_a_topic_that_takes_no_whole_trigger_is_refused() -> None:
    (problem,) = report_with(triggers=triggers_with(max_message_bytes="262144")).problems
    assert problem.severity == "error"
    assert "262,144" in problem.problem
    assert "max.message.bytes=278528" in problem.remedy


def test_what_the_brokers_do_not_unpack_is_a_warning_on_what_we_read_alone() -> None:
    packed = replace(TRIGGERS, config=GOOD | {"compression.type": "producer"})
    report = report_with(
        triggers=packed, dispatch_action=replace(packed, name="awp.dispatch.action.v1")
    )
    (problem,) = report.problems
    assert (problem.topic, problem.severity) == ("awp.job.triggers.v1", "warning")
    assert "compression.type is producer" in problem.problem
    assert "compression.type=uncompressed" in problem.remedy


@pytest.mark.parametrize(("most", "warnings"), [("4194304", 0), ("4194305", 1)])
def test_batches_of_more_than_4_mib_are_a_warning_on_what_we_read(most: str, warnings: int) -> None:
    report = report_with(triggers=triggers_with(max_message_bytes=most))
    assert [each.severity for each in report.problems] == ["warning"] * warnings
    assert report.is_good


def test_a_topic_that_takes_no_whole_dispatch_is_refused_and_one_for_statuses_may_be_smaller() -> (
    None
):
    small = replace(TRIGGERS, config=GOOD | {"max.message.bytes": "999999"})
    report = report_with(
        dispatch_action=replace(small, name="awp.dispatch.action.v1"),
        statuses=replace(small, name="awp.execution.status.v1"),
    )
    assert [each.topic for each in report.problems] == ["awp.dispatch.action.v1"]


def test_too_few_replicas_are_a_warning_where_there_are_more_brokers() -> None:
    single = replace(TRIGGERS, replicas=1, config=GOOD | {"min.insync.replicas": "1"})
    (problem,) = report_with(triggers=single).problems
    assert problem.severity == "warning"
    assert "1 of 3 replicas" in problem.problem
    assert report_with(triggers=single).is_good
    assert report_with(brokers=1, triggers=single).problems == ()


def test_more_acknowledgements_than_replicas_stop_every_write() -> None:
    single = replace(TRIGGERS, replicas=1)
    (problem,) = report_with(brokers=1, triggers=single).problems
    assert problem.severity == "error"
    assert "nothing can be written" in problem.problem


def test_one_acknowledgement_of_three_replicas_is_a_warning() -> None:
    (problem,) = report_with(triggers=triggers_with(min_insync_replicas="1")).problems
    assert problem.severity == "warning"


def test_a_partition_without_leader_is_named() -> None:
    (problem,) = report_with(triggers=replace(TRIGGERS, leaderless=(2, 4))).problems
    assert problem.severity == "error"
    assert "2, 4" in problem.problem


@pytest.mark.parametrize(("kept", "warnings"), [("3600000", 1), ("86400000", 0), ("-1", 0)])
def test_messages_kept_for_less_than_a_day_are_a_warning(kept: str, warnings: int) -> None:
    report = report_with(triggers=triggers_with(retention_ms=kept))
    assert len(report.problems) == warnings
    assert report.is_good


def test_what_brokers_do_not_tell_is_said_to_be_not_known_and_is_no_problem() -> None:
    told = {key: GOOD[key] for key in ("cleanup.policy", "max.message.bytes", "compression.type")}
    silent = replace(TRIGGERS, config=told)
    report = report_with(triggers=silent)
    assert report.problems == ()
    assert report.not_known == {"awp.job.triggers.v1": ("retention.ms", "min.insync.replicas")}
    assert report.is_good


def test_a_gap_is_said_in_words_with_its_reason_once_for_the_topics_that_share_it() -> None:
    told = {key: GOOD[key] for key in ("cleanup.policy", "max.message.bytes", "compression.type")}
    partly = replace(TRIGGERS, config=told)
    mute = replace(TRIGGERS, config={})
    report = report_with(
        triggers=partly,
        failures=replace(partly, name="awp.job.trigger-failures.v1"),
        statuses=replace(mute, name="awp.execution.status.v1"),
    )
    first, second = unknowns(report, found=6)
    assert first == (
        "Not known for awp.job.triggers.v1, awp.job.trigger-failures.v1: how long messages are "
        "kept, how many brokers have a message when it is acknowledged. The brokers told other "
        "settings, but not retention.ms and min.insync.replicas."
    )
    assert second == (
        "Not known for awp.execution.status.v1: whether compaction deletes messages, whether the "
        "largest message fits, how long messages are kept, how many brokers have a message when it "
        "is acknowledged, whether a small batch may unpack to more than a worker has. The brokers "
        "told none of the settings: this user may lack the right to read them."
    )


def test_a_gap_that_all_topics_share_names_none_of_them() -> None:
    told = {key: value for key, value in GOOD.items() if key != "min.insync.replicas"}
    states = {name: replace(TRIGGERS, name=name, config=told) for name in TOPICS.all()}
    (sentence,) = unknowns(check(TOPICS, states, brokers=1), found=6)
    assert sentence == (
        "Not known for all 6 topics: how many brokers have a message when it is acknowledged. The "
        "brokers told other settings, but not min.insync.replicas."
    )
