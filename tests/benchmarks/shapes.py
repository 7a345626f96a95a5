"""Jobs that cost much: the product beside itself with batches of a fixed number of triggers.

A batch is bounded by what it costs. Whether that is a good bound is shown by worse ones: were some
fixed number of triggers faster for a shape of jobs, the product would be slower than it could be.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.storage.schema import revisions
from tests.benchmarks.draining import PRODUCT, Drain, drain
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import send
from tests.support.shapes import Shape
from tests.support.topics import Broker

PARTITIONS = 6
SIZES = (5, 20, 100)
"""Fixed numbers of triggers in a batch, beside the default, which such jobs never reach."""

DEFAULT = 1000
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Shaped:
    """What draining a shape came to, by the most triggers that a batch may have."""

    by_size: Mapping[int, Drain]

    @property
    def product(self) -> Drain:
        """With the default."""
        return self.by_size[DEFAULT]

    @property
    def best(self) -> int:
        """The fixed number that was fastest."""
        return max(SIZES, key=lambda size: self.by_size[size].per_s)

    @property
    def ratio(self) -> float:
        """How many times as fast the default is as the best fixed number."""
        return self.product.per_s / self.by_size[self.best].per_s

    def as_json(self) -> dict[str, object]:
        """Rounded to what the figures are worth."""
        return {
            "per_s": {str(size): round(each.per_s, 1) for size, each in self.by_size.items()},
            "ratio": round(self.ratio, 2),
            "rss_mb": round(self.product.rss_mb),
        }


def measure(stage: Stage, broker: Broker, shape: Shape, *, rounds: int) -> Shaped:
    """Drain as many triggers of a shape as it names, some times with each size in turn.

    Of each size the fastest time counts: what else the machine did slows one down, and nothing
    makes one faster than it is.
    """
    with _template(stage, shape) as template:
        found: dict[int, list[Drain]] = {size: [] for size in (DEFAULT, *SIZES)}
        for _ in range(max(1, min(rounds, ROUNDS))):
            for size, drains in found.items():
                drains.append(_drain(stage, broker, shape, template, size))
    return Shaped({size: _of(drains) for size, drains in found.items()})


def _of(drains: list[Drain]) -> Drain:
    """The fastest, with the most memory of all."""
    fastest = max(drains, key=lambda each: each.per_s)
    return Drain(fastest.per_s, fastest.cpu_us, fastest.spent, max(each.rss_mb for each in drains))


def _drain(stage: Stage, broker: Broker, shape: Shape, template: str, size: int) -> Drain:
    with stage.set(broker, partitions=PARTITIONS, template=template) as settings:
        topics = Topics.under(settings.topic_prefix)
        send(settings.kafka_brokers, topics.triggers, shape.keyed())
        own = settings.model_copy(update={"batch_triggers": size})
        return drain(own, PRODUCT, stage.folder / "shapes.log", total=shape.triggers)


@contextmanager
def _template(stage: Stage, shape: Shape) -> Iterator[str]:
    """A database with the jobs of a shape, to be copied."""
    name = f"{stage.server.template}_shape"
    url = stage.server.create(name, template="template0")
    try:
        revisions.upgrade(url)
        shape.fill(url)
        yield name
    finally:
        stage.server.drop(name)
