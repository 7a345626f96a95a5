"""Becoming the owner of partitions in the ledger, and what that shows about the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from job_trigger_worker.domain.group_copy import copy_of
from job_trigger_worker.domain.record import Claim
from job_trigger_worker.kafka import log_loss
from job_trigger_worker.kafka.broker_lookup import LookupResult
from job_trigger_worker.kafka.group_check import check_copies
from job_trigger_worker.kafka.topic_ids import TopicDescription
from job_trigger_worker.metrics import LoopMetrics
from job_trigger_worker.storage.db import lock_holders
from job_trigger_worker.storage.db.engine import Session
from job_trigger_worker.storage.write import ledger


class PartitionFence:
    """Raises epochs for one owner (`group/instance`)."""

    def __init__(self, session: Session, owner: str, metrics: LoopMetrics) -> None:
        self.owner = owner
        self._session = session
        self._metrics = metrics

    def raise_before(
        self, topic: TopicDescription, answers: LookupResult, former: Mapping[int, Claim]
    ) -> dict[int, Claim]:
        """Fence whoever wrote before, in one transaction; the claims of all partitions answered.

        Without those whose ledger rows another transaction has locked: nobody waits for it. Where
        the group's copy, or what we remember of a partition (`former`), is ahead of the ledger, the
        database has forgotten commits, and that is recorded. Raises `FatalError`, before anything
        is written, where this is not the group's database, and where another group owns a
        partition.
        """
        group = self.owner.split("/", maxsplit=1)[0]
        check_copies(self._session, topic, group, answers.copies)
        rewound: dict[int, int] = {}
        with self._session.transaction() as connection:
            claims = ledger.take(
                connection,
                topic=topic.name,
                topic_id=topic.topic_id,
                owner=self.owner,
                log_starts={each: answers.bounds[each][0] for each in answers.copies},
            )
            for partition, claim in claims.items():
                known = [answers.copies[partition]]
                if partition in former:
                    known.append(copy_of(former[partition]))
                end = max((each.offset for each in known if each.is_of(claim)), default=0)
                if end > claim.last_offset + 1:
                    ledger.rewind(connection, claim, end)
                    rewound[partition] = end
        for partition, end in rewound.items():
            log_loss.report_rewound(claims[partition], end, self._metrics)
        return claims

    def why_locked(self, topic: TopicDescription, partitions: Collection[int]) -> str:
        """Who has locked ledger rows that were left out, as far as it is known."""
        with self._session.transaction() as connection:
            holder = lock_holders.of_partitions(connection, topic.name, topic.topic_id, partitions)
        return f"its row of awp_trigger_ledger is locked by {holder or 'somebody'}"
