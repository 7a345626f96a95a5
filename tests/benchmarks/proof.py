"""What it costs to prove the count against the topics: `trigger-worker audit --deep`."""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from job_trigger_worker.domain.topics import Topics
from job_trigger_worker.embedded.child import last_lines
from tests.benchmarks.draining import PRODUCT, drain, most_memory_mb
from tests.benchmarks.stage import Stage
from tests.benchmarks.triggers import backlog, send
from tests.support.topics import Broker
from tests.support.worker import environment

PARTITIONS = 6
SAMPLE_S = 0.1
DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class Proof:
    """How many triggers it read a second, each with its event, and the most memory it had."""

    triggers: int
    per_s: float
    rss_mb: float

    def as_json(self) -> dict[str, float]:
        """Rounded to what the figures are worth."""
        return {name: round(found) for name, found in asdict(self).items()}


def measure(stage: Stage, broker: Broker, *, triggers: int) -> Proof:
    """Drain so many triggers, then audit them. AssertionError where the count does not close."""
    with stage.set(broker, partitions=PARTITIONS) as settings:
        send(broker.address, Topics.under(settings.topic_prefix).triggers, backlog(triggers))
        drain(settings, PRODUCT, stage.folder / "proof.log", total=triggers)
        most = 0.0
        end = time.monotonic() + DEADLINE_S
        complaints = stage.folder / "proof-audit.log"
        with (
            complaints.open("w") as log,
            subprocess.Popen(
                [sys.executable, "-c", PRODUCT, "audit", "--deep", "--json"],
                env={**os.environ, **environment(settings)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as audit,
        ):
            try:
                while audit.poll() is None and time.monotonic() < end:
                    with contextlib.suppress(ValueError):  # it has just ended
                        most = max(most, most_memory_mb(audit.pid))
                    time.sleep(SAMPLE_S)
            finally:
                audit.kill()
            said = audit.stdout.read() if audit.stdout else ""
        assert said, f"the audit said nothing:\n{last_lines(complaints)}"
    found = json.loads(said)
    assert found["closes"], said
    read = int(found["deep"]["triggers_read"])
    return Proof(read, read / float(found["seconds"]), most)
