"""How far a reader has read, and which positions it still has to commit (kafka-python)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]
    """The positions of a reader: offsets of what comes next.

    kafka-python tells it of each rebalance, on a thread of its own, and before the reader is handed
    what was fetched afterwards. What is taken away is no longer committed: its next reader may be
    further, and the group's position would go back.
    """

    def __init__(self) -> None:
        """Know of nothing yet."""
        self.known: dict[TopicPartition, int] = {}
        self.unseen: set[TopicPartition] = set()
        """Partitions that came with a rebalance, and whose position nobody has looked at."""
        self._uncommitted: set[TopicPartition] = set()

    def note(self, place: TopicPartition, position: int) -> None:
        """Note a position that the group is to hear of."""
        self.known[place] = position
        self._uncommitted.add(place)

    def uncommitted(self) -> Mapping[TopicPartition, int]:
        """The positions that the group is yet to hear."""
        return {place: self.known[place] for place in tuple(self._uncommitted)}

    def settle(self) -> None:
        """Leave nothing to be committed: it is, or somebody else has the partitions."""
        self._uncommitted.clear()

    def keep(self, places: Collection[TopicPartition]) -> None:
        """Forget the positions of all other partitions: somebody else goes on there."""
        self.known = {place: self.known[place] for place in self.known.keys() & set(places)}

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget what was to be committed of these; also where the group went on without us."""
        self._uncommitted.difference_update(revoked)
        self.unseen.difference_update(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Have these looked at."""
        self.unseen.update(assigned)
