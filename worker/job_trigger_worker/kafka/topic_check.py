"""Whether topics are fit for use, judged purely from what `TopicAdmin.describe` found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.kafka.admin import TopicState
from job_trigger_worker.kafka.topic_settings import (
    COMPRESSION,
    LARGEST,
    LEAST_INCOMING_BYTES,
    POLICY,
    TopicProblem,
    compaction_problem,
    size_problems,
)

LEAST_OUTGOING_BYTES = 1_000_000
"""A batch as librdkafka makes it; a dispatch of 900 KiB is one of these."""

_DAY_MS = 86_400_000
_SAFE_REPLICAS = 3


@dataclass(frozen=True, slots=True)
class TopicReport:
    """Problems in the order of topics, and what the brokers did not tell (topic: settings)."""

    problems: tuple[TopicProblem, ...]
    not_known: Mapping[str, tuple[str, ...]]

    @property
    def is_good(self) -> bool:
        """True without errors; warnings are allowed."""
        return all(each.severity != "error" for each in self.problems)


_JUDGED = {
    POLICY: "whether compaction deletes messages",
    LARGEST: "whether the largest message fits",
    "retention.ms": "how long messages are kept",
    "min.insync.replicas": "how many brokers have a message when it is acknowledged",
}
"""Settings, and what cannot be said without them."""

_JUDGED_INCOMING = {COMPRESSION: "whether a small batch may unpack to more than a worker has"}
"""The same, of what we read."""


def check(topics: Topics, states: Mapping[str, TopicState], *, brokers: int) -> TopicReport:
    """Judge the six topics; `states` lacks those that do not exist, `brokers` is how many run."""
    problems: list[TopicProblem] = []
    not_known: dict[str, tuple[str, ...]] = {}
    for name in topics.all():
        state = states.get(name)
        if state is None:
            problems.append(_missing(name))
            continue
        problems += _problems(state, topics, brokers)
        judged = _JUDGED | _JUDGED_INCOMING if name in topics.consumed() else _JUDGED
        silent = tuple(key for key in judged if key not in state.config)
        if silent:
            not_known[name] = silent
    return TopicReport(tuple(problems), not_known)


def unknowns(report: TopicReport, *, found: int) -> list[str]:
    """What is not known about the `found` topics, and why: a sentence or two for each gap."""
    gaps: dict[tuple[str, ...], list[str]] = {}
    for topic, silent in report.not_known.items():
        gaps.setdefault(silent, []).append(topic)
    return [_unknown(silent, topics, found) for silent, topics in gaps.items()]


def _unknown(silent: tuple[str, ...], topics: list[str], found: int) -> str:
    where = f"all {found} topics" if len(topics) == found > 1 else ", ".join(topics)
    what = ", ".join((_JUDGED | _JUDGED_INCOMING)[key] for key in silent)
    if set(silent) >= set(_JUDGED):
        why = "told none of the settings: this user may lack the right to read them"
    else:
        why = f"told other settings, but not {' and '.join(silent)}"
    return f"Not known for {where}: {what}. The brokers {why}."


def _problems(state: TopicState, topics: Topics, brokers: int) -> Iterator[TopicProblem]:
    yield from _leaders(state)
    yield from compaction_problem(state.name, state.config)
    yield from _size(state, topics)
    if state.name in topics.consumed():
        yield from size_problems(state.name, state.config)
    yield from _replicas(state, brokers)
    yield from _retention(state)


def _missing(name: str) -> TopicProblem:
    return TopicProblem(
        name, "error", "The topic does not exist.", "Run `trigger-worker topics create`."
    )


def _leaders(state: TopicState) -> Iterator[TopicProblem]:
    if state.leaderless:
        listed = ", ".join(map(str, state.leaderless))
        yield TopicProblem(
            state.name,
            "error",
            f"Partitions without a leader: {listed}.",
            "Start the brokers that hold them again.",
        )


def _size(state: TopicState, topics: Topics) -> Iterator[TopicProblem]:
    least = LEAST_INCOMING_BYTES if state.name in topics.consumed() else LEAST_OUTGOING_BYTES
    most = state.config.get(LARGEST)
    if most is not None and int(most) < least:
        yield TopicProblem(
            state.name,
            "error",
            f"max.message.bytes is {int(most):,}; messages here may be {least:,} bytes large.",
            f"Set max.message.bytes={least} or more on {state.name}.",
        )


def _replicas(state: TopicState, brokers: int) -> Iterator[TopicProblem]:
    acknowledged = state.config.get("min.insync.replicas")
    if acknowledged is not None and int(acknowledged) > state.replicas:
        yield TopicProblem(
            state.name,
            "error",
            f"min.insync.replicas is {acknowledged} but there are {state.replicas} replicas: "
            "nothing can be written.",
            f"Set min.insync.replicas below the number of replicas on {state.name}.",
        )
    safe = min(_SAFE_REPLICAS, brokers)
    if state.replicas < safe:
        yield TopicProblem(
            state.name,
            "warning",
            f"{state.replicas} of {safe} replicas: a broker's loss may lose what was acknowledged.",
            f"Reassign {state.name} with {safe} replicas.",
        )
    elif state.replicas >= _SAFE_REPLICAS and acknowledged == "1":
        yield TopicProblem(
            state.name,
            "warning",
            "min.insync.replicas is 1: an acknowledged message may be on one broker only.",
            f"Set min.insync.replicas=2 on {state.name}.",
        )


def _retention(state: TopicState) -> Iterator[TopicProblem]:
    kept = state.config.get("retention.ms")
    if kept is not None and 0 <= int(kept) < _DAY_MS:
        yield TopicProblem(
            state.name,
            "warning",
            f"Messages are kept for {int(kept) / 3_600_000:.1f} h: what a longer outage leaves "
            "unread is lost.",
            f"Set retention.ms={_DAY_MS * 7} (a week) on {state.name}.",
        )
