"""Who drains: the product, two bare loops, and other people's frameworks with the same work."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.draining import PRODUCT, ROOT

PEERS = ROOT / ".venv-peers" / "bin" / "python"
INSTALL = "make .venv-peers/.installed"


@dataclass(frozen=True, slots=True)
class Contender:
    """A program; `share` of the backlog is what it drains, because some are slow.

    `crash` is what a crash between commit and acknowledgement leaves, `owners` what a second owner
    of a partition can do.
    """

    name: str
    program: str
    what: str
    crash: str
    owners: str
    python: str = sys.executable
    share: float = 1.0

    @property
    def is_peer(self) -> bool:
        """Whether it needs packages that only the peers' environment has."""
        return self.python != sys.executable


def _own(name: str, program: str, what: str, crash: str, owners: str) -> Contender:
    return Contender(name, program, what, crash, owners)


def _peer(name: str, module: str, what: str, share: float = 1.0) -> Contender:
    return Contender(
        name,
        f"from tests.benchmarks.peers.{module} import main; main()",
        what,
        "its events are published again when the partition is taken next",
        "its commit fails, where the other one is ahead",
        str(PEERS),
        share,
    )


OURS = (
    _own(
        "product",
        PRODUCT,
        "`trigger-worker worker`, as production runs it",
        "its events are published again, under the same ids",
        "it is fenced: nothing of it is written",
    ),
    _own(
        "plain",
        "from tests.benchmarks.plain import main; main()",
        "a bare loop on librdkafka, ordinary SQL",
        "its events are published again when the partition is taken next",
        "its commit fails, where the other one is ahead",
    ),
    _own(
        "limit",
        "from tests.benchmarks.limit import main; main()",
        "the product's statements and payloads, nothing decided",
        "none",
        "none",
    ),
)
OTHERS = (
    _peer("faststream", "faststream_batch", "FastStream's batch subscriber on librdkafka"),
    _peer("faust", "faust_take", "a Faust agent with `take`"),
    _peer("quix", "quix_sink", "Quix Streams with a sink"),
    _peer("arroyo", "arroyo_batch", "arroyo's batching strategy"),
    _peer(
        "kafka-python",
        "kafka_python_session",
        "kafka-python, a SQLAlchemy session and an awaited send a message",
        0.02,
    ),
)


def available(python: Path = PEERS) -> bool:
    """Whether the peers' environment is there."""
    return os.access(python, os.X_OK)
