"""Who drains: the product, two bare loops, and other people's frameworks with the same work."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.draining import PRODUCT, ROOT

PEERS = ROOT / ".venv-peers" / "bin" / "python"
INSTALL = "make .venv-peers/.installed"

_WITH_PARTITION = "published when the partition is taken again"
_WITH_TRIGGER = "published with the partition's next trigger"
_BEHIND = "stopped once it is behind"
_STOPS = "the process stops, again and again"


@dataclass(frozen=True, slots=True)
class Contender:
    """A program; `share` of the backlog is what it drains, because some are slow.

    What it promises: `crash` is what becomes of events that were committed and not sent, `owners`
    of a second owner of a partition, `poison` of a trigger that cannot be read or stored.
    """

    name: str
    what: str
    crash: str
    owners: str
    poison: str
    program: str
    python: str = sys.executable
    share: float = 1.0


def _peer(
    name: str, what: str, module: str, *, poison: str = _STOPS, share: float = 1.0
) -> Contender:
    program = f"from tests.benchmarks.peers.{module} import main; main()"
    return Contender(name, what, _WITH_TRIGGER, _BEHIND, poison, program, str(PEERS), share)


OURS = (
    Contender(
        "product",
        "`trigger-worker worker`, as production runs it",
        "published when the partition is taken again",
        "fenced: writes nothing",
        "isolated and kept as a dead letter",
        PRODUCT,
    ),
    Contender(
        "plain",
        "a bare loop on librdkafka, ordinary SQL",
        _WITH_PARTITION,
        _BEHIND,
        _STOPS,
        "from tests.benchmarks.plain import main; main()",
    ),
    Contender(
        "limit",
        "the product's statements and payloads, nothing decided",
        "nothing",
        "nothing",
        "not looked at",
        "from tests.benchmarks.limit import main; main()",
    ),
)
OTHERS = (
    _peer(
        "faststream",
        "FastStream's batch subscriber on librdkafka",
        "faststream_batch",
        poison="its batch is delivered again, without an end",
    ),
    _peer(
        "faust",
        "a Faust agent with `take`, on aiokafka",
        "faust_take",
        poison="its batch is acknowledged without a record",
    ),
    _peer("quix", "Quix Streams with a sink, on librdkafka", "quix_sink"),
    _peer("arroyo", "arroyo's batching strategy, on librdkafka", "arroyo_batch"),
    _peer(
        "kafka-python",
        "a SQLAlchemy session, a transaction, an awaited send and a commit of the offset a message",
        "kafka_python_session",
        share=0.02,
    ),
)


def available(python: Path = PEERS) -> bool:
    """Whether the peers' environment is there."""
    return os.access(python, os.X_OK)
