"""Alembic's entry: each revision up is a transaction of its own, all of them down are one.

There is no alembic.ini: `storage.schema.revisions` builds the configuration and hands the
connection over in `attributes`. The table of revisions has a name of its own, so that a platform
which uses Alembic in the same database keeps its own `alembic_version`.
"""

from __future__ import annotations

from alembic import context

from job_trigger_worker.migrations.online import VERSION_TABLE


def run() -> None:
    """Run on the given connection, or print SQL where there is none (`--sql`)."""
    attributes = context.config.attributes
    is_down = bool(attributes.get("is_down"))
    if context.is_offline_mode():
        context.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},
            literal_binds=True,
            version_table=VERSION_TABLE,
            transaction_per_migration=not is_down,
        )
    else:
        context.configure(
            connection=attributes["connection"],
            on_version_apply=attributes.get("on_version_apply"),
            version_table=VERSION_TABLE,
            transaction_per_migration=not is_down,
        )
    with context.begin_transaction():
        context.run_migrations()


run()
