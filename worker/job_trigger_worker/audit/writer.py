"""Writes what an audit has read, while it reads on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection

from job_trigger_worker.kafka.background import Background


class EvidenceWriter:
    """Uses one session in a thread of its own; a context manager.

    Whoever needs the session too asks for a `transaction` of it. At most one batch waits to be
    written, so memory is bounded.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._aside: Background[None] = Background("keep what was read")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._aside.close()

    def keep(
        self, write: Callable[[Connection, Sequence[str]], None], lines: Sequence[str]
    ) -> None:
        """Have lines written in a transaction; raises what writing the ones before them did."""
        self.wait()

        def call() -> None:
            with self._connection.begin():
                write(self._connection, lines)

        self._writing = self._aside.start(call)

    def wait(self) -> None:
        """Until everything is written; raises what writing did."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of the session, once everything is written."""
        self.wait()
        with self._connection.begin():
            yield self._connection
