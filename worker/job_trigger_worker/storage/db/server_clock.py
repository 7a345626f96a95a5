"""What time the database has."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

_NOW = text("select clock_timestamp()")


def now(connection: Connection) -> datetime:
    """The server's present moment, aware UTC; not that at which the transaction began."""
    found: datetime = connection.execute(_NOW).scalar_one()
    return found.astimezone(UTC)
