"""Interleaved rounds: each contender drains the same triggers on fresh topics and a fresh database.

Ratios are made within a round, so that what slows the machine for a while slows both sides of them.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from job_trigger_worker.domain.topics import Topics
from tests.benchmarks import limit, templates
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.draining import Drain, drain
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import Sent, send
from tests.support.topics import Broker

PARTITIONS = 6

BrokerFor = Callable[[], AbstractContextManager[Broker]]
Say = Callable[[str], None]
Round = dict[str, Drain]


@dataclass(frozen=True, slots=True)
class Contest:
    """Rounds on one broker."""

    broker: str
    rounds: list[Round]
    contenders: tuple[Contender, ...]

    def per_s(self, name: str) -> float:
        """Median of triggers a second."""
        return statistics.median(each[name].per_s for each in self.rounds)

    def spread(self, name: str) -> tuple[float, float]:
        """Least and most triggers a second."""
        speeds = [each[name].per_s for each in self.rounds]
        return min(speeds), max(speeds)

    def cpu_us(self, name: str) -> float:
        """Median CPU time of the contender's process, a trigger."""
        return statistics.median(each[name].cpu_us for each in self.rounds)

    def ratios(self, name: str) -> list[float]:
        """The product's rate over another one's, round by round."""
        return [each["product"].per_s / each[name].per_s for each in self.rounds]

    def ratio(self, name: str) -> float:
        """Median of the ratios."""
        return statistics.median(self.ratios(name))


def hold(
    stage: Stage,
    broker_for: BrokerFor,
    triggers: Sequence[Sent],
    *,
    rounds: int,
    say: Say,
    contenders: tuple[Contender, ...] = OURS,
) -> Contest:
    """Rounds of every contender, each round in another order, on a broker that has warmed up."""
    path = stage.folder / "templates"
    templates.save(templates.write(stage.server, triggers, limit.BATCH), path)
    held: list[Round] = []
    with broker_for() as broker:
        broker_name = broker.name
        warm = _run(stage, broker, triggers[: len(triggers) // 4], OURS[0], path)
    say(f"{broker_name} warms up at {warm.per_s:,.0f}/s, which does not count")
    for number in range(rounds):
        done: Round = {}
        first = number % len(contenders)
        for each in contenders[first:] + contenders[:first]:
            part = triggers[: int(len(triggers) * each.share)]
            with broker_for() as broker:
                done[each.name] = _run(stage, broker, part, each, path)
            say(
                f"{broker_name} {number + 1}/{rounds} {each.name:<12}"
                f"{done[each.name].per_s:8,.0f}/s {done[each.name].cpu_us:6.1f} µs"
            )
        held.append(done)
    return Contest(broker_name, held, contenders)


def _run(
    stage: Stage, broker: Broker, triggers: Sequence[Sent], each: Contender, path: Path
) -> Drain:
    with stage.set(broker, partitions=PARTITIONS) as settings:
        topics = Topics.under(settings.topic_prefix)
        send(settings.kafka_brokers, topics.triggers, triggers)
        return drain(
            settings,
            each.program,
            stage.folder / f"{each.name}.log",
            total=len(triggers),
            python=each.python,
            env={limit.TEMPLATES: str(path)},
        )
