"""What a worker sends to its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event

from job_trigger_worker.storage.db.prepared_statements import PreparedStatement

Values = dict[str, Any]


@contextmanager
def preparing(hear: Callable[[PreparedStatement, Values], None]) -> Iterator[None]:
    """Call `hear` before each prepared statement is run."""
    run = PreparedStatement._run

    def heard(statement: PreparedStatement, connection: Any, values: Any, **how: Any) -> Any:
        hear(statement, dict(values))
        return run(statement, connection, values, **how)

    with patch.object(PreparedStatement, "_run", heard):
        yield


@contextmanager
def saying(engine: Engine, hear: Callable[[str], None]) -> Iterator[None]:
    """Call `hear` with the text of each statement of an engine before it is run."""

    def said(*call: Any) -> None:
        hear(call[2])

    event.listen(engine, "before_cursor_execute", said)
    try:
        with preparing(lambda statement, _: hear(statement.statement)):
            yield
    finally:
        event.remove(engine, "before_cursor_execute", said)
